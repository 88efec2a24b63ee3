//! The story: what pycow does in each moment that uWSGI gives it, in uWSGI's order. Only order, no
//! doing.

use std::{
    ffi::c_int,
    fmt,
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        Mutex, OnceLock, PoisonError,
    },
    time::Instant,
};

use crate::{
    collector,
    config::{self, options::OptionError, Config, ExitPolicy, ForkPolicy, GcPolicy},
    forking::fork,
    immortal,
    leaving::{
        exit::{self, AtExit, Exit, Told},
        safe_points::{self, Handlers},
    },
    linux::{ksm, loaded, process, signals::Mask, time_limit, usage},
    plugin::{Plugin, Process, Redirected, Role, Stages},
    python::{
        exit::print_stacks_on,
        files,
        interpreter::{Gil, Python},
        interpreters,
    },
    sharing,
    symbols::Symbols,
    uwsgi::{
        abi::PluginTable,
        hooks::{self, Callbacks},
        host::Host,
        log as uwsgi_log,
    },
};

/// What `init` needs of `load`, with nothing but uWSGI's own order between them.
static LOADED: Mutex<Option<(Host, Config)>> = Mutex::new(None);

const TOLD: Told = Told {
    hooks_begin: sharing::hooks_begin,
    left: sharing::left,
};

/// The functions of the door that uWSGI's own code is to call instead of libc's.
pub type Redirect = fn(&Host) -> Redirected;

// While the configuration is read.

/// pycow was loaded: is this a uWSGI that it knows?
pub fn load() {
    let symbols = loaded::defining(c"uwsgi_plugin_get").unwrap_or(Symbols::NONE);
    uwsgi_log::install(symbols);
    match Host::open(symbols) {
        Ok(host) => *lock(&LOADED) = Some((host, Config::default())),
        Err(reason) => off(&reason),
    }
}

/// An option was given. A wrong value ends a first start, as uWSGI's own options do.
pub fn option(index: usize, value: &str) {
    let (mut loaded, option) = (lock(&LOADED), config::options::OPTIONS.get(index));
    if let (Some((_, config)), Some(option)) = (loaded.as_mut(), option) {
        if let Err(error) = option.apply(config, value) {
            refuse(&error);
        }
    }
}

/// A running fleet is never taken down: what a reload finds wrong is a warning.
fn refuse(error: &OptionError) {
    if Host::is_reload() {
        log::warn!("{error}: ignored");
    } else {
        log::error!("{error}");
        process::exit(1);
    }
}

// Once it is complete, before Python starts.

/// Stand before the Python plugin's callbacks, and in uWSGI's own calls of libc.
pub fn init(callbacks: &Callbacks, redirect: Redirect) {
    let Some((host, config)) = lock(&LOADED).take() else {
        return;
    };
    let Some(python_plugin) = host.python_plugin() else {
        return off(&"no python plugin is loaded");
    };
    let linked = loaded::containing(python_plugin.address()).unwrap_or(Symbols::NONE);
    let python = match Python::find(linked.or_global()) {
        Ok(python) => python,
        Err(reason) => return off(&reason),
    };
    let redirected = redirect(&host);
    if redirected.fork && config.fork == ForkPolicy::Cpython {
        // Both do, in places of their own, a part of what pycow does around every fork.
        python_plugin.switch_off(c"py-call-uwsgi-fork-hooks");
        python_plugin.switch_off(c"py-call-osafterfork");
    }
    let plugin = Plugin {
        uwsgi_version: host.version(),
        host,
        config,
        python,
        redirected,
        default_thresholds: OnceLock::new(),
        frozen: AtomicU64::new(0),
        immortal: AtomicU64::new(0),
    };
    if plugin.set().is_some() {
        hooks::install(python_plugin, callbacks);
    }
}

fn off(reason: &dyn fmt::Display) {
    log::error!("{reason}: pycow is off, uWSGI goes on without it");
}

// Python starts and loads applications.

/// The interpreter is up, no application is loaded yet.
pub fn python_up() {
    let Some(plugin) = Plugin::get() else { return };
    plugin.python.with_gil(|gil| {
        match collector::start(&plugin.config, &plugin.python, gil) {
            Ok(own) => drop(plugin.default_thresholds.set(own)),
            Err(raised) => log::error!("the collector: {raised}"),
        }
        if plugin.config.exit == ExitPolicy::Fast && plugin.config.exit_timeout > 0 {
            match print_stacks_on(gil, time_limit::stacks_signal()) {
                Ok(()) => time_limit::keep_stacks(),
                Err(raised) => log::warn!("no stacks at pycow-exit-timeout: {raised}"),
            }
        }
        if is_torn_down_immortal(plugin) {
            files::save_at_exit(gil);
        } else {
            files::prepare(gil);
        }
    });
    announce(plugin);
}

/// An application of `mount = ..` is about to be loaded, maybe into a new interpreter.
pub fn before_mount() {
    let Some(plugin) = Plugin::get() else { return };
    if !plugin.host.single_interpreter() {
        plugin.python.with_gil(|gil| {
            collector::watch_new_interpreters(&plugin.config, &plugin.python, gil);
        });
    }
}

/// Every plugin is up.
pub fn post_init() {
    let Some(plugin) = Plugin::get() else { return };
    if let Err(error) = sharing::prepare(plugin) {
        refuse(&config::options::textfile_error(&error.path));
    }
}

/// uWSGI takes RPC functions now.
pub fn preinit_apps(table: &'static PluginTable) {
    if let Some(plugin) = Plugin::get() {
        sharing::publish::offer(plugin, table);
    }
}

// The fork, and both sides of it.

/// The last moment before the first fork, in the master or, without one, in the only process.
pub fn before_first_fork() {
    let Some(plugin) = Plugin::get() else { return };
    if plugin.config.ksm {
        ksm::merge_and_say();
    }
    if plugin.config.gc.freezes() && plugin.host.lazy_apps() {
        log::warn!("lazy-apps: every worker loads a heap of its own, nothing of it is shared");
    } else {
        plugin
            .python
            .with_gil(|gil| freeze(plugin, gil, "before the fork"));
    }
    sharing::before_fork(plugin);
}

/// Every object there is leaves the collector's sight, in every interpreter; under `immortal` those
/// of the main one first become what the policy says.
fn freeze(plugin: &Plugin, gil: &Gil<'_>, when: &str) {
    let always = is_torn_down_immortal(plugin);
    interpreters::each(gil, |gil, _| files::remember(gil, always));
    if !plugin.config.gc.freezes() {
        return;
    }
    let start = Instant::now();
    if plugin.config.gc == GcPolicy::Immortal {
        immortalize(plugin, gil);
    }
    if let Some(own) = plugin.default_thresholds.get() {
        log_if_err(
            "gc.get_threshold",
            collector::loaded(&plugin.config, own, gil),
        );
    }
    let frozen = collector::freeze_heap(gil);
    plugin.frozen.store(frozen.objects, Relaxed);
    let only = frozen.interpreters > 1 && plugin.config.gc == GcPolicy::Immortal;
    let which = if only {
        " (only the first is immortal)"
    } else {
        ""
    };
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    log::info!("{frozen}{which} {when} in {milliseconds:.1} ms");
}

/// Immortal objects do not end in uWSGI's own teardown, and so save nothing there by themselves.
fn is_torn_down_immortal(plugin: &Plugin) -> bool {
    plugin.config.exit == ExitPolicy::Full && plugin.config.gc == GcPolicy::Immortal
}

fn immortalize(plugin: &Plugin, gil: &Gil<'_>) {
    let start = Instant::now();
    match immortal::make(gil, &plugin.python) {
        Ok(outcome) => {
            plugin.immortal.store(outcome.immortal, Relaxed);
            let megabytes = usage::own().map_or(0, |usage| (usage.shared + usage.private) >> 20);
            let seconds = start.elapsed().as_secs_f64();
            log::info!("{outcome}; {seconds:.3} s for a process of {megabytes} MB");
        }
        Err(reason) => log::warn!("pycow-gc = immortal: {reason}: going on with freeze"),
    }
}

/// uWSGI announces the fork of a worker (2.0.21 and newer).
pub fn pre_uwsgi_fork() {
    fork::worker_begins();
}

/// uWSGI's own code calls `fork`; whether [`forked`] is to be called after it.
pub fn fork_begins() -> bool {
    Plugin::get().is_some_and(fork::begins)
}

/// `fork` returned, in the process that called it.
pub fn forked() {
    if let Some(plugin) = Plugin::get() {
        fork::is_over_in_parent(plugin);
    }
}

/// uWSGI has forked a worker (2.0.21 and newer), and this is its master.
pub fn post_uwsgi_fork() {
    fork::release_signals();
}

/// A worker, a mule or a spooler is about to run Python for the first time.
pub fn in_child() {
    if let Some(plugin) = Plugin::get() {
        fork::is_over_in_child(plugin);
    }
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
            birth: usage::own().ok(),
            requests: AtomicU64::new(0),
            stage: Stages::default(),
        };
        let Some(process) = new.set() else { return };
        sharing::in_child(plugin, process);
        let is_worker = matches!(process.role, Role::Worker(_));
        if is_worker {
            safe_points::at_birth_of_worker(plugin, handlers);
        } else {
            safe_points::in_mule(plugin, gil, handlers);
        }
        if !is_worker || !plugin.host.lazy_apps() {
            collect_again(plugin, process, gil);
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

/// Applications are loaded: collections begin, where the policy wants them.
fn collect_again(plugin: &'static Plugin, process: &Process, gil: &Gil<'_>) {
    let paced = matches!(process.role, Role::Worker(_));
    if let Some(own) = plugin.default_thresholds.get() {
        log_if_err(
            "gc.set_threshold",
            collector::enable_in_worker(&plugin.config, own, &plugin.python, gil, paced),
        );
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
    safe_points::worker_ready(plugin);
    if plugin.host.lazy_apps() {
        plugin.python.with_gil(|gil| {
            freeze(plugin, gil, "in this worker");
            collect_again(plugin, process, gil);
        });
    }
    if plugin.config.gc.freezes() {
        interpreters::stop_watching();
    }
}

/// No plugin took the worker: requests are next.
pub fn before_loop(handlers: &Handlers) {
    let Some((plugin, process)) = known() else {
        return;
    };
    process.stage.serving.store(true, Relaxed);
    safe_points::worker_serves(plugin, handlers);
}

/// A request is over.
pub fn request_done() {
    if let Some((plugin, process)) = known() {
        let requests = process.count_request();
        sharing::request_done(plugin, process, requests);
        collector::request_done(&plugin.python, requests);
    }
}

/// A second has passed in the master.
pub fn master_cycle() {
    if let (Some(plugin), None) = (Plugin::get(), Process::get()) {
        sharing::master_cycle(plugin);
    }
}

/// What the RPC function of that number answers.
pub fn answer(function: usize) -> Option<String> {
    let plugin = Plugin::get()?;
    sharing::publish::answer(plugin, function, collector::known_thresholds())
}

// A process is told to leave.

/// An ending signal came. Async-signal-safe.
pub fn told(signal: c_int, handlers: &Handlers) {
    if !exit::has_begun() {
        safe_points::told(signal, handlers);
    }
}

/// The grace is over. Async-signal-safe.
pub fn grace_over() {
    if !exit::has_begun() {
        safe_points::grace_over();
    }
}

/// CPython is at a bytecode boundary after an ending signal.
pub fn at_boundary() {
    safe_points::leave_as_told();
}

/// The waits of this thread are safe points: until the process leaves.
pub fn is_watched() -> bool {
    safe_points::is_watched() && !exit::has_begun()
}

/// uWSGI's own code waits for events.
pub fn at_wait<T>(wait: impl FnOnce(Option<&Mask>) -> T) -> T {
    match known() {
        Some((plugin, process)) => safe_points::wait(plugin, process, |mask| wait(Some(mask))),
        None => wait(None),
    }
}

/// uWSGI's own code is about to wait for a lock; [`lock_is_had`] follows.
pub fn wait_for_lock() {
    if let Some((plugin, process)) = known() {
        safe_points::wait_for_lock(plugin, process);
    }
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
        // A gateway, or a process that an application forked.
        None => AtExit::Host,
    }
}

/// This process, if uWSGI made it for serving.
fn known() -> Option<(&'static Plugin, &'static Process)> {
    Plugin::get().zip(Process::get())
}

fn announce(plugin: &Plugin) {
    let config = &plugin.config;
    let gc = match config.gc {
        policy if policy.freezes() => match collector::known_thresholds() {
            Some(thresholds) => format!("gc {policy} (thresholds {thresholds} in workers)"),
            None => format!("gc {policy}"),
        },
        policy => format!("gc {policy}"),
    };
    let guard = if config.guarded() { ", guarded" } else { "" };
    let limit = match (config.exit, config.exit_timeout) {
        (ExitPolicy::Full, _) => String::new(),
        (ExitPolicy::Fast, 0) => " (hooks without a time limit)".into(),
        (ExitPolicy::Fast, seconds) => format!(" (hooks within {seconds} s)"),
    };
    log::info!(
        "{} on uWSGI {} and CPython {}: {gc}{guard}, exit {}{limit}{}",
        env!("CARGO_PKG_VERSION"),
        plugin.uwsgi_version,
        plugin.python.version(),
        config.exit,
        plugin.redirected.missing(),
    );
    if let Some(option) = config.without_effect() {
        log::warn!("{option} has no effect with pycow-gc = {}", config.gc);
    }
    if config.idle_textfile() {
        log::warn!("pycow-textfile has no effect with pycow-sample = 0");
    }
}

/// What went wrong is worth a line, and stops nothing.
fn log_if_err<T, E: fmt::Display>(what: impl fmt::Display, outcome: Result<T, E>) {
    if let Err(error) = outcome {
        log::error!("{what}: {error}");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
