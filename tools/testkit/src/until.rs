//! Waiting for what nobody announces.

use crate::patience::patient;
use std::{
    thread,
    time::{Duration, Instant},
};

/// Asks until there is an answer: a number in shared memory tells nobody that it changed.
///
/// # Panics
/// If there is none within a minute.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(Duration::from_secs(60), what, ask)
}

/// The same, for as long as `limit`.
///
/// # Panics
/// If there is none by then.
pub fn until_within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    const PAUSE: Duration = Duration::from_millis(20);
    let (start, limit) = (Instant::now(), patient(limit));
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < limit, "no {what} within {limit:?}");
        thread::sleep(PAUSE);
    }
}
