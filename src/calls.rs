//! The second leaf of the door: what stands in uWSGI's own calls of libc, and what signals call.

#![allow(
    unsafe_code,
    reason = "the door: each function is called by C in the place of another"
)]

use std::ffi::{c_char, c_int, c_void, CStr};

use crate::{
    guard::guard,
    leaving::{exit::Exit, loading, state::Handlers},
    lifecycle::{self, around_fork, start::Redirect, waiting},
    linux::{process, signals::SignalHandler, waits},
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

/// What has uWSGI come here.
pub const REDIRECT: Redirect = Redirect {
    programs: redirect_programs,
    others: redirect,
};

/// Has uWSGI's own calls of that function of libc come to one of these.
///
/// Each has the signature of the libc function of its name, does what that does, and lives as long as this
/// plugin, which uWSGI never unloads.
fn is_redirected(host: &Host, name: &CStr, function: *const c_void) -> bool {
    // SAFETY: said above.
    unsafe { relocations::redirect(host, name, function) }.is_ok()
}

/// Has uWSGI come here when it starts a program. Where that fails, a stop while it loads is not kept, and
/// a reload in the moment of a fork goes on with the signals that wait.
fn redirect_programs(host: &Host) -> bool {
    is_redirected(host, c"execvp", execvp as *const c_void)
}

/// Has its other calls come here, as far as it has slots for them.
fn redirect(host: &Host) -> Redirected {
    let to = |name, function| is_redirected(host, name, function);
    // Where that fails, whoever is slow to take an answer loses the rest of it.
    to(c"poll", poll as *const c_void);
    let waits = host.locks.are_known()
        && to(c"epoll_wait", epoll_wait as *const c_void)
        && to(c"pthread_mutex_lock", mutex_lock as *const c_void);
    if waits {
        // uWSGI from 2.0.25 on has no such call.
        to(c"pthread_setcanceltype", set_cancel_type as *const c_void);
    }
    Redirected {
        exit: to(c"exit", exit as *const c_void),
        fork: to(c"fork", fork as *const c_void),
        waits,
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

// uWSGI may cancel a thread that waits here: these have nothing to drop, and wait outside of the guard.

unsafe extern "C-unwind" fn epoll_wait(
    queue: c_int,
    events: *mut libc::epoll_event,
    count: c_int,
    timeout: c_int,
) -> c_int {
    if around_fork::awaits_master() {
        guard((), around_fork::master_waits);
    }
    // uWSGI has one event on its stack, but for its async loop. CPython, where it is a part of the same object, has
    // them on its heap.
    let serves = count == 1 && waits::is_in_frame_above(events.addr());
    let watched = (serves || waiting::is_async())
        .then(waiting::watched)
        .flatten();
    let mask = match watched {
        Some(it) => guard(None, || Some(waiting::wait_begins(it))),
        None if serves => guard(None, waiting::thread_waits),
        None => None,
    };
    let answer = if mask.is_some() && waiting::loops_end() {
        waits::interrupted()
    } else {
        // SAFETY: what uWSGI gave to epoll_wait(2).
        unsafe { waits::epoll(queue, events, count, timeout, mask) }
    };
    match (watched, mask) {
        (Some(it), Some(mask)) => guard((), || waiting::wait_is_over(it, &mask)),
        (None, Some(_)) => guard((), waiting::thread_has_waited),
        _ => {}
    }
    answer
}

unsafe extern "C-unwind" fn mutex_lock(mutex: *mut libc::pthread_mutex_t) -> c_int {
    // SAFETY: what uWSGI gave to pthread_mutex_lock(3), or CPython, where it is a part of the same object.
    let is_of_uwsgi = waiting::is_of_threads(mutex.addr()) || unsafe { waits::is_shared(mutex) };
    if !is_of_uwsgi {
        // SAFETY: as above.
        return unsafe { waits::lock_uncancelled(mutex) };
    }
    let watched = waiting::watched();
    if let Some(watched) = watched {
        guard((), || waiting::wait_for_lock(watched));
    }
    // SAFETY: what uWSGI gave to pthread_mutex_lock(3).
    let answer = unsafe { waits::lock(mutex) };
    if watched.is_some() {
        waiting::lock_is_had();
    }
    answer
}

unsafe extern "C-unwind" fn poll(
    polled: *mut libc::pollfd,
    count: libc::nfds_t,
    timeout: c_int,
) -> c_int {
    let mut seen = waiting::times_told();
    let goes_on = move || guard(false, || waiting::ends_its_request(&mut seen));
    // SAFETY: what uWSGI gave to poll(2).
    unsafe { waits::poll_on(polled, count, timeout, goes_on) }
}

unsafe extern "C" fn set_cancel_type(kind: c_int, before: *mut c_int) -> c_int {
    // SAFETY: what uWSGI gave to pthread_setcanceltype(3).
    unsafe { waits::ask_for_cancel_type(kind, before) }
}

// Leaving.

unsafe extern "C" fn exit(status: c_int) -> ! {
    match guard(Exit::Host(status), || lifecycle::exit_called(status)) {
        Exit::Now(status) => process::exit_now(status),
        Exit::Host(status) => process::exit(status),
    }
}
