//! Where a process that is told to leave does so: never inside of the signal handler.
//!
//! A worker leaves where it waits for a request, a mule or a spooler where it waits for work, or at the
//! next bytecode boundary of its Python code. uWSGI's own handlers then do what they always do, in the
//! middle of nothing.

use std::{
    ffi::c_int,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use super::{
    decisions::Told,
    state::{Handlers, AT_BOUNDARY, AT_WAIT, HOST, LATER, MEANS, TIMES_TOLD, TOLD},
    threads,
};
use crate::{
    linux::{
        process,
        signals::{self, GRACEFUL},
        time_limit,
    },
    plugin::{Plugin, Process, Role},
};

/// `UWSGI_END_CODE` (uwsgi.h).
const END_CODE: c_int = 30;

/// The main thread waits for events.
static WAITING: AtomicBool = AtomicBool::new(false);
/// The main thread waits for a lock of uWSGI's, which no signal interrupts.
static AT_LOCK: AtomicBool = AtomicBool::new(false);
static GRACE_IS_OVER: AtomicBool = AtomicBool::new(false);

/// Has this worker end as a reload of it does: after its request, with all of its hooks.
pub fn end_gracefully() {
    signals::send_to_itself(GRACEFUL);
}

// A signal comes. All of this is async-signal-safe.

/// An ending signal came.
pub fn told(signal: c_int, handlers: &Handlers) {
    TIMES_TOLD.fetch_add(1, Relaxed);
    let means = MEANS.load(Relaxed);
    if means == LATER && Process::is_before_any() {
        return TOLD.store(signal, Relaxed);
    }
    let known = Plugin::get().zip(Process::get());
    let Some((plugin, process)) = known.filter(|_| means != HOST) else {
        return signals::as_before(signal);
    };
    let told = Told {
        signal,
        before: TOLD.load(Relaxed),
        is_worker: matches!(process.role, Role::Worker(_)),
        is_ready: means != LATER || process.stage.ready.load(Relaxed),
        loads: plugin.host.lazy_apps(),
    };
    if told.counts() {
        TOLD.store(signal, Relaxed);
    }
    if let Some(seconds) = told.grace(plugin.config.exit_grace) {
        let started = seconds > 0 && time_limit::grace(seconds, handlers.grace).is_ok();
        if !started && is_serving(plugin, process) {
            return past_grace();
        }
    }
    if !process::is_main_thread() {
        // Only that one comes to a safe point. The kernel chooses another thread of the application's
        // where the main one is about to wait.
        return signals::send_to_main_thread(signal);
    }
    if AT_LOCK.load(Relaxed) && matches!(process.role, Role::Worker(_)) {
        // It holds nothing and runs no Python: a worker that waits for that lock is idle.
        act(plugin, process);
    } else if means == AT_BOUNDARY && !WAITING.load(Relaxed) {
        signals::to_interpreter(signal);
    }
}

/// How often an ending signal has come.
pub fn times_told() -> u32 {
    TIMES_TOLD.load(Relaxed)
}

/// A worker is inside of a request.
pub fn is_busy(plugin: &Plugin, process: &Process) -> bool {
    matches!(process.role, Role::Worker(number) if plugin.host.is_worker_busy(number))
}

/// The same; what a mule or a spooler does is not known.
fn is_serving(plugin: &Plugin, process: &Process) -> bool {
    match process.role {
        Role::Worker(_) => is_busy(plugin, process),
        _ => !WAITING.load(Relaxed),
    }
}

/// The grace is over, and the process is still there.
pub fn grace_over() {
    past_grace();
}

fn past_grace() {
    let signal = TOLD.load(Relaxed);
    if signal == 0 {
        // uWSGI's own handlers have seen to it.
        return;
    }
    GRACE_IS_OVER.store(true, Relaxed);
    if MEANS.load(Relaxed) < AT_WAIT {
        // What stood there before is its master's.
        process::exit_now(END_CODE);
    }
    signals::as_before(signal);
}

/// The worker was told, and uWSGI has waited for its threads. Up to 2.0.24 it cancels them, and one
/// that has just answered stays marked as busy for ever.
pub fn have_threads_ended() -> bool {
    threads::have_ended() && !is_past_grace()
}

/// The process leaves where it is, not where it waits.
pub fn is_past_grace() -> bool {
    GRACE_IS_OVER.load(Relaxed)
}

// A safe point is reached.

/// CPython is at a bytecode boundary after that signal. Nobody was told of it where an application has kept
/// the handler that `signal.getsignal` shows and put it back: CPython's own stands in the place of ours then.
pub fn leave_as_told(signal: c_int) {
    match TOLD.load(Relaxed) {
        0 if MEANS.load(Relaxed) == AT_BOUNDARY => signals::as_before(signal),
        0 => {}
        told => signals::as_before(told),
    }
}

/// The waits of the main thread are safe points of this process.
pub fn are_waits() -> bool {
    MEANS.load(Relaxed) >= AT_WAIT
}

/// uWSGI's own code is about to wait for events: the one place at which nothing is begun. It is to wait
/// under the mask that is the answer: the ending signals come only while it does.
pub fn wait_begins(plugin: &Plugin, process: &Process) -> signals::Mask {
    let mask = signals::hold();
    leave_if_told(plugin, process, &mask);
    WAITING.store(true, Relaxed);
    mask
}

/// It has waited.
pub fn wait_is_over(plugin: &Plugin, process: &Process, mask: &signals::Mask) {
    WAITING.store(false, Relaxed);
    leave_if_told(plugin, process, mask);
    mask.restore();
}

fn leave_if_told(plugin: &Plugin, process: &Process, mask: &signals::Mask) {
    if TOLD.load(Relaxed) != 0 {
        mask.restore();
        act(plugin, process);
        signals::hold();
    }
}

/// uWSGI's own code is about to wait for a lock; [`lock_is_had`] follows.
pub fn wait_for_lock(plugin: &Plugin, process: &Process) {
    AT_LOCK.store(true, Relaxed);
    // From here on a signal is acted upon where it comes.
    if TOLD.load(Relaxed) != 0 {
        act(plugin, process);
    }
}

/// It has it.
pub fn lock_is_had() {
    AT_LOCK.store(false, Relaxed);
}

/// Has uWSGI's own handler do what it does. Returns where the worker is inside of a request after all,
/// or where its threads end one after the other.
fn act(plugin: &Plugin, process: &Process) {
    let signal = TOLD.load(Relaxed);
    match process.role {
        Role::Worker(_) if threads::has_threads(plugin) => threads::end(plugin, signal),
        _ if is_busy(plugin, process) => {}
        _ => signals::as_before(signal),
    }
}
