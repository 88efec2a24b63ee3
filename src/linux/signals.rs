//! The signals that end a uWSGI process, held off while it is leaving.

use std::{ffi::c_int, mem, ptr};

/// Those that make a worker, a mule or a spooler call exit() (core/uwsgi.c, core/mule.c).
const ENDING: [c_int; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM];

/// While it lives, the ending signals do nothing.
///
/// A process that leaves often gets a second one: from its master, and from a service manager that
/// signals the whole group. uWSGI's handler would call exit() again, inside of exit(), and the
/// process would be gone in the middle of a hook. The signals are handled, not blocked or ignored,
/// because a program that a hook starts would inherit that; and that of the handler in which a worker
/// usually leaves is blocked, so it is unblocked for the time.
pub struct TerminationIgnored {
    actions: [libc::sigaction; ENDING.len()],
    mask: libc::sigset_t,
}

impl TerminationIgnored {
    /// From now on.
    pub fn from_now_on() -> Self {
        // SAFETY: all zeros is a valid sigaction: no flags, an empty mask.
        let mut nothing: libc::sigaction = unsafe { mem::zeroed() };
        nothing.sa_sigaction = do_nothing as *const () as usize;
        nothing.sa_flags = libc::SA_RESTART;
        let actions = ENDING.map(|signal| replace(signal, &nothing));
        // SAFETY: sigsetops(3) on sets of our own; the mask is that of the thread that is leaving.
        let mask = unsafe {
            let (mut ending, mut mask): (libc::sigset_t, libc::sigset_t) =
                (mem::zeroed(), mem::zeroed());
            for signal in ENDING {
                libc::sigaddset(&mut ending, signal);
            }
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &ending, &mut mask);
            mask
        };
        Self { actions, mask }
    }
}

impl Drop for TerminationIgnored {
    fn drop(&mut self) {
        // SAFETY: the mask that pthread_sigmask(3) gave.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.mask, ptr::null_mut()) };
        for (signal, action) in ENDING.into_iter().zip(&self.actions) {
            replace(signal, action);
        }
    }
}

extern "C" fn do_nothing(_signal: c_int) {}

/// Sets what happens at `signal`; answers what happened before.
fn replace(signal: c_int, action: &libc::sigaction) -> libc::sigaction {
    // SAFETY: sigaction(2) reads one and writes the other; it cannot fail for these signals.
    unsafe {
        let mut before = mem::zeroed();
        libc::sigaction(signal, ptr::from_ref(action), &mut before);
        before
    }
}
