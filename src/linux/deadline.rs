//! A bound on how long leaving may take, kept by a timer of the kernel.
//!
//! A worker often leaves from inside a signal handler, where any lock may be held. So nothing here
//! allocates or starts a thread: the timer sends a signal to the thread that leaves, and the
//! handler of that signal uses system calls only.

use std::{
    ffi::{c_int, c_void},
    io, mem, ptr,
    sync::atomic::{AtomicI32, Ordering},
};

use super::process;

/// The status to leave with when time is up.
static STATUS: AtomicI32 = AtomicI32::new(0);

/// The timer's signal: the last but one of the real-time signals.
fn timer_signal() -> c_int {
    libc::SIGRTMAX() - 1
}

/// The signal whose handler prints the stacks of all threads, installed by whoever knows how to.
pub fn stacks_signal() -> c_int {
    libc::SIGRTMAX() - 2
}

/// A bound in force, until it is dropped.
#[derive(Debug)]
pub struct Deadline(c_int);

impl Deadline {
    /// From now on this thread has `seconds` before the process leaves with `status` all the same,
    /// with a line in the log and whatever the handler of [`stacks_signal`] writes.
    pub fn set(seconds: u32, status: c_int) -> io::Result<Self> {
        STATUS.store(status, Ordering::Relaxed);
        handle(timer_signal(), expired)?;
        unblock(&[timer_signal(), stacks_signal()]);
        start_timer(seconds).map(Self)
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        // SAFETY: timer_delete(2) on a timer that this value made.
        unsafe { libc::syscall(libc::SYS_timer_delete, self.0) };
    }
}

extern "C" fn expired(_signal: c_int, _info: *mut libc::siginfo_t, _context: *mut c_void) {
    const LINE: &[u8] = b"[pycow] WARNING: the exit hooks did not end within pycow-exit-timeout: \
                          leaving without them; what held them:\n";
    // SAFETY: write(2) is async-signal-safe; standard error is uWSGI's log.
    unsafe { libc::write(libc::STDERR_FILENO, LINE.as_ptr().cast(), LINE.len()) };
    // Without a handler that signal would end the process.
    if handled(stacks_signal()) {
        // SAFETY: raise(3) is async-signal-safe.
        unsafe { libc::raise(stacks_signal()) };
    }
    process::exit_now(STATUS.load(Ordering::Relaxed));
}

fn handled(signal: c_int) -> bool {
    // SAFETY: all zeros is a valid place for sigaction(2), which is async-signal-safe, to write to.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, ptr::null(), &mut action) == 0
            && action.sa_sigaction != libc::SIG_DFL
    }
}

fn handle(
    signal: c_int,
    handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void),
) -> io::Result<()> {
    // SAFETY: all zeros is an empty mask and no flags; the handler keeps to async-signal-safe calls.
    let failed = unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(signal, &action, ptr::null_mut()) != 0
    };
    result(failed)
}

fn unblock(signals: &[c_int]) {
    // SAFETY: sigsetops(3) on a set of our own; the mask is that of the thread that is leaving.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut set);
        for &signal in signals {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
    }
}

/// By system calls: glibc's timer_create allocates before 2.34, and needs librt.
fn start_timer(seconds: u32) -> io::Result<c_int> {
    // SAFETY: all zeros is a valid event. SIGEV_THREAD_ID sends the signal to this very thread.
    let mut event: libc::sigevent = unsafe { mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = timer_signal();
    // SAFETY: gettid(2) always succeeds.
    event.sigev_notify_thread_id = unsafe { libc::syscall(libc::SYS_gettid) } as c_int;
    let mut timer: c_int = 0;
    // SAFETY: timer_create(2) reads the event and writes the timer's number.
    let created = unsafe {
        libc::syscall(
            libc::SYS_timer_create,
            libc::CLOCK_MONOTONIC,
            &raw mut event,
            &raw mut timer,
        )
    };
    result(created != 0)?;

    // SAFETY: all zeros is a valid time.
    let mut time: libc::itimerspec = unsafe { mem::zeroed() };
    time.it_value.tv_sec = seconds.into();
    let no_old_value = ptr::null_mut::<libc::itimerspec>();
    // SAFETY: timer_settime(2) reads the time.
    let set = unsafe {
        libc::syscall(
            libc::SYS_timer_settime,
            timer,
            0,
            &raw const time,
            no_old_value,
        )
    };
    result(set != 0).map(|()| timer)
}

fn result(failed: bool) -> io::Result<()> {
    if failed {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
