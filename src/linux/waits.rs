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
    sync::atomic::{AtomicBool, Ordering::Relaxed},
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

/// pthread_mutex_lock(3), which itself is no place at which a thread is cancelled.
///
/// # Safety
/// As of pthread_mutex_lock(3).
pub unsafe fn lock(mutex: *mut libc::pthread_mutex_t) -> c_int {
    if !ASKED.load(Relaxed) {
        // SAFETY: the caller's promise.
        return unsafe { pthread_mutex_lock(mutex) };
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
