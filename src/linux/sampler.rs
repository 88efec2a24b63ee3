//! A thread that reads the memory of its own process at a steady pace.
//!
//! It never allocates, so malloc gives it no arena (64 MB of address space, which would count for
//! `reload-on-as`), takes no lock, and has every signal blocked, so that uWSGI's handlers keep
//! running where they always did. A forked process has no copy of it: it starts one of its own.

use std::{
    ffi::{c_int, c_void},
    io, mem, ptr,
    sync::{
        atomic::{AtomicBool, Ordering},
        OnceLock,
    },
    time::Duration,
};

use super::{reader, smaps::Usage};
use crate::guard::guard;

/// What is done with a sample; `None` where memory cannot be read. Runs on the thread: it must not
/// allocate, lock or log.
pub type Take = fn(Option<Usage>);

/// What one sample needs, with room to spare: the reader's buffer is 4 KB.
const STACK: usize = 64 * 1024;

/// A thread spends no more of a core than this part: 0.4%.
const ONE_PART_IN: u32 = 250;

static TASK: OnceLock<(Duration, Take)> = OnceLock::new();
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Starts the thread of this process: a sample after `first`, and then one every `period`, or as often
/// as 0.4% of a core allows. Period and `take` are those of the first call, in this process or in the one that forked it.
pub fn start(first: Duration, period: Duration, take: Take) -> io::Result<()> {
    TASK.get_or_init(|| (period, take));
    let first = u64::try_from(first.as_millis()).unwrap_or(u64::MAX) as usize;
    let blocked = Blocked::all();
    let outcome = spawn(ptr::without_provenance_mut(first));
    drop(blocked);
    outcome
}

/// From now on no sample is taken in this process; one that is under way may still end.
pub fn stop() {
    STOPPED.store(true, Ordering::SeqCst);
}

/// Whether [`stop`] was called in this process.
pub fn stopped() -> bool {
    STOPPED.load(Ordering::SeqCst)
}

/// Milliseconds on a clock that all processes of this machine share (CLOCK_MONOTONIC).
pub fn clock() -> i64 {
    // SAFETY: all zeros is a valid time; clock_gettime(2) writes one, and knows this clock.
    let now = unsafe {
        let mut now: libc::timespec = mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now);
        now
    };
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

fn spawn(first: *mut c_void) -> io::Result<()> {
    // SAFETY: pthread_attr_init(3) fills the attributes before any other use, and they are destroyed
    // after the last. The thread's function takes the number that it is given.
    let error = unsafe {
        let mut attributes: libc::pthread_attr_t = mem::zeroed();
        let mut error = libc::pthread_attr_init(&mut attributes);
        if error == 0 {
            libc::pthread_attr_setdetachstate(&mut attributes, libc::PTHREAD_CREATE_DETACHED);
            let stack = STACK + least_stack(&attributes);
            libc::pthread_attr_setstacksize(&mut attributes, stack);
            let mut thread: libc::pthread_t = mem::zeroed();
            error = libc::pthread_create(&mut thread, &attributes, run, first);
            libc::pthread_attr_destroy(&mut attributes);
        }
        error
    };
    match error {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// What glibc takes off every stack, in whole pages: the thread-local variables of all loaded
/// libraries live there, and some libraries have a lot of them.
fn least_stack(attributes: &libc::pthread_attr_t) -> usize {
    type MinStack = unsafe extern "C" fn(*const libc::pthread_attr_t) -> usize;
    const PAGE: usize = 4096;
    // SAFETY: nptl/nptl-stack.c: size_t __pthread_get_minstack(const pthread_attr_t *), exported for
    // just this use (glibc 2.15 and newer); it reads the attributes.
    let bytes = unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, c"__pthread_get_minstack".as_ptr());
        if found.is_null() {
            libc::PTHREAD_STACK_MIN
        } else {
            mem::transmute::<*mut c_void, MinStack>(found)(attributes)
        }
    };
    bytes.next_multiple_of(PAGE)
}

extern "C" fn run(first: *mut c_void) -> *mut c_void {
    let Some((period, take)) = TASK.get() else {
        return ptr::null_mut();
    };
    let mut pause = Duration::from_millis(first.addr() as u64);
    // SAFETY: prctl(2): a NUL-terminated name of at most 16 bytes, for top(1) and debuggers.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"pycow-sampler".as_ptr()) };
    loop {
        sleep(pause);
        if stopped() {
            return ptr::null_mut();
        }
        let before = own_cpu();
        guard((), || take(reader::own().ok()));
        pause = rest(*period, own_cpu().saturating_sub(before));
    }
}

/// The next sample is a period away, or further where a sample costs that much: the kernel walks
/// every page of the process, 13 to 20 ms for 1 GB of small ones.
fn rest(period: Duration, cost: Duration) -> Duration {
    period.max(cost * ONE_PART_IN)
}

/// The CPU that this thread has spent.
fn own_cpu() -> Duration {
    // SAFETY: all zeros is a valid time; clock_gettime(2) writes one, and knows this clock.
    let spent = unsafe {
        let mut spent: libc::timespec = mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut spent);
        spent
    };
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}

fn sleep(time: Duration) {
    // SAFETY: all zeros is a valid time.
    let mut request: libc::timespec = unsafe { mem::zeroed() };
    request.tv_sec = time.as_secs() as libc::time_t;
    request.tv_nsec = time.subsec_nanos().into();
    let no_flags: c_int = 0;
    // SAFETY: clock_nanosleep(2) reads the time; with every signal blocked nothing interrupts it.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            no_flags,
            &request,
            ptr::null_mut::<libc::timespec>(),
        );
    }
}

/// While it lives, the calling thread takes no signal, and a thread that it creates never will.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn all() -> Self {
        // SAFETY: sigsetops(3) on sets of our own; pthread_sigmask(3) reads one and writes the other.
        unsafe {
            let (mut all, mut before): (libc::sigset_t, libc::sigset_t) =
                (mem::zeroed(), mem::zeroed());
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
            Self(before)
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the mask that pthread_sigmask(3) gave.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, AtomicU64},
        time::Instant,
    };

    use super::*;

    static TAKEN: AtomicU32 = AtomicU32::new(0);
    static BLOCKED: AtomicU64 = AtomicU64::new(0);

    /// The mask of the calling thread, from /proc.
    fn blocked() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
    }

    #[test]
    fn samples_come_at_a_pace_with_every_signal_blocked() {
        let before = blocked();
        start(Duration::ZERO, Duration::from_millis(5), |usage| {
            assert!(usage.unwrap().pss > 0);
            BLOCKED.store(blocked(), Ordering::Relaxed);
            TAKEN.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
        assert_eq!(blocked(), before);
        let begin = Instant::now();
        while TAKEN.load(Ordering::Relaxed) < 3 {
            assert!(begin.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
        stop();
        // All but SIGKILL and SIGSTOP, which cannot be, and the two that glibc keeps for itself.
        let bit = |signal: u32| 1u64 << (signal - 1);
        let never = bit(9) | bit(19) | bit(32) | bit(33);
        assert_eq!(BLOCKED.load(Ordering::Relaxed) | never, u64::MAX);
    }

    #[test]
    fn a_costly_sample_is_taken_less_often() {
        let [second, cheap, costly] = [1000, 1, 15].map(Duration::from_millis);
        assert_eq!(rest(second, cheap), second);
        let rest = rest(second, costly);
        assert!(
            costly.as_secs_f64() / rest.as_secs_f64() < 0.005,
            "{rest:?}"
        );
        assert!(rest < Duration::from_secs(5), "{rest:?}");
    }

    #[test]
    fn the_clock_goes_on() {
        assert!(clock() > 0 && clock() <= clock());
    }
}
