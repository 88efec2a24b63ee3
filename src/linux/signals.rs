//! The signals that end a uWSGI process: who handles them, and when they wait.
//!
//! The statics here are what a signal handler, to which C gives no argument, needs to know.

use std::{
    ffi::c_int,
    mem, ptr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Those that make a worker, a mule or a spooler leave (core/uwsgi.c, core/mule.c).
pub const ENDING: [c_int; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM];

/// The one that stops an instance (`die-on-term`).
pub const STOP: c_int = libc::SIGTERM;

/// The one among them after which a worker ends its request first.
pub const GRACEFUL: c_int = libc::SIGHUP;

/// A function that may run in the middle of any other.
#[derive(Clone, Copy, Debug)]
pub struct SignalHandler(extern "C" fn(c_int));

impl SignalHandler {
    /// Says that a function may be used as a signal handler.
    ///
    /// # Safety
    /// All that it does is async-signal-safe (signal-safety(7)).
    pub const unsafe fn new(handler: extern "C" fn(c_int)) -> Self {
        Self(handler)
    }
}

/// What happens to system calls that a handler interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// The kernel goes on with them, where it can: not with epoll_wait(2) (signal(7)).
    Resume,
    /// They answer `EINTR`.
    Fail,
}

/// What stood at a signal before [`take_over`]: the address of a function, `SIG_DFL` or `SIG_IGN`.
static PREVIOUS: [AtomicUsize; ENDING.len()] = [const { AtomicUsize::new(0) }; ENDING.len()];

fn index(signal: c_int) -> Option<usize> {
    ENDING.iter().position(|&ending| ending == signal)
}

/// From now on `handler` handles the ending signals, but for those that are ignored.
pub fn take_over(handler: SignalHandler, interrupted: Interrupted) {
    let flags = match interrupted {
        Interrupted::Resume => libc::SA_RESTART,
        Interrupted::Fail => 0,
    };
    for signal in ENDING {
        if current(signal).sa_sigaction != libc::SIG_IGN {
            let before = replace(signal, &action(handler, flags)).sa_sigaction;
            if before != handler.address() {
                if let Some(index) = index(signal) {
                    PREVIOUS[index].store(before, Relaxed);
                }
            }
        }
    }
}

/// From now on `handler` handles that signal if it was ignored; whether it was.
pub fn hear(signal: c_int, handler: SignalHandler) -> bool {
    let is_ignored = current(signal).sa_sigaction == libc::SIG_IGN;
    if is_ignored {
        replace(signal, &action(handler, libc::SA_RESTART));
    }
    is_ignored
}

/// From now on nothing happens at that signal.
pub fn ignore(signal: c_int) {
    // SAFETY: all zeros is a valid sigaction: no flags, an empty mask.
    let mut nothing: libc::sigaction = unsafe { mem::zeroed() };
    nothing.sa_sigaction = libc::SIG_IGN;
    replace(signal, &nothing);
}

/// Something other than the kernel's default happens at `signal`, and it is not ignored.
pub fn is_handled(signal: c_int) -> bool {
    let address = current(signal).sa_sigaction;
    address != libc::SIG_DFL && address != libc::SIG_IGN
}

/// The interpreter's handlers, which stand behind ours.
static INTERPRETER: [AtomicUsize; ENDING.len()] = [const { AtomicUsize::new(0) }; ENDING.len()];

/// `signal.signal` put the interpreter's handler in the place of `handler`: puts that back. System
/// calls that it interrupts answer `EINTR`, so that Python looks at its signals.
pub fn take_over_from_interpreter(handler: SignalHandler) {
    for (signal, interpreter) in ENDING.into_iter().zip(&INTERPRETER) {
        if is_handled(signal) {
            let before = replace(signal, &action(handler, 0)).sa_sigaction;
            interpreter.store(before, Relaxed);
        }
    }
}

/// Lets the interpreter know that `signal` came. Async-signal-safe.
pub fn to_interpreter(signal: c_int) {
    let Some(index) = index(signal) else { return };
    call(INTERPRETER[index].load(Relaxed), signal);
}

/// Sends `signal` to the calling process.
pub fn raise(signal: c_int) {
    // SAFETY: raise(3) is async-signal-safe.
    unsafe { libc::raise(signal) };
}

/// Sends `signal` to the calling process, whose main thread gets it unless that blocks it.
pub fn send_to_itself(signal: c_int) {
    // SAFETY: kill(2) is async-signal-safe.
    unsafe { libc::kill(super::process::pid(), signal) };
}

/// Sends `signal` to the main thread of the calling process. Async-signal-safe.
pub fn send_to_main_thread(signal: c_int) {
    // It has the number of its process.
    send_to_thread(super::process::pid(), signal);
}

/// Sends `signal` to that thread of the calling process; nothing happens where it is gone.
/// Async-signal-safe.
pub fn send_to_thread(thread: i32, signal: c_int) {
    // SAFETY: tgkill(2): numbers only.
    unsafe { libc::syscall(libc::SYS_tgkill, super::process::pid(), thread, signal) };
}

fn call(address: usize, signal: c_int) {
    if address != libc::SIG_DFL && address != libc::SIG_IGN {
        // SAFETY: what sigaction(2) gave: a signal handler of this process, installed without
        // SA_SIGINFO (core/utils.c, `uwsgi_unix_signal`; signal(2); CPython's PyOS_setsig). It may run
        // at any time.
        let handler = unsafe { mem::transmute::<usize, extern "C" fn(c_int)>(address) };
        handler(signal);
    }
}

/// Does what the process did at `signal` before [`take_over`]; returns where that is nothing, or
/// comes back.
pub fn as_before(signal: c_int) {
    let Some(index) = index(signal) else { return };
    call(PREVIOUS[index].load(Relaxed), signal);
}

pub(super) fn action(handler: SignalHandler, flags: c_int) -> libc::sigaction {
    // SAFETY: all zeros is a valid sigaction: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler.0 as *const () as usize;
    action.sa_flags = flags;
    action
}

/// Installs a handler of a signal that is none of uWSGI's. Async-signal-safe.
pub(super) fn install(signal: c_int, handler: SignalHandler, flags: c_int) {
    replace(signal, &action(handler, flags));
    unblock(&[signal]);
}

/// What happens at `signal`.
pub(super) fn current(signal: c_int) -> libc::sigaction {
    // SAFETY: sigaction(2) only writes the second; all zeros is a place for that.
    unsafe {
        let mut now = mem::zeroed();
        libc::sigaction(signal, ptr::null(), &mut now);
        now
    }
}

/// Sets what happens at `signal`; answers what happened before.
pub(super) fn replace(signal: c_int, action: &libc::sigaction) -> libc::sigaction {
    // SAFETY: sigaction(2) reads one and writes the other; it cannot fail for these signals.
    unsafe {
        let mut before = mem::zeroed();
        libc::sigaction(signal, ptr::from_ref(action), &mut before);
        before
    }
}

/// Takes the handler of `signal` away, to be called by hand; none if there is none.
pub fn take_away(signal: c_int) -> Option<SignalHandler> {
    // SAFETY: all zeros is SIG_DFL, no flags, an empty mask.
    let before = replace(signal, &unsafe { mem::zeroed() }).sa_sigaction;
    let is_handler = before != libc::SIG_DFL && before != libc::SIG_IGN;
    // SAFETY: it was installed as a handler of this signal by sigaction(2).
    is_handler
        .then(|| SignalHandler(unsafe { mem::transmute::<usize, extern "C" fn(c_int)>(before) }))
}

impl SignalHandler {
    /// Its address, for an atomic.
    pub(super) fn address(self) -> usize {
        self.0 as *const () as usize
    }
}

/// A signal mask of the calling thread, to be put back.
#[derive(Clone, Copy)]
pub struct Mask(libc::sigset_t);

impl Mask {
    /// Blocks whatever can be, but for the ending signals.
    pub fn of_all_but_ending() -> Self {
        // SAFETY: sigsetops(3) on a set of our own.
        unsafe {
            let mut set: libc::sigset_t = mem::zeroed();
            libc::sigfillset(&mut set);
            for signal in ENDING {
                libc::sigdelset(&mut set, signal);
            }
            Self(set)
        }
    }

    /// The mask that was in force.
    pub fn restore(&self) {
        // SAFETY: a mask that pthread_sigmask(3) gave.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
    }

    /// With the mask that was in force before [`hold`], which holds again afterwards.
    pub fn in_force<T>(&self, body: impl FnOnce() -> T) -> T {
        self.restore();
        let answer = body();
        hold();
        answer
    }

    /// For epoll_pwait(2).
    pub fn as_ptr(&self) -> *const libc::sigset_t {
        &self.0
    }
}

/// From now on the ending signals wait until the mask that was in force is restored.
pub fn hold() -> Mask {
    change(libc::SIG_BLOCK, &ENDING)
}

/// From now on the ending signals reach this thread.
pub fn release() {
    unblock(&ENDING);
}

fn unblock(signals: &[c_int]) {
    change(libc::SIG_UNBLOCK, signals);
}

fn change(how: c_int, signals: &[c_int]) -> Mask {
    // SAFETY: sigsetops(3) on sets of our own; the mask is that of the calling thread.
    unsafe {
        let (mut set, mut before): (libc::sigset_t, libc::sigset_t) =
            (mem::zeroed(), mem::zeroed());
        libc::sigemptyset(&mut set);
        for &signal in signals {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(how, &set, &mut before);
        Mask(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(signal: c_int) -> bool {
        let mask = change(libc::SIG_BLOCK, &[]);
        // SAFETY: a mask of our own.
        unsafe { libc::sigismember(mask.as_ptr(), signal) == 1 }
    }

    #[test]
    fn a_wait_may_be_ended_by_those_that_end_only() {
        let mask = Mask::of_all_but_ending();
        // SAFETY: a mask of our own.
        let blocks = |signal| unsafe { libc::sigismember(mask.as_ptr(), signal) == 1 };
        assert!(blocks(libc::SIGUSR1) && blocks(libc::SIGALRM));
        assert!(!ENDING.into_iter().any(blocks));
    }

    #[test]
    fn what_is_held_is_released() {
        let before = hold();
        assert!(ENDING.into_iter().all(blocked));
        before.restore();
        assert!(!ENDING.into_iter().any(blocked));
    }
}
