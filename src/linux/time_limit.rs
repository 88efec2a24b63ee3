//! Limits on time, kept by timers of the kernel.
//!
//! Nothing here allocates or starts a thread. A timer sends a signal to the thread that set it, and
//! the handler of that signal uses system calls only. glibc's own timer_create allocates before 2.34
//! and needs librt: so they are system calls here, too.
//!
//! The statics are what a signal handler, to which C gives no argument, needs to know.

use std::{
    ffi::c_int,
    io, mem, ptr,
    sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use super::{
    process::{exit_now, pid, write_to_log},
    signals::{install, take_away, SignalHandler},
};

/// The signal of [`grace`], one of the last real-time signals: nobody else is likely to use them. The very last
/// two stay free: where qemu runs the programs of another processor, there are none of these numbers.
fn grace_signal() -> c_int {
    libc::SIGRTMAX() - 4
}

/// The signal that a [`TimeLimit`] sends.
fn limit_signal() -> c_int {
    libc::SIGRTMAX() - 2
}

/// A signal on whose arrival the stacks of all threads can be had printed, see [`keep_stacks`].
pub fn stacks_signal() -> c_int {
    libc::SIGRTMAX() - 3
}

/// Calls `handler` on the main thread once `seconds` are over. For good: it ends with the process.
/// Async-signal-safe.
pub fn grace(seconds: u32, handler: SignalHandler) -> io::Result<()> {
    install(grace_signal(), handler, libc::SA_RESTART);
    let timer = Timer::to_main_thread(grace_signal())?;
    timer.start(Duration::from_secs(seconds.into()), Duration::ZERO)?;
    mem::forget(timer);
    Ok(())
}

/// Longest text that is told at expiry, in bytes.
const LONGEST: usize = 400;

/// What is written when time is up, before the stacks and after them.
struct Texts {
    bytes: [[u8; LONGEST]; 2],
    lengths: [usize; 2],
}

static mut TEXTS: Texts = Texts {
    bytes: [[0; LONGEST]; 2],
    lengths: [0; 2],
};
/// The status to leave with when time is up.
static STATUS: AtomicI32 = AtomicI32::new(0);
/// How often the timer has expired. From the second time on nothing is written any more.
static EXPIRED: AtomicU32 = AtomicU32::new(0);
/// The handler that prints stacks; 0: none.
static STACKS: AtomicUsize = AtomicUsize::new(0);

/// Takes the handler of [`stacks_signal`], installed by whoever knows how to print stacks, out of the
/// process's signals: a [`TimeLimit`] calls it by hand.
pub fn keep_stacks() {
    if let Some(handler) = take_away(stacks_signal()) {
        STACKS.store(handler.address(), Relaxed);
    }
}

/// A limit in force, until it is dropped.
#[derive(Debug)]
pub struct TimeLimit {
    expiry: Timer,
    _last_resort: Option<Timer>,
}

impl TimeLimit {
    /// From now on this thread has `seconds` before the process leaves with `status` all the same:
    /// it writes `first`, has the stacks printed, writes `last`, and is gone. Where writing blocks it
    /// is gone a second later; where a hook has blocked every signal it is killed 5 seconds later.
    /// One at a time.
    pub fn set(seconds: u32, status: c_int, first: &[u8], last: &[u8]) -> io::Result<Self> {
        STATUS.store(status, Relaxed);
        EXPIRED.store(0, Relaxed);
        let texts = &raw mut TEXTS;
        for (i, text) in [first, last].into_iter().enumerate() {
            let length = text.len().min(LONGEST);
            // SAFETY: no limit is in force yet, so no handler reads; only a thread that leaves
            // writes, and a process leaves once.
            unsafe {
                (&mut (*texts).bytes)[i][..length].copy_from_slice(&text[..length]);
                (&mut (*texts).lengths)[i] = length;
            }
        }
        // SAFETY: `expired` uses system calls only, and a handler that was installed as one.
        let handler = unsafe { SignalHandler::new(expired) };
        install(limit_signal(), handler, libc::SA_NODEFER);
        let expiry = Timer::to_this_thread(limit_signal())?;
        let limit = Duration::from_secs(seconds.into());
        expiry.start(limit, Duration::from_secs(1))?;
        let last_resort = Timer::to_the_process(libc::SIGKILL).ok();
        if let Some(timer) = &last_resort {
            timer.start(limit + Duration::from_secs(5), Duration::ZERO)?;
        }
        Ok(Self {
            expiry,
            _last_resort: last_resort,
        })
    }

    /// All is told. What still takes longer than a second is cut off without a word.
    pub fn shorten(&self) {
        EXPIRED.store(1, Relaxed);
        let second = Duration::from_secs(1);
        // What fails leaves the longer limit in force.
        let _ = self.expiry.start(second, second);
    }
}

extern "C" fn expired(_signal: c_int) {
    if EXPIRED.fetch_add(1, Relaxed) == 0 {
        write_text(0);
        let handler = STACKS.load(Relaxed);
        if handler != 0 {
            // SAFETY: what `keep_stacks` stored: a signal handler.
            let handler = unsafe { mem::transmute::<usize, extern "C" fn(c_int)>(handler) };
            handler(stacks_signal());
        }
        write_text(1);
    }
    exit_now(STATUS.load(Relaxed));
}

fn write_text(i: usize) {
    let texts = &raw const TEXTS;
    // SAFETY: written before the timer was started, not after.
    let text = unsafe { &(&(*texts).bytes)[i][..(&(*texts).lengths)[i]] };
    write_to_log(text);
}

/// A timer of the kernel, deleted when dropped.
#[derive(Debug)]
struct Timer(c_int);

impl Timer {
    fn to_this_thread(signal: c_int) -> io::Result<Self> {
        let thread = rustix::thread::gettid().as_raw_pid();
        Self::create(libc::SIGEV_THREAD_ID, signal, thread)
    }

    fn to_main_thread(signal: c_int) -> io::Result<Self> {
        Self::create(libc::SIGEV_THREAD_ID, signal, pid())
    }

    fn to_the_process(signal: c_int) -> io::Result<Self> {
        Self::create(libc::SIGEV_SIGNAL, signal, 0)
    }

    fn create(notify: c_int, signal: c_int, thread: c_int) -> io::Result<Self> {
        // SAFETY: all zeros is a valid event.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        event.sigev_notify = notify;
        event.sigev_signo = signal;
        event.sigev_notify_thread_id = thread;
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
        result(created).map(|()| Self(timer))
    }

    fn start(&self, first: Duration, interval: Duration) -> io::Result<()> {
        let spec = |time: Duration| libc::timespec {
            tv_sec: time.as_secs() as libc::time_t,
            tv_nsec: time.subsec_nanos().into(),
        };
        let time = libc::itimerspec {
            it_value: spec(first),
            it_interval: spec(interval),
        };
        let no_old_value = ptr::null_mut::<libc::itimerspec>();
        // SAFETY: timer_settime(2) reads the time.
        result(unsafe {
            libc::syscall(
                libc::SYS_timer_settime,
                self.0,
                0,
                &raw const time,
                no_old_value,
            )
        })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: timer_delete(2) on a timer that this value made.
        unsafe { libc::syscall(libc::SYS_timer_delete, self.0) };
    }
}

fn result(answer: libc::c_long) -> io::Result<()> {
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
