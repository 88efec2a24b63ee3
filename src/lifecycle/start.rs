//! From the plugin's load to the last application's.

use std::{
    fmt,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        Mutex, MutexGuard, OnceLock, PoisonError,
    },
};

use super::heap;
use crate::{
    collector,
    config::{self, unknown, Config, ExitPolicy, ForkPolicy, Pacing},
    forking::{check, warmup},
    leaving::{loading, state::Handlers},
    linux::{loaded, process, signals::Mask, statm, time_limit},
    plugin::{Plugin, Redirected},
    python::{configured, exit::print_stacks_on, files, interpreter::Python},
    sharing::{self, private_limit, waste},
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The functions of the door that uWSGI's own code is to call instead of libc's.
#[derive(Clone, Copy)]
pub struct Redirect {
    /// From the plugin's load on: whether what starts a program does.
    pub programs: fn(&Host) -> bool,
    /// From `init` on: all others.
    pub others: fn(&Host) -> Redirected,
}

// While the configuration is read.

/// pycow was loaded: is this a uWSGI that it knows?
pub fn load(redirect: Redirect, handlers: &Handlers) {
    let symbols = loaded::defining(c"uwsgi_plugin_get").unwrap_or(Symbols::NONE);
    uwsgi_log::install(symbols);
    match Host::open(symbols) {
        Ok(host) => {
            // A program ignores the signal that is kept from now on.
            if (redirect.programs)(&host) {
                loading::begins(handlers.loading);
            }
            *lock(&LOADED) = Some((host, Config::default()));
        }
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
fn refuse(error: &dyn fmt::Display) {
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
    let redirected = (redirect.others)(&host);
    if !redirected.waits {
        loading::is_left_to_host();
    }
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
        may_hijack: AtomicBool::new(false),
        frozen: AtomicU64::new(0),
        immortal: AtomicU64::new(0),
    };
    if plugin.set().is_some() {
        hooks::install(python_plugin, callbacks);
    }
}

fn off(reason: &dyn fmt::Display) {
    loading::is_left_to_host();
    log::error!("{reason}: pycow is off, uWSGI goes on without it");
}

// Python starts and loads applications.

/// The interpreter is about to start.
pub fn before_python() -> Option<Mask> {
    loading::python_starts()
}

/// It is up, no application is loaded yet. `mask` is what [`before_python`] gave.
pub fn python_up(mask: Option<&Mask>, handlers: &Handlers) {
    if let Some(mask) = mask {
        loading::python_started(mask, handlers.loading);
    }
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
        if heap::is_torn_down_immortal(plugin) {
            files::save_at_exit(gil);
        } else {
            files::prepare(gil);
        }
    });
    announce(plugin);
}

/// An application of `mount = ..` is about to be loaded, maybe into a new interpreter. How many bytes are
/// resident by now, for [`mounted`].
pub fn before_mount() -> u64 {
    let Some(plugin) = Plugin::get() else {
        return 0;
    };
    if !plugin.host.single_interpreter() {
        plugin.python.with_gil(|gil| {
            collector::watch_new_interpreters(&plugin.config, &plugin.python, gil);
        });
    }
    statm::resident().unwrap_or(0)
}

/// An application of `mount = ..` was loaded; so many bytes were resident before.
pub fn mounted(point: &str, what: &str, before: u64) {
    warmup::mounted(point, what);
    if Plugin::get().is_some_and(|plugin| !plugin.host.single_interpreter()) {
        let took = statm::resident().unwrap_or(0).saturating_sub(before);
        waste::mounted(point, what, took);
    }
}

/// Every plugin is up.
pub fn post_init() {
    let Some(plugin) = Plugin::get() else { return };
    if let Err(error) = sharing::prepare(plugin) {
        let refused = config::options::textfile_error(&error.path);
        refuse(&format_args!("{refused}: {}", error.reason));
    }
}

/// uWSGI takes RPC functions now, and shows Python the configuration.
pub fn preinit_apps(table: &'static PluginTable) {
    let Some(plugin) = Plugin::get() else { return };
    sharing::publish::offer(plugin, table);
    match plugin.python.with_gil(configured::keys) {
        Some(Ok(keys)) => {
            let hijacks = |key: &String| key.starts_with("pyrun") || key.starts_with("pyshell");
            plugin.may_hijack.store(keys.iter().any(hijacks), Relaxed);
            for line in unknown::warnings(keys.iter().map(String::as_str)) {
                log::warn!("{line}");
            }
            waste::look_at_descriptors(keys.iter().map(String::as_str));
        }
        Some(Err(raised)) => log::error!("uwsgi.opt: {raised}"),
        None => {}
    }
    check::applications_load();
}

/// All applications are loaded.
pub fn postinit_apps() {
    if Plugin::get().is_some() {
        check::applications_are_loaded();
        waste::look_at_mounts();
    }
}

fn announce(plugin: &Plugin) {
    let config = &plugin.config;
    let gc = match plugin.gc() {
        policy if policy.freezes() => match collector::known_thresholds() {
            Some(thresholds) => {
                let paced = match config.pacing() {
                    Pacing::Auto => ", paced",
                    _ => "",
                };
                format!("gc {policy} (thresholds {thresholds} in workers{paced})")
            }
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
    for line in config.without_effect() {
        log::warn!("{line}");
    }
    if let Some(why) = private_limit::is_idle(plugin) {
        log::warn!("pycow-reload-on-private has no effect {why}");
    }
}
