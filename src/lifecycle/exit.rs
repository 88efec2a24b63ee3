//! Leaving: every hook runs, the interpreter stays as it is.

use std::{
    ffi::c_int,
    sync::atomic::{AtomicU8, Ordering},
    thread,
    time::Instant,
};

use super::{sample, Me, Running, HIJACKABLE, LATE_LIBRARY, ME, REQUESTS, RUNNING};
use crate::{
    config::ExitPolicy,
    leaving::exit_line::{ExitLine, Hooks, Memory},
    linux::{
        deadline::Deadline,
        process::{self, Handler},
        reader,
        signals::TerminationIgnored,
    },
    python::exit,
    role::Role,
};

/// How far this process has come in leaving.
static STAGE: AtomicU8 = AtomicU8::new(STAYING);
const STAYING: u8 = 0;
/// pycow sees to it, or has.
const LEAVING: u8 = 1;
/// pycow broke down: uWSGI shall do it.
const FAILED: u8 = 2;

/// What is left to do when uWSGI calls the Python plugin's `atexit`.
pub enum AtExit {
    /// Nothing.
    Done,
    /// Whatever uWSGI does.
    Host,
    /// The same, and then [`Teardown::over`].
    HostThen(Teardown),
}

/// exit() was called. The handler that calls this was registered last, so it runs first.
///
/// Under a master everything happens here, and nothing of the process is gone yet. Without one the
/// hooks wait until the other plugins' callbacks are through (see [`at_exit`]), unless a library
/// came after the fork: then its destructors would not wait for the hooks.
pub fn exit_begins(status: c_int) {
    sample::exit_begins();
    let Some((running, me)) = fast() else { return };
    if me.pid != running.host.master_pid() || LATE_LIBRARY.load(Ordering::Relaxed) {
        leave_fast(running, me, status);
    }
}

/// uWSGI calls the Python plugin's `atexit`; `after_plugins` is to run once it has called all.
pub fn at_exit(after_plugins: Handler) -> AtExit {
    match (me(), fast()) {
        (Some(_), Some(_)) if process::register(after_plugins).is_ok() => AtExit::Done,
        (Some(_), None) if STAGE.load(Ordering::Relaxed) == LEAVING => AtExit::Done,
        (Some((running, me)), _) if running.config.exit == ExitPolicy::Full => {
            AtExit::HostThen(Teardown::begins(me))
        }
        // A gateway, a process that an application forked, or pycow broke down.
        _ => AtExit::Host,
    }
}

/// Every plugin's `atexit` callback is through, and pycow has not left yet.
pub fn after_plugins(status: c_int) {
    if let Some((running, me)) = fast() {
        leave_fast(running, me, status);
    }
}

/// This process, if uWSGI made it for serving.
fn me() -> Option<(&'static Running, &'static Me)> {
    let (running, me) = (RUNNING.get()?, ME.get()?);
    (me.pid == process::pid()).then_some((running, me))
}

/// This process, if it is still to leave and pycow is to see to it.
fn fast() -> Option<(&'static Running, &'static Me)> {
    me().filter(|(running, _)| {
        running.config.exit == ExitPolicy::Fast && STAGE.load(Ordering::Relaxed) == STAYING
    })
}

/// Runs the hooks within their bound and says so. Returns without a master, so that uWSGI's own
/// exit handlers (`vacuum`, `exec-as-user-atexit`) run; and where uWSGI would not have run hooks.
fn leave_fast(running: &Running, me: &Me, status: c_int) {
    STAGE.store(LEAVING, Ordering::Relaxed);
    let _attempt = Attempt;
    let _calm = TerminationIgnored::from_now_on();
    if let Some(reason) = no_hooks(running, me) {
        farewell(me, memory(me), Hooks::Skipped(reason));
        return;
    }
    let under_a_master = me.pid != running.host.master_pid();
    if under_a_master {
        running.host.run_plugins_atexit();
    }
    let memory = memory(me);
    let start = Instant::now();
    sample::hooks_begin(running.config.exit_timeout);
    let _deadline = bound(running.config.exit_timeout, status);
    running.python.with_gil(exit::run_hooks);
    if under_a_master {
        process::flush_c_streams();
    }
    farewell(me, memory, Hooks::Ran(start.elapsed()));
    if under_a_master {
        process::exit_now(status);
    }
}

/// uWSGI's own guards (plugins/python/python_plugin.c, `uwsgi_python_atexit`).
fn no_hooks(running: &Running, me: &Me) -> Option<&'static str> {
    let Role::Worker(number) = me.role else {
        return None;
    };
    if HIJACKABLE.load(Ordering::Relaxed) {
        Some("it is hijacked")
    } else if running.host.is_busy(number) {
        Some("it is busy")
    } else if running.host.is_async() {
        Some("it is in async mode")
    } else {
        None
    }
}

fn bound(seconds: u32, status: c_int) -> Option<Deadline> {
    if seconds == 0 {
        return None;
    }
    let set = Deadline::set(seconds, status);
    set.map_err(|error| log::error!("pycow-exit-timeout: {error}"))
        .ok()
}

/// While it lives, a panic makes uWSGI see to the leaving after all.
struct Attempt;

impl Drop for Attempt {
    fn drop(&mut self) {
        if thread::panicking() {
            STAGE.store(FAILED, Ordering::Relaxed);
        }
    }
}

/// uWSGI tears the interpreter down.
pub struct Teardown {
    me: &'static Me,
    memory: Option<Memory>,
    start: Instant,
}

impl Teardown {
    fn begins(me: &'static Me) -> Self {
        let memory = memory(me);
        let start = Instant::now();
        Self { me, memory, start }
    }

    /// It is down.
    pub fn over(&self) {
        let time = self.start.elapsed();
        farewell(self.me, self.memory, Hooks::TornDown(time));
    }
}

fn memory(me: &Me) -> Option<Memory> {
    let (start, now) = (me.start?, reader::own().ok()?);
    Some(Memory {
        inherited: start.shared,
        shared: now.shared,
        private: now.private,
    })
}

fn farewell(me: &Me, memory: Option<Memory>, hooks: Hooks) {
    let line = ExitLine {
        who: me.role,
        pid: me.pid,
        requests: REQUESTS.load(Ordering::Relaxed),
        memory,
        hooks,
    };
    log::info!("{line}");
    sample::left(hooks.took());
}
