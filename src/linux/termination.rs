//! A process that leaves is not disturbed by the signals that would have it leave.
//!
//! The statics are what a signal handler, to which C gives no argument, needs to know.

use std::{
    ffi::c_int,
    mem,
    sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed},
};

use super::{
    process::pid,
    signals::{action, current, raise, release, replace, SignalHandler, ENDING},
};

/// While it lives, the ending signals do nothing in this process.
///
/// A process that leaves often gets a second one: from its master, and from a service manager that
/// signals the whole group. uWSGI's handler would call exit() again, inside of exit(), and the
/// process would be gone in the middle of a hook. What a hook forks has the signals that the process
/// had before: it can be ended. A program that a hook starts has them at their default, as always, and ignores
/// what the process ignores.
#[derive(Debug)]
pub struct TerminationIgnored(());

/// What happened at the ending signals before [`TerminationIgnored`].
static BEFORE: [AtomicUsize; ENDING.len()] = [const { AtomicUsize::new(0) }; ENDING.len()];
/// The process that ignores them.
static LEAVING: AtomicI32 = AtomicI32::new(0);

impl TerminationIgnored {
    /// From now on.
    pub fn from_now_on() -> Self {
        LEAVING.store(pid(), Relaxed);
        // SAFETY: `do_nothing` is async-signal-safe.
        let nothing = action(unsafe { SignalHandler::new(do_nothing) }, libc::SA_RESTART);
        let is_heard = |(signal, _): &(c_int, _)| current(*signal).sa_sigaction != libc::SIG_IGN;
        for (signal, before) in ENDING.into_iter().zip(&BEFORE).filter(is_heard) {
            before.store(replace(signal, &nothing).sa_sigaction, Relaxed);
        }
        release();
        Self(())
    }
}

impl Drop for TerminationIgnored {
    fn drop(&mut self) {
        restore_handlers();
    }
}

/// Where a hook has not set others since.
fn restore_handlers() {
    let nothing = do_nothing as *const () as usize;
    let is_ours = |(signal, _): &(c_int, _)| current(*signal).sa_sigaction == nothing;
    for (signal, before) in ENDING.into_iter().zip(&BEFORE).filter(is_ours) {
        // SAFETY: all zeros is a valid sigaction; the address is what sigaction(2) gave.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = before.load(Relaxed);
        action.sa_flags = libc::SA_RESTART;
        replace(signal, &action);
    }
}

/// Unless it comes to a child of a hook, which is no process that leaves.
extern "C" fn do_nothing(signal: c_int) {
    if pid() != LEAVING.load(Relaxed) {
        restore_handlers();
        // It waits until this function returns.
        raise(signal);
    }
}
