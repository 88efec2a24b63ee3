//! The signals that tests send, by their numbers on x86-64 (signal(7)).

use crate::process;

/// Sends a signal to any process.
///
/// # Panics
/// If there is no such process, or it is not ours.
pub fn send(pid: i32, number: i32) {
    process::signal(pid, number);
}

macro_rules! signals {
    ($($name:ident = $number:literal: $about:literal;)*) => {
        $(#[doc = $about] pub const $name: i32 = $number;)*
    };
}

signals! {
    SIGHUP = 1: "Graceful reload, of a master or of a worker.";
    SIGINT = 2: "What a master ends its workers by.";
    SIGKILL = 9: "The end, without a word.";
    SIGTERM = 15: "The end, with `die-on-term`.";
    SIGCONT = 18: "Goes on.";
    SIGSTOP = 19: "Is held.";
}
