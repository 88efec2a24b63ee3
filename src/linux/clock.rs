//! Clocks that every process of a machine, or of a process, shares.

use std::time::Duration;

use rustix::time::{clock_gettime, ClockId};

/// Milliseconds on a clock that all processes of this machine share (`CLOCK_MONOTONIC`).
pub fn now() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// The same, exact to some milliseconds only, and as good as free (`CLOCK_MONOTONIC_COARSE`).
pub fn coarse() -> i64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// The CPU that the calling thread has spent (about 0.2 us).
pub fn own_cpu() -> Duration {
    spent(ClockId::ThreadCPUTime)
}

/// The CPU that the process has spent, all its threads together (about 0.2 us).
pub fn process_cpu() -> Duration {
    spent(ClockId::ProcessCPUTime)
}

fn spent(clock: ClockId) -> Duration {
    let spent = clock_gettime(clock);
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_go_on() {
        let (start, cpu, all) = (now(), own_cpu(), process_cpu());
        assert!(start > 0 && start <= now() && cpu <= own_cpu() && all <= process_cpu());
        let coarse_start = coarse();
        assert!(coarse_start > 0 && coarse_start <= coarse() && coarse_start <= now());
    }
}
