//! Waiting for what nobody announces.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Asks until there is an answer: a number in shared memory tells nobody that it changed.
///
/// # Panics
/// If there is none within a minute.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    const LIMIT: Duration = Duration::from_secs(60);
    const PAUSE: Duration = Duration::from_millis(20);
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < LIMIT, "no {what} within {LIMIT:?}");
        thread::sleep(PAUSE);
    }
}
