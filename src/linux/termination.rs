//! A process that leaves is not disturbed by the signals that would have it leave.
//!
//! The statics are what a fork, to which C gives no argument, needs to know.

use std::{
    ffi::c_int,
    mem, ptr,
    sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::Relaxed},
};

use super::{
    process::pid,
    signals::{action, current, raise, release, replace, SignalHandler, ENDING},
};
use crate::guard::guard;

/// While it lives, the ending signals do nothing in this process.
///
/// A process that leaves often gets a second one: from its master, and from a service manager that
/// signals the whole group. uWSGI's handler would call exit() again, inside of exit(), and the
/// process would be gone in the middle of a hook. What a hook forks has the signals that the process
/// had before: it can be ended. A program that a hook starts has them at their default, as always, and ignores
/// what the process ignores.
#[derive(Debug)]
pub struct TerminationIgnored(());

type AtFork = Option<unsafe extern "C" fn()>;

extern "C" {
    /// What pthread_atfork(3) calls in every glibc; that itself is a part of each program before 2.34.
    fn __register_atfork(
        prepare: AtFork,
        parent: AtFork,
        child: AtFork,
        object: *mut std::ffi::c_void,
    ) -> c_int;
}

/// What happened at the ending signals before [`TerminationIgnored`].
static BEFORE: [AtomicUsize; ENDING.len()] = [const { AtomicUsize::new(0) }; ENDING.len()];
static IGNORED: AtomicBool = AtomicBool::new(false);
/// The process that ignores them.
static LEAVING: AtomicI32 = AtomicI32::new(0);
static WATCHING_FORKS: AtomicBool = AtomicBool::new(false);

impl TerminationIgnored {
    /// From now on. Not async-signal-safe: registering for forks allocates.
    pub fn from_now_on() -> Self {
        LEAVING.store(pid(), Relaxed);
        // SAFETY: `do_nothing` is async-signal-safe.
        let nothing = action(unsafe { SignalHandler::new(do_nothing) }, libc::SA_RESTART);
        let is_heard = |(signal, _): &(c_int, _)| current(*signal).sa_sigaction != libc::SIG_IGN;
        for (signal, before) in ENDING.into_iter().zip(&BEFORE).filter(is_heard) {
            before.store(replace(signal, &nothing).sa_sigaction, Relaxed);
        }
        IGNORED.store(true, Relaxed);
        if !WATCHING_FORKS.swap(true, Relaxed) {
            // SAFETY: the function lives as long as this plugin, which uWSGI never unloads.
            unsafe { __register_atfork(None, None, Some(in_child), ptr::null_mut()) };
        }
        release();
        Self(())
    }
}

impl Drop for TerminationIgnored {
    fn drop(&mut self) {
        put_back();
    }
}

fn put_back() {
    if IGNORED.swap(false, Relaxed) {
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

/// A hook forked: its child is no process that leaves.
unsafe extern "C" fn in_child() {
    guard((), put_back);
}

/// Unless it comes to a child whose [`in_child`] has not run yet.
extern "C" fn do_nothing(signal: c_int) {
    if pid() != LEAVING.load(Relaxed) {
        restore_handlers();
        // It waits until this function returns.
        raise(signal);
    }
}
