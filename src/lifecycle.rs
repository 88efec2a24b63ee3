//! The story: what pycow does in each moment that uWSGI gives it, in uWSGI's order. Only order, no
//! doing. [`start`] tells it until applications are loaded, [`warm`] what they serve before the fork,
//! [`heap`] what becomes of what they loaded, [`around_fork`] what happens on both sides of a fork.

use std::{
    ffi::c_int,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    collector,
    forking::{check, fork},
    leaving::{
        exit::{self, AtExit, Exit, Told},
        loading,
        safe_points::{self, Handlers},
        threads,
    },
    linux::{clock, ksm, process, signals::Mask, usage},
    plugin::{Plugin, Process, Role, Stages},
    python::{interpreter::Gil, interpreters},
    sharing::{self, private_limit, waste},
};

pub mod around_fork;
mod heap;
pub mod start;
mod warm;

const TOLD: Told = Told {
    hooks_begin: sharing::hooks_begin,
    left: sharing::left,
};

// The fork, and both sides of it.

/// The last moment before the first fork, in the master or, without one, in the only process.
pub fn before_first_fork() {
    let Some(plugin) = Plugin::get() else { return };
    if plugin.config.ksm {
        ksm::merge_and_say();
    }
    if !plugin.host.lazy_apps() {
        plugin.python.with_gil(|gil| warm::before_fork(plugin, gil));
    }
    if plugin.config.gc.freezes() && plugin.host.lazy_apps() {
        heap::say_nothing_is_shared(plugin);
    } else {
        plugin
            .python
            .with_gil(|gil| heap::freeze(plugin, gil, "before the fork"));
    }
    sharing::before_fork(plugin);
    sharing::why::before_fork(plugin);
}

/// The first moment of a worker, a mule or a spooler; also of the only process without a master.
pub fn post_fork(handlers: &Handlers) {
    let Some(plugin) = Plugin::get() else { return };
    fork::is_over_in_child(plugin);
    plugin.python.with_gil(|gil| {
        let new = Process {
            role: role(gil),
            pid: process::pid(),
            has_master: process::pid() != plugin.host.master_pid(),
            born: clock::now(),
            birth: usage::own().ok(),
            requests: AtomicU64::new(0),
            moved_marks: AtomicU64::new(0),
            stage: Stages::default(),
        };
        let Some(process) = new.set() else { return };
        sharing::in_child(plugin, process);
        let is_worker = matches!(process.role, Role::Worker(_));
        if is_worker {
            safe_points::at_birth_of_worker(plugin, handlers);
            if !process.has_master {
                loading::is_over();
            }
        } else {
            safe_points::in_mule(plugin, gil, handlers);
        }
        if !is_worker || !plugin.host.lazy_apps() {
            heap::collect_again(plugin, process, gil);
        } else {
            check::applications_load();
        }
    });
    fork::release_signals();
}

fn role(gil: &Gil<'_>) -> Role {
    let ask = |name| {
        let answer = gil
            .import(c"uwsgi")
            .and_then(|uwsgi| uwsgi.call_method(name, &[]));
        answer.and_then(|number| number.as_i64()).unwrap_or(0) as i32
    };
    match (ask(c"worker_id"), ask(c"mule_id")) {
        (0, 0) => Role::Spooler(sharing::spooler_number()),
        (0, mule) => Role::Mule(mule),
        (worker, _) => Role::Worker(worker),
    }
}

// A worker serves.

/// A worker whose applications are loaded and whose handlers are in place.
///
/// uWSGI comes here twice: the Python plugin copies its own table to modifier 30 on the way.
pub fn worker_ready() {
    let Some((plugin, process)) = known() else {
        return;
    };
    if process.stage.ready.swap(true, Relaxed) {
        return;
    }
    fork::hold_signals();
    safe_points::worker_ready(plugin);
    if plugin.host.lazy_apps() {
        plugin.python.with_gil(|gil| {
            warm::in_lazy_worker(plugin, process, gil);
            heap::freeze(plugin, gil, "in this worker");
            heap::collect_again(plugin, process, gil);
        });
        waste::look_at_lazy_worker(plugin, process);
    }
    if plugin.config.gc.freezes() {
        interpreters::stop_watching();
    }
}

/// The Python plugin may take the worker for itself: uWSGI's handlers end it then.
pub fn before_hijack() {
    if Plugin::get().is_some_and(|plugin| plugin.may_hijack.load(Relaxed)) {
        fork::release_signals();
    }
}

/// No plugin took the worker: requests are next.
pub fn before_loop(handlers: &Handlers) {
    let Some((plugin, process)) = known() else {
        return;
    };
    process.stage.serving.store(true, Relaxed);
    safe_points::worker_serves(plugin, handlers);
    fork::release_signals();
}

/// A request is over.
pub fn request_done() {
    if let Some((plugin, process)) = known() {
        let requests = process.count_request();
        sharing::request_done(plugin, process, requests);
        heap::check_marks(plugin, process);
        heap::request_done(plugin, process, requests);
        waste::look_at_threads(plugin, process, requests);
        if let Some(passed) = private_limit::passed(plugin, process) {
            if !process.stage.replaced.swap(true, Relaxed) {
                log::info!(
                    "{} (pid {}): {passed}: it is replaced",
                    process.role,
                    process.pid
                );
                safe_points::end_gracefully();
            }
        }
    }
}

/// A second has passed in the master.
pub fn master_cycle() {
    if let (Some(plugin), None) = (Plugin::get(), Process::get()) {
        sharing::master_cycle(plugin);
    }
}

/// What the RPC function of that number answers to its first argument.
pub fn answer(function: usize, argument: &[u8]) -> Option<String> {
    let plugin = Plugin::get()?;
    sharing::publish::answer(plugin, function, argument, collector::known_thresholds())
}

// A process is told to leave.

/// This process is leaving: not one that a hook of it forked.
fn leaves() -> bool {
    exit::has_begun() && Process::get().is_some()
}

/// An ending signal came. Async-signal-safe.
pub fn told(signal: c_int, handlers: &Handlers) {
    if !leaves() {
        safe_points::told(signal, handlers);
    }
}

/// The grace is over. Async-signal-safe.
pub fn grace_over() {
    if !leaves() {
        safe_points::grace_over();
    }
}

/// CPython is at a bytecode boundary after that ending signal. That may be the first one of the hooks, if
/// no Python ran between the signal and the wait at which the process leaves.
pub fn at_boundary(signal: c_int) {
    if !leaves() {
        safe_points::leave_as_told(signal);
    }
}

/// A process, asked for by its main thread.
pub type Watched = (&'static Plugin, &'static Process);

/// This process, if the waits of this thread are safe points of it: until it leaves.
pub fn watched() -> Option<Watched> {
    let are_safe_points = safe_points::are_waits() && !exit::has_begun();
    let process = are_safe_points.then(Process::of_main_thread);
    Plugin::get().zip(process.flatten())
}

/// uWSGI's own code is about to wait for events, under the mask that is the answer; then
/// [`wait_is_over`] follows.
pub fn wait_begins((plugin, process): Watched) -> Mask {
    safe_points::wait_begins(plugin, process)
}

/// A thread that serves is about to wait for events, under the mask that is the answer; then
/// [`thread_has_waited`] follows.
pub fn thread_waits() -> Option<Mask> {
    (!exit::has_begun()).then(threads::wait_begins).flatten()
}

/// It has waited.
pub fn thread_has_waited() {
    threads::wait_is_over();
}

/// Nobody waits for events any more: who was about to is answered that it was interrupted.
pub fn loops_end() -> bool {
    threads::loops_end()
}

/// It has waited.
pub fn wait_is_over((plugin, process): Watched, mask: &Mask) {
    safe_points::wait_is_over(plugin, process, mask);
}

/// uWSGI's own code is about to wait for a lock; [`lock_is_had`] follows.
pub fn wait_for_lock((plugin, process): Watched) {
    safe_points::wait_for_lock(plugin, process);
}

/// It has it.
pub fn lock_is_had() {
    safe_points::lock_is_had();
}

// Leaving.

/// uWSGI's own code calls `exit`.
pub fn exit_called(status: c_int) -> Exit {
    let Some(plugin) = Plugin::get() else {
        return Exit::Host(status);
    };
    match Process::get() {
        Some(process) => {
            let exit = exit::called(plugin, process, TOLD, status);
            if !process.has_master {
                sharing::keeper_left();
            }
            exit
        }
        None => {
            if process::pid() == plugin.host.master_pid() {
                sharing::keeper_left();
            }
            Exit::Host(status)
        }
    }
}

/// uWSGI calls the Python plugin's `atexit`.
pub fn python_atexit() -> AtExit {
    match known() {
        Some((plugin, process)) => exit::at_exit(plugin, process, TOLD),
        // What a hook forked: in stock uWSGI's exit handler has been called before the hook.
        None if exit::has_begun() => AtExit::Done,
        // A gateway, or a process that an application forked.
        None => AtExit::Host,
    }
}

/// This process, if uWSGI made it for serving.
fn known() -> Option<(&'static Plugin, &'static Process)> {
    Plugin::get().zip(Process::get())
}
