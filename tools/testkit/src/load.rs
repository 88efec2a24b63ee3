//! Many requests, and how long they took.

use crate::http;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// What a load run measured.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Requests that were not answered with 200.
    pub errors: usize,
    /// How long each answered request took, shortest first.
    pub latencies: Vec<Duration>,
}

impl LoadReport {
    /// From the first request to the last answer.
    pub fn seconds(&self) -> f64 {
        self.elapsed.as_secs_f64()
    }

    /// Answered requests a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds()
    }

    /// The median latency.
    pub fn p50(&self) -> Duration {
        self.percentile(50)
    }

    /// The latency that 99 of 100 requests stayed below.
    pub fn p99(&self) -> Duration {
        self.percentile(99)
    }

    /// The latency that so many of 100 requests stayed below; zero if none was
    /// answered.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.latencies.len() * percent).div_ceil(100);
        let index = rank.saturating_sub(1);
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

/// Sends `requests` requests, number N to `paths(N)`, from so many clients,
/// each of which waits for an answer before it asks again.
pub fn run(
    port: u16,
    paths: impl Fn(usize) -> String + Sync,
    requests: usize,
    clients: usize,
) -> LoadReport {
    let next = AtomicUsize::new(0);
    let client = || {
        let mut latencies = Vec::with_capacity(requests / clients.max(1) + 1);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= requests {
                return latencies;
            }
            let path = paths(number);
            let begin = Instant::now();
            if http::get(port, &path).is_ok_and(|answer| answer.status == 200) {
                latencies.push(begin.elapsed());
            }
        }
    };
    let begin = Instant::now();
    let mut latencies = thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        let join = |client: thread::ScopedJoinHandle<_>| client.join().expect("`paths` panicked");
        clients.into_iter().flat_map(join).collect::<Vec<_>>()
    });
    let elapsed = begin.elapsed();
    latencies.sort_unstable();
    LoadReport {
        elapsed,
        errors: requests - latencies.len(),
        latencies,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks() {
        let mut report = LoadReport {
            elapsed: Duration::from_secs(2),
            errors: 0,
            latencies: (1..=100).map(Duration::from_millis).collect(),
        };
        assert_eq!(report.p50(), Duration::from_millis(50));
        assert_eq!(report.p99(), Duration::from_millis(99));
        assert_eq!(report.rate(), 50.0);
        report.latencies.clear();
        assert_eq!(report.p99(), Duration::ZERO);
    }
}
