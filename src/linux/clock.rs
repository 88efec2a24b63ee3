//! Clocks that every process of a machine, or of a process, shares.

use std::time::Duration;

use rustix::time::{clock_gettime, ClockId};

/// Milliseconds on a clock that all processes of this machine share (`CLOCK_MONOTONIC`).
pub fn now() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// The CPU that the calling thread has spent.
pub fn own_cpu() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}

/// The CPU that this process has spent since it was forked, all of its threads.
pub fn process_cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_go_on() {
        let (start, cpu) = (now(), own_cpu());
        assert!(start > 0 && start <= now() && cpu <= own_cpu());
    }
}
