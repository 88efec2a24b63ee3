//! From the plugin's load to the last application's.

use std::{
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
};

use super::{say_of, Running, RUNNING};
use crate::{
    collector,
    config::{self, Config, ExitPolicy},
    linux::{deadline, process},
    python::{
        exit,
        interpreter::{Gil, Python},
        reference::PyErr,
    },
    uwsgi::{
        hooks::{self, Callbacks},
        host::{self, Host},
        log as uwsgi_log,
    },
};

/// The host, if it can be used.
static HOST: OnceLock<Host> = OnceLock::new();
/// The options as far as they were read.
static OPTIONS: Mutex<Option<Config>> = Mutex::new(None);

/// pycow was loaded: is this a uWSGI that it knows?
pub fn load() {
    let (object, log) = host::find();
    uwsgi_log::install(log);
    match Host::open(object) {
        Ok(host) => drop(HOST.set(host)),
        Err(reason) => off(&reason),
    }
}

/// An option was given. A wrong value ends the start, as uWSGI's own options do.
pub fn option(index: usize, value: &str) {
    let (Some(_), Some(option)) = (HOST.get(), config::options::OPTIONS.get(index)) else {
        return;
    };
    let mut options = OPTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(refused) = option.apply(options.get_or_insert_default(), value) {
        log::error!("{refused}");
        process::refuse_start();
    }
}

/// The configuration is complete: stand before the Python plugin's callbacks.
pub fn init(callbacks: &Callbacks) {
    let Some(host) = HOST.get() else { return };
    let config = OPTIONS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(table) = host.python_plugin() else {
        return off(&"no python plugin is loaded");
    };
    match Python::find(hooks::address(table)) {
        Err(reason) => off(&reason),
        Ok(python) => {
            let running = Running {
                host,
                config: config.unwrap_or_default(),
                python,
                defaults: OnceLock::new(),
            };
            if RUNNING.set(running).is_ok() {
                hooks::install(table, callbacks);
            }
        }
    }
}

fn off(reason: &dyn fmt::Display) {
    log::error!("{reason}: pycow is off, uWSGI goes on without it");
}

/// The interpreter is up, no application is loaded yet.
pub fn python_up() {
    let Some(running) = RUNNING.get() else { return };
    running.python.with_gil(|gil| {
        say_of("the collector", collector_up(running, gil));
        if running.config.exit == ExitPolicy::Fast && running.config.exit_timeout > 0 {
            say_of(
                "faulthandler (no stacks will be shown at pycow-exit-timeout)",
                exit::print_stacks_on(gil, deadline::stacks_signal()),
            );
        }
    });
    announce(running);
}

fn collector_up(running: &'static Running, gil: &Gil<'_>) -> Result<(), PyErr> {
    let own = collector::start(&running.config, &running.python, gil)?;
    let _ = running.defaults.set(own);
    Ok(())
}

fn announce(running: &Running) {
    let config = &running.config;
    let gc = match config.gc {
        policy if policy.freezes() => match collector::known_thresholds() {
            Some(thresholds) => format!("gc {policy} (thresholds {thresholds} in workers)"),
            None => format!("gc {policy}"),
        },
        policy => format!("gc {policy}"),
    };
    let guard = if config.guarded() { ", guarded" } else { "" };
    let bound = match (config.exit, config.exit_timeout) {
        (ExitPolicy::Full, _) => String::new(),
        (ExitPolicy::Fast, 0) => " (hooks without a bound)".into(),
        (ExitPolicy::Fast, seconds) => format!(" (hooks within {seconds} s)"),
    };
    log::info!(
        "{} on uWSGI {} and CPython {}: {gc}{guard}, exit {}{bound}",
        env!("CARGO_PKG_VERSION"),
        running.host.version(),
        running.python.version(),
        config.exit,
    );
    if let Some(option) = config.without_effect() {
        log::warn!("{option} has no effect with pycow-gc = {}", config.gc);
    }
    if config.idle_textfile() {
        log::warn!("pycow-textfile has no effect with pycow-sample = 0");
    }
}

/// An application of `mount = ..` is about to be loaded, maybe into a new interpreter.
pub fn before_mount() {
    let Some(running) = RUNNING.get() else { return };
    if !running.host.single_interpreter() {
        running.python.with_gil(|gil| {
            collector::watch_new_interpreters(&running.config, &running.python, gil);
        });
    }
}
