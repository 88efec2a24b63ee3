//! Where a thread waits in uWSGI's own code: the only places at which it may be cancelled.
//!
//! Up to 2.0.24 uWSGI ends the threads of a worker by pthread_cancel(3), and asks for the asynchronous
//! kind: whoever is between two requests ends where it is, inside of malloc or with the GIL in its
//! hands, and the hooks wait for ever for what it had. Cancelled while it waits for a lock or for
//! events, a thread has nothing.
//!
//! What is cancelled unwinds: these functions and those that call them have nothing to drop and catch
//! nothing ("C-unwind").

use std::{
    ffi::c_int,
    ptr,
    sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed},
};

use super::{clock, signals::Mask};
use crate::guard::{errno, set_errno};

/// From pthread.h, as in every glibc and musl.
const PTHREAD_CANCEL_DISABLE: c_int = 1;
const PTHREAD_CANCEL_DEFERRED: c_int = 0;
const PTHREAD_CANCEL_ASYNCHRONOUS: c_int = 1;

extern "C-unwind" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    fn pthread_setcanceltype(kind: c_int, before: *mut c_int) -> c_int;
    fn pthread_mutex_lock(mutex: *mut libc::pthread_mutex_t) -> c_int;
    fn poll(polled: *mut libc::pollfd, count: libc::nfds_t, timeout: c_int) -> c_int;
    fn epoll_wait(
        queue: c_int,
        events: *mut libc::epoll_event,
        count: c_int,
        timeout: c_int,
    ) -> c_int;
    fn epoll_pwait(
        queue: c_int,
        events: *mut libc::epoll_event,
        count: c_int,
        timeout: c_int,
        mask: *const libc::sigset_t,
    ) -> c_int;
}

/// A thread of this process asked to be cancelled anywhere.
static ASKED: AtomicBool = AtomicBool::new(false);

/// In the place of pthread_setcanceltype(3): the thread stays cancellable at its waits.
///
/// # Safety
/// As of pthread_setcanceltype(3).
pub unsafe fn ask_for_cancel_type(kind: c_int, before: *mut c_int) -> c_int {
    if kind == PTHREAD_CANCEL_ASYNCHRONOUS {
        ASKED.store(true, Relaxed);
    }
    // SAFETY: the caller's promise.
    unsafe { pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, before) }
}

/// Runs `body` to its end, whoever cancels this thread.
pub fn uncancelled(body: impl FnOnce()) {
    let mut before = 0;
    // SAFETY: pthread_setcancelstate(3) writes the state that was in force.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut before) };
    body();
    // SAFETY: the state that it wrote; a deferred request is not acted upon here.
    unsafe { pthread_setcancelstate(before, ptr::null_mut()) };
}

/// Processes share that lock. uWSGI has such locks (core/lock.c), CPython and other libraries have none.
///
/// # Safety
/// A lock that was initialized.
pub unsafe fn is_shared(mutex: *const libc::pthread_mutex_t) -> bool {
    /// Where glibc keeps the kind of a lock, and its `PTHREAD_MUTEX_PSHARED_BIT` (nptl/pthreadP.h). Programs have
    /// that layout compiled in (`PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP`).
    const KIND: usize = 4;
    const SHARED: i32 = 128;
    // SAFETY: the caller's promise: a word of the lock that others may change, as a whole.
    let kind = unsafe { AtomicI32::from_ptr(mutex.cast::<i32>().add(KIND).cast_mut()) };
    kind.load(Relaxed) & SHARED != 0
}

/// pthread_mutex_lock(3) as it is.
///
/// # Safety
/// As of pthread_mutex_lock(3).
pub unsafe fn lock_uncancelled(mutex: *mut libc::pthread_mutex_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { pthread_mutex_lock(mutex) }
}

/// pthread_mutex_lock(3), which itself is no place at which a thread is cancelled.
///
/// # Safety
/// As of pthread_mutex_lock(3).
pub unsafe fn lock(mutex: *mut libc::pthread_mutex_t) -> c_int {
    if !ASKED.load(Relaxed) {
        // SAFETY: the caller's promise.
        return unsafe { lock_uncancelled(mutex) };
    }
    // SAFETY: between the two changes of its type this thread calls nothing but the lock. It has what
    // it waited for, at most, and its process leaves.
    unsafe {
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, ptr::null_mut());
        let answer = pthread_mutex_lock(mutex);
        pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, ptr::null_mut());
        answer
    }
}

/// That address is on the stack of the function that called, or of one above it.
// Inlined, it would have its byte in the caller's own frame, maybe above what is looked for.
#[inline(never)]
pub fn is_in_frame_above(address: usize) -> bool {
    /// More than a frame of the few that this looks at.
    const FRAMES: usize = 64 << 10;
    let own = 0_u8;
    address.wrapping_sub((&raw const own).addr()) < FRAMES
}

/// What epoll_wait(2) answers where a signal has ended it.
pub fn interrupted() -> c_int {
    set_errno(libc::EINTR);
    -1
}

/// poll(2); if it has a limit, gone on with after a signal that `goes_on` says so of. Kernels never do that by
/// themselves (signal(7)), and uWSGI takes the interruption for an error of the client's (core/writer.c).
///
/// # Safety
/// As of poll(2).
pub unsafe fn poll_on(
    polled: *mut libc::pollfd,
    count: libc::nfds_t,
    timeout: c_int,
    mut goes_on: impl FnMut() -> bool,
) -> c_int {
    let end = clock::now() + i64::from(timeout);
    let mut left = timeout;
    loop {
        // SAFETY: the caller's promise.
        let answer = unsafe { poll(polled, count, left) };
        if answer != -1 || errno() != libc::EINTR || timeout <= 0 || !goes_on() {
            return answer;
        }
        left = (end - clock::now()).clamp(0, timeout.into()) as c_int;
    }
}

/// epoll_wait(2); with a mask, under that one.
///
/// # Safety
/// As of epoll_wait(2).
pub unsafe fn epoll(
    queue: c_int,
    events: *mut libc::epoll_event,
    count: c_int,
    timeout: c_int,
    mask: Option<Mask>,
) -> c_int {
    let Some(mask) = mask else {
        // SAFETY: the caller's promise.
        return unsafe { epoll_wait(queue, events, count, timeout) };
    };
    // SAFETY: the same, and a mask that outlives the call.
    let answer = unsafe { epoll_pwait(queue, events, count, timeout, mask.as_ptr()) };
    if answer != -1 || !matches!(errno(), libc::ENOSYS | libc::EPERM) {
        return answer;
    }
    // To a sandbox that knows what uWSGI itself calls. A signal that comes right before the wait is
    // acted upon when its grace is over.
    // SAFETY: the caller's promise.
    mask.in_force(|| unsafe { epoll_wait(queue, events, count, timeout) })
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use super::*;

    #[test]
    fn what_is_on_the_stack_is_told_from_the_heap() {
        let (here, elsewhere) = (0_u8, Box::new(0_u8));
        assert!(is_in_frame_above((&raw const here).addr()));
        assert!(!is_in_frame_above((&raw const *elsewhere).addr()));
    }

    /// A lock with those attributes.
    fn is_shared_with(set: impl FnOnce(*mut libc::pthread_mutexattr_t)) -> bool {
        let mut attributes = MaybeUninit::uninit();
        let mut mutex = MaybeUninit::uninit();
        // SAFETY: both are initialized by the functions for that, and used after it.
        unsafe {
            assert_eq!(libc::pthread_mutexattr_init(attributes.as_mut_ptr()), 0);
            set(attributes.as_mut_ptr());
            let made = libc::pthread_mutex_init(mutex.as_mut_ptr(), attributes.as_ptr());
            assert_eq!(made, 0);
            is_shared(mutex.as_ptr())
        }
    }

    #[test]
    fn a_lock_that_processes_share_is_told_from_others() {
        let shared = libc::PTHREAD_PROCESS_SHARED;
        // SAFETY: attributes that were initialized.
        unsafe {
            assert!(is_shared_with(|it| {
                libc::pthread_mutexattr_setpshared(it, shared);
            }));
            // As uWSGI makes them, where the kernel can.
            assert!(is_shared_with(|it| {
                libc::pthread_mutexattr_setpshared(it, shared);
                libc::pthread_mutexattr_setprotocol(it, libc::PTHREAD_PRIO_INHERIT);
                libc::pthread_mutexattr_setrobust(it, libc::PTHREAD_MUTEX_ROBUST);
            }));
            assert!(!is_shared_with(|_| {}));
            assert!(!is_shared_with(|it| {
                libc::pthread_mutexattr_settype(it, libc::PTHREAD_MUTEX_RECURSIVE);
            }));
        }
    }
}
