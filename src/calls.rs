//! The second leaf of the door: what stands in uWSGI's own calls of libc, and what signals call.

#![allow(
    unsafe_code,
    reason = "the door: each function is called by C in the place of another"
)]

use std::ffi::{c_char, c_int, c_void, CStr};

use crate::{
    guard::{self, guard},
    leaving::{exit::Exit, loading, safe_points::Handlers},
    lifecycle::{self, around_fork},
    linux::{process, signals::SignalHandler},
    plugin::Redirected,
    uwsgi::{host::Host, relocations},
};

/// What signals, timers and CPython call.
pub const HANDLERS: Handlers = Handlers {
    // SAFETY: `lifecycle::told`, `grace_over` and `loading::told` are async-signal-safe, and so is the guard, unless
    // something panics.
    ending: unsafe { SignalHandler::new(ending_signal) },
    // SAFETY: as above.
    loading: unsafe { SignalHandler::new(stop_while_loading) },
    // SAFETY: as above.
    grace: unsafe { SignalHandler::new(grace_over) },
    boundary: lifecycle::at_boundary,
};

/// Has uWSGI's own calls of libc come here, as far as it has slots for them.
pub fn redirect(host: &Host) -> Redirected {
    let to = |name: &CStr, function: *const c_void| {
        // SAFETY: each function below has the signature of the libc function of its name, does what
        // that does, and lives as long as this plugin, which uWSGI never unloads.
        let redirected = unsafe { relocations::redirect(host, name, function) };
        redirected.is_ok()
    };
    // Where that fails, a reload in the moment of a fork goes on with the signals that wait.
    to(c"execvp", execvp as *const c_void);
    Redirected {
        exit: to(c"exit", exit as *const c_void),
        fork: to(c"fork", fork as *const c_void),
        waits: to(c"epoll_wait", epoll_wait as *const c_void)
            && to(c"pthread_mutex_lock", mutex_lock as *const c_void),
    }
}

unsafe extern "C" fn fork() -> libc::pid_t {
    let begun = guard(None, around_fork::fork_begins);
    // SAFETY: fork(2), in the place of uWSGI's own call of it.
    let pid = unsafe { libc::fork() };
    if let Some(begun) = begun {
        guard((), || match pid {
            0 => around_fork::in_any_child(&begun, &HANDLERS),
            _ => around_fork::forked(&begun),
        });
    }
    pid
}

// Another program is next: nothing may wait there.

unsafe extern "C" fn execvp(file: *const c_char, arguments: *const *const c_char) -> c_int {
    guard((), || around_fork::execs(&HANDLERS));
    // SAFETY: what uWSGI gave to execvp(3).
    unsafe { libc::execvp(file, arguments) }
}

// A process is told to leave, and comes to where it can.

extern "C" fn ending_signal(signal: c_int) {
    guard((), || lifecycle::told(signal, &HANDLERS));
}

extern "C" fn stop_while_loading(_signal: c_int) {
    guard((), loading::told);
}

extern "C" fn grace_over(_signal: c_int) {
    guard((), lifecycle::grace_over);
}

unsafe extern "C" fn epoll_wait(
    queue: c_int,
    events: *mut libc::epoll_event,
    count: c_int,
    timeout: c_int,
) -> c_int {
    // SAFETY: what uWSGI gave to epoll_wait(2).
    let wait = || unsafe { libc::epoll_wait(queue, events, count, timeout) };
    if around_fork::awaits_master() {
        guard((), around_fork::master_waits);
    }
    if !lifecycle::is_watched() {
        return wait();
    }
    let mut errno = 0;
    let answer = guard(None, || {
        Some(lifecycle::at_wait(|mask| {
            let answer = match mask {
                Some(mask) => {
                    // SAFETY: the same, and a mask that outlives the call.
                    let answer =
                        unsafe { libc::epoll_pwait(queue, events, count, timeout, mask.as_ptr()) };
                    let is_forbidden = matches!(guard::errno(), libc::ENOSYS | libc::EPERM);
                    // To a sandbox that knows what uWSGI itself calls. A signal that comes right before
                    // the wait is acted upon when its grace is over.
                    if answer == -1 && is_forbidden {
                        mask.in_force(wait)
                    } else {
                        answer
                    }
                }
                None => wait(),
            };
            errno = guard::errno();
            answer
        }))
    });
    guard::set_errno(errno);
    answer.unwrap_or_else(wait)
}

unsafe extern "C" fn mutex_lock(mutex: *mut libc::pthread_mutex_t) -> c_int {
    let is_watched = lifecycle::is_watched();
    if is_watched {
        guard((), lifecycle::wait_for_lock);
    }
    // SAFETY: what uWSGI gave to pthread_mutex_lock(3).
    let answer = unsafe { libc::pthread_mutex_lock(mutex) };
    if is_watched {
        lifecycle::lock_is_had();
    }
    answer
}

// Leaving.

unsafe extern "C" fn exit(status: c_int) -> ! {
    match guard(Exit::Host(status), || lifecycle::exit_called(status)) {
        Exit::Now(status) => process::exit_now(status),
        Exit::Host(status) => process::exit(status),
    }
}
