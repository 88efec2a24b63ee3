//! `exit` was called: the hooks run before thread-local destructors, before C exit handlers, before
//! everything, in the place of uWSGI's own call.

use std::{
    ffi::c_int,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use super::{
    birth,
    decisions::{self, is_half_loaded, Worker},
    exit_line::{ExitLine, Hooks, LineBuffer, Memory},
    safe_points,
};
use crate::{
    config::ExitPolicy,
    linux::{process, termination::TerminationIgnored, time_limit::TimeLimit, usage},
    plugin::{Plugin, Process, Role},
    python::exit::run_hooks,
};

/// How far this process has come in leaving. uWSGI calls `exit` in more than one place, and `exit`
/// calls back.
static STAGE: AtomicU8 = AtomicU8::new(STAYING);
const STAYING: u8 = 0;
/// pycow sees to it, or has.
const LEAVING: u8 = 1;
/// pycow broke down: uWSGI shall do it.
const FAILED: u8 = 2;

/// What is left to do in the place of uWSGI's call of `exit`.
#[derive(Debug, PartialEq, Eq)]
pub enum Exit {
    /// Leave at once: all is done.
    Now(c_int),
    /// Leave as C does.
    Host(c_int),
}

/// What is left to do when uWSGI calls the Python plugin's `atexit`.
pub enum AtExit {
    /// Nothing.
    Done,
    /// Whatever uWSGI does.
    Host,
    /// The same, and then [`Teardown::over`].
    HostThen(Teardown),
}

/// What the rest of pycow is told of a process that leaves.
#[derive(Clone, Copy)]
pub struct Told {
    /// The hooks begin.
    pub hooks_begin: fn(u32),
    /// They took that long, if they ran: the process is gone next. Async-signal-safe.
    pub left: fn(Option<Duration>),
}

/// uWSGI calls `exit` in a process that serves.
pub fn called(plugin: &Plugin, process: &Process, told: Told, status: c_int) -> Exit {
    if STAGE.load(Relaxed) == LEAVING && process.has_master {
        // A hook, or what runs after the hooks, called exit: there is nothing left to run.
        return Exit::Now(status);
    }
    if !is_ours(plugin, process) {
        birth::host_exits();
        return Exit::Host(status);
    }
    leave(plugin, process, told, status);
    if process.has_master {
        Exit::Now(status)
    } else {
        // uWSGI's own exit handlers run: `vacuum`, `exec-as-user-atexit`.
        Exit::Host(status)
    }
}

/// uWSGI calls the Python plugin's `atexit`, inside of `exit`.
pub fn at_exit(plugin: &'static Plugin, process: &'static Process, told: Told) -> AtExit {
    if STAGE.load(Relaxed) == LEAVING {
        return AtExit::Done;
    }
    if is_ours(plugin, process) {
        // `exit` was called elsewhere than by uWSGI's own code. The status is on its way already.
        const NOT_KNOWN: c_int = 0;
        leave(plugin, process, told, NOT_KNOWN);
        return AtExit::Done;
    }
    birth::host_exits();
    if plugin.config.exit == ExitPolicy::Full {
        return AtExit::HostThen(Teardown::begins(plugin, process, told));
    }
    AtExit::Host
}

/// pycow is to see to the leaving of this process. Where uWSGI would run no hook of a half-loaded
/// application, neither does pycow.
fn is_ours(plugin: &Plugin, process: &Process) -> bool {
    plugin.config.exit == ExitPolicy::Fast
        && STAGE.load(Relaxed) == STAYING
        && !is_half_loaded(process, plugin.host.lazy_apps())
}

/// This process is leaving, and no signal is to disturb it.
pub fn has_begun() -> bool {
    STAGE.load(Relaxed) == LEAVING
}

/// Runs the hooks within their limit and says so.
fn leave(plugin: &Plugin, process: &Process, told: Told, status: c_int) {
    STAGE.store(LEAVING, Relaxed);
    let _attempt = Attempt;
    if let Some(reason) = no_hooks(plugin, process) {
        // Maybe in a signal handler that interrupted a request: nothing may allocate or lock.
        let _limit = limit(plugin, process, status);
        write_line(process, memory(plugin, process), Hooks::Skipped(reason));
        (told.left)(None);
        return;
    }
    let limit = limit(plugin, process, status);
    let _calm = TerminationIgnored::from_now_on();
    let memory = memory(plugin, process);
    let start = Instant::now();
    (told.hooks_begin)(plugin.config.exit_timeout);
    if process.has_master {
        plugin.host.run_plugins_atexit();
    }
    let ran = plugin.python.with_gil(run_hooks);
    let hooks = match ran {
        Some(()) => Hooks::Ran(start.elapsed()),
        None => Hooks::Skipped("Python was finalized"),
    };
    write_line(process, memory, hooks);
    (told.left)(hooks.took());
    if process.has_master {
        if let Some(limit) = &limit {
            limit.shorten();
        }
        process::flush_c_streams();
    }
}

/// Why no hooks are to be run, if they are not.
fn no_hooks(plugin: &Plugin, process: &Process) -> Option<&'static str> {
    let worker = match process.role {
        Role::Worker(number) => Some(Worker {
            is_hijacked: process.stage.ready.load(Relaxed) && !process.stage.serving.load(Relaxed),
            is_busy: plugin.host.is_worker_busy(number) && !safe_points::have_threads_ended(),
            is_async: plugin.host.is_async(),
        }),
        _ => None,
    };
    decisions::no_hooks(worker, safe_points::is_past_grace())
}

/// The limit under which hooks run; what is written when it is over says which process it is.
fn limit(plugin: &Plugin, process: &Process, status: c_int) -> Option<TimeLimit> {
    use std::fmt::Write;
    let seconds = plugin.config.exit_timeout;
    if seconds == 0 {
        return None;
    }
    let mut first = LineBuffer::default();
    let _ = writeln!(
        first,
        "[pycow] WARNING: {} (pid {}): the exit hooks did not end within pycow-exit-timeout: \
         leaving without them; what held them:",
        process.role, process.pid
    );
    let last = line(process, None, Hooks::CutOff(seconds)).bytes();
    TimeLimit::set(seconds, status, first.text(), last.text()).ok()
}

/// While it lives, a panic makes uWSGI see to the leaving after all.
struct Attempt;

impl Drop for Attempt {
    fn drop(&mut self) {
        if thread::panicking() {
            STAGE.store(FAILED, Relaxed);
        }
    }
}

/// uWSGI tears the interpreter down.
pub struct Teardown {
    process: &'static Process,
    told: Told,
    memory: Option<Memory>,
    start: Instant,
}

impl Teardown {
    fn begins(plugin: &Plugin, process: &'static Process, told: Told) -> Self {
        Self {
            process,
            told,
            memory: memory(plugin, process),
            start: Instant::now(),
        }
    }

    /// It is down.
    pub fn over(&self) {
        let hooks = Hooks::TornDown(self.start.elapsed());
        write_line(self.process, self.memory, hooks);
        (self.told.left)(hooks.took());
    }
}

fn memory(plugin: &Plugin, process: &Process) -> Option<Memory> {
    let (birth, now) = (process.birth?, usage::own().ok()?);
    let loads = plugin.host.lazy_apps() && matches!(process.role, Role::Worker(_));
    let inherits = process.has_master && !loads;
    Some(Memory {
        inherited: inherits.then_some(birth.shared),
        shared: now.shared,
        private: now.private,
    })
}

fn line(process: &Process, memory: Option<Memory>, hooks: Hooks) -> ExitLine {
    ExitLine {
        who: process.role,
        pid: process.pid,
        requests: process.requests.load(Relaxed),
        memory,
        hooks,
    }
}

fn write_line(process: &Process, memory: Option<Memory>, hooks: Hooks) {
    process::write_to_log(line(process, memory, hooks).bytes().text());
}
