//! Where a process that is told to leave does so: never inside of the signal handler.
//!
//! A worker leaves where it waits for a request, a mule or a spooler where it waits for work, or at the
//! next bytecode boundary of its Python code. uWSGI's own handlers then do what they always do, in the
//! middle of nothing. What a handler is to know stands in statics: C gives it no argument.

use std::{
    ffi::c_int,
    sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering::Relaxed},
};

use super::{decisions::Told, threads};
use crate::{
    linux::{
        process,
        signals::{self, Interrupted, SignalHandler, ENDING, GRACEFUL},
        stand_in, time_limit,
    },
    plugin::{Plugin, Process, Role},
    python::{interpreter::Gil, termination},
};

/// `UWSGI_END_CODE` (uwsgi.h).
const END_CODE: c_int = 30;

/// The signal that told this process to leave; 0: none.
static TOLD: AtomicI32 = AtomicI32::new(0);
/// How this process is told.
static MEANS: AtomicU8 = AtomicU8::new(HOST);
/// uWSGI's own handlers do it, where they are called.
const HOST: u8 = 0;
/// The process is not ready yet; what comes is looked at when it is.
const LATER: u8 = 1;
/// Where uWSGI waits.
const AT_WAIT: u8 = 2;
/// There, and at bytecode boundaries.
const AT_BOUNDARY: u8 = 3;
/// The main thread waits for events.
static WAITING: AtomicBool = AtomicBool::new(false);
/// The main thread waits for a lock of uWSGI's, which no signal interrupts.
static AT_LOCK: AtomicBool = AtomicBool::new(false);
static GRACE_IS_OVER: AtomicBool = AtomicBool::new(false);

/// The functions that C calls.
#[derive(Clone, Copy)]
pub struct Handlers {
    /// An ending signal came: calls [`told`].
    pub ending: SignalHandler,
    /// A stop came while applications are loaded: calls [`told`](super::loading::told).
    pub loading: SignalHandler,
    /// The grace is over: calls [`grace_over`].
    pub grace: SignalHandler,
    /// CPython is at a bytecode boundary: calls [`leave_as_told`].
    pub boundary: fn(c_int),
}

// A process begins.

/// A master forked: its handlers are not for its children, and what comes to one before it has its own is
/// remembered. uWSGI up to 2.0.20 does not say what it forks, so that signals cannot wait for a worker to
/// have handlers; a master that has just started ignores SIGTERM and SIGHUP (core/uwsgi.c, `uwsgi_setup`).
pub fn in_child_of_master(plugin: &Plugin, handlers: &Handlers) {
    // What its parent was told is not for it.
    TOLD.store(0, Relaxed);
    if plugin.redirected.waits {
        MEANS.store(LATER, Relaxed);
        stand_in::of_inherited(handlers.ending, handlers.loading);
    }
}

/// The first moment of a worker: its master's handlers are no longer its own, uWSGI's are not set yet.
/// What is ignored until then, it would lose: SIGINT, too, in a shell's background job.
pub fn at_birth_of_worker(plugin: &Plugin, handlers: &Handlers) {
    if plugin.redirected.waits {
        MEANS.store(LATER, Relaxed);
        stand_in::of_all(handlers.ending);
        hear_again();
    }
}

/// What came before anybody knew what this process is comes now.
fn hear_again() {
    let before = TOLD.swap(0, Relaxed);
    if before != 0 {
        signals::raise(before);
    }
}

/// A worker has uWSGI's own handlers now. Told before, it leaves as soon as it waits.
pub fn worker_ready(plugin: &Plugin) {
    if MEANS.swap(HOST, Relaxed) == LATER && plugin.host.has_loop_engine() {
        // Such an engine waits elsewhere, and has ways of its own to end (plugins/gevent).
        hear_again();
    }
}

/// No plugin took the worker for itself: its loop is next.
pub fn worker_serves(plugin: &Plugin, handlers: &Handlers) {
    if plugin.redirected.waits && !plugin.host.has_loop_engine() {
        MEANS.store(AT_WAIT, Relaxed);
        threads::begin(plugin);
        signals::take_over(handlers.ending, Interrupted::Resume);
    }
}

/// The first moment of a mule or a spooler, which has uWSGI's handlers already.
pub fn in_mule(plugin: &'static Plugin, gil: &Gil<'_>, handlers: &Handlers) {
    if !plugin.redirected.waits {
        return;
    }
    let handled = ENDING
        .into_iter()
        .filter(|signal| signals::is_handled(*signal));
    let handled: Vec<c_int> = handled.collect();
    signals::take_over(handlers.ending, Interrupted::Fail);
    let installed = termination::install(gil, &plugin.python, &handled, handlers.boundary);
    if let Err(raised) = &installed {
        log::warn!("signal.signal: {raised}: this process leaves where uWSGI waits only");
    }
    signals::take_over_from_interpreter(handlers.ending);
    MEANS.store(
        if installed.is_ok() {
            AT_BOUNDARY
        } else {
            AT_WAIT
        },
        Relaxed,
    );
    hear_again();
}

/// uWSGI ends this process in its own way: no grace is over any more.
pub fn host_exits() {
    TOLD.store(0, Relaxed);
    if MEANS.load(Relaxed) == LATER {
        // For an application that could not be loaded. Up to 2.0.29 uWSGI tells the master by a signal:
        // what that sends back is not to change the status.
        signals::hold();
    } else {
        MEANS.store(HOST, Relaxed);
    }
}

/// Has this worker end as a reload of it does: after its request, with all of its hooks.
pub fn end_gracefully() {
    signals::send_to_itself(GRACEFUL);
}

// A signal comes. All of this is async-signal-safe.

/// An ending signal came.
pub fn told(signal: c_int, handlers: &Handlers) {
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
        is_ready: means != LATER,
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

/// A worker is inside of a request; what a mule or a spooler does is not known.
fn is_serving(plugin: &Plugin, process: &Process) -> bool {
    match process.role {
        Role::Worker(number) => plugin.host.is_worker_busy(number),
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
        Role::Worker(number) if plugin.host.is_worker_busy(number) => {}
        _ => signals::as_before(signal),
    }
}
