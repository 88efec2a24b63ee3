//! The threads of a worker that is told to leave: each ends after its request, and the hooks run when all
//! have.
//!
//! uWSGI's handler of a graceful end sees to that: up to 2.0.24 it cancels them, from 2.0.27 on it wakes
//! them. In between it waits for each until a request comes its way, also while the main thread has the
//! lock that they want. There the loops are ended one after the other instead, as after the last request
//! of `max-requests`; who waits for events meanwhile is woken by a signal, which reaches it there only.

use std::{
    ffi::c_int,
    sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst},
};

use super::decisions::wakes_threads;
use crate::{
    linux::{
        process,
        signals::{self, Mask, GRACEFUL},
    },
    plugin::Plugin,
};

/// The threads of this worker were told to end.
static TOLD: AtomicBool = AtomicBool::new(false);
/// It is for pycow to wake them.
static ARE_OURS: AtomicBool = AtomicBool::new(false);
/// The thread, other than the main one, that waits for events; 0: none. It has a lock of uWSGI's that the
/// others wait for, so that there is one at most.
static WAITING: AtomicI32 = AtomicI32::new(0);

/// A worker is about to serve.
pub fn begin(plugin: &Plugin) {
    let ours =
        has_threads(plugin) && !wakes_threads(&plugin.uwsgi_version) && plugin.host.can_end_loops();
    ARE_OURS.store(ours, SeqCst);
}

/// Several threads of a worker serve.
pub fn has_threads(plugin: &Plugin) -> bool {
    plugin.host.threads() > 1
}

/// Has all of them end, once. `signal` told the worker. Async-signal-safe, as far as uWSGI is.
pub fn end(plugin: &Plugin, signal: c_int) {
    if TOLD.swap(true, SeqCst) {
        return;
    }
    if !ARE_OURS.load(SeqCst) {
        return signals::as_before(GRACEFUL);
    }
    plugin.host.end_loops();
    let waiting = WAITING.load(SeqCst);
    if waiting != 0 {
        signals::send_to_thread(waiting, signal);
    }
}

/// uWSGI has waited for them, where the worker has told them to end.
pub fn have_ended() -> bool {
    TOLD.load(SeqCst)
}

/// A thread that is not the main one is about to wait for events, under the mask that is the answer; then
/// [`wait_is_over`] follows.
pub fn wait_begins() -> Option<Mask> {
    let is_ours = ARE_OURS.load(SeqCst);
    is_ours.then(|| {
        WAITING.store(process::thread(), SeqCst);
        Mask::of_all_but_ending()
    })
}

/// It has waited.
pub fn wait_is_over() {
    WAITING.store(0, SeqCst);
}

/// A loop that comes to wait for events is to look whether it goes on, and will not.
pub fn loops_end() -> bool {
    ARE_OURS.load(SeqCst) && TOLD.load(SeqCst)
}
