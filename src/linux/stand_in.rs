//! A child that has its parent's handlers: who handles its ending signals until it has its own.

use std::{
    ffi::c_int,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use super::signals::{action, current, ignore, replace, SignalHandler, ENDING};

/// Those that [`of_inherited`] found ignored.
static IGNORED: [AtomicBool; ENDING.len()] = [const { AtomicBool::new(false) }; ENDING.len()];

/// From now on `handler` keeps what comes, also where an application has left a signal at its default: nobody
/// but a child that sets handlers, or becomes a program, is forked then. What the parent hears by `hears` is
/// ignored but for that.
pub fn of_inherited(handler: SignalHandler, hears: SignalHandler) {
    for (signal, ignored) in ENDING.into_iter().zip(&IGNORED) {
        let before = current(signal).sa_sigaction;
        let is_ignored = before == libc::SIG_IGN || before == hears.address();
        ignored.store(is_ignored, Relaxed);
        stand_in(signal, handler);
    }
}

/// The same where handlers of uWSGI's follow for all of them: what a shell starts in the background
/// ignores SIGINT, by which a master tells its workers to leave.
pub fn of_all(handler: SignalHandler) {
    for signal in ENDING {
        stand_in(signal, handler);
    }
}

/// This child becomes another program, which is to ignore what it would ignore without [`of_inherited`].
pub fn is_over(handler: SignalHandler) {
    for (signal, ignored) in ENDING.into_iter().zip(&IGNORED) {
        if ignored.load(Relaxed) && current(signal).sa_sigaction == handler.address() {
            ignore(signal);
        }
    }
}

/// This process handles the signals for good: a program that it starts has them at their default.
pub fn is_no_more() {
    for ignored in &IGNORED {
        ignored.store(false, Relaxed);
    }
}

fn stand_in(signal: c_int, handler: SignalHandler) {
    replace(signal, &action(handler, libc::SA_RESTART));
}
