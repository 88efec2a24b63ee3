//! Who handles the ending signals of a process, from its fork to where it serves.

use std::{ffi::c_int, sync::atomic::Ordering::Relaxed};

use super::{
    state::{Handlers, AT_BOUNDARY, AT_WAIT, HOST, LATER, MEANS, TOLD},
    threads,
};
use crate::{
    linux::{
        signals::{self, Interrupted, ENDING},
        stand_in,
    },
    plugin::Plugin,
    python::{interpreter::Gil, termination},
};

/// A master forked: its handlers are not for its children, and what comes to one before it has its own is
/// remembered. uWSGI up to 2.0.20 does not say what it forks, so that signals cannot wait for a worker to
/// have handlers; a master that has just started ignores SIGTERM and SIGHUP (core/uwsgi.c, `uwsgi_setup`).
pub fn in_child_of_master(plugin: &Plugin, handlers: &Handlers) {
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

/// A worker has uWSGI's own handlers now. Told before it waits, it leaves as soon as it does.
pub fn worker_ready(plugin: &Plugin, handlers: &Handlers) {
    stand_in::is_no_more();
    if leaves_at_waits(plugin) {
        signals::take_over(handlers.ending, Interrupted::Resume);
    } else {
        // A loop engine waits elsewhere, and has ways of its own to end (plugins/gevent).
        is_left_to_host();
    }
}

/// Another plugin may take the worker for itself, and never wait as uWSGI does.
pub fn is_left_to_host() {
    if MEANS.swap(HOST, Relaxed) == LATER {
        hear_again();
    }
}

/// No plugin took the worker for itself: its loop is next.
pub fn worker_serves(plugin: &Plugin, handlers: &Handlers) {
    if leaves_at_waits(plugin) {
        threads::begin(plugin);
        signals::take_over(handlers.ending, Interrupted::Resume);
        MEANS.store(AT_WAIT, Relaxed);
    }
}

fn leaves_at_waits(plugin: &Plugin) -> bool {
    plugin.redirected.waits && !plugin.host.has_loop_engine()
}

/// The first moment of a mule or a spooler, which has uWSGI's handlers already.
pub fn in_mule(plugin: &'static Plugin, gil: &Gil<'_>, handlers: &Handlers) {
    if !plugin.redirected.waits {
        return;
    }
    stand_in::is_no_more();
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
