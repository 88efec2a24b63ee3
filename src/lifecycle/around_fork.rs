//! Both sides of a fork, until a process knows what it is.

use crate::{
    forking::fork::{self, Begun},
    leaving::{birth, loading, state::Handlers},
    linux::{
        process,
        signals::{self, GRACEFUL},
        stand_in,
    },
    plugin::{Plugin, Process},
};

/// uWSGI's master is about to fork for the first time, and has let go of the GIL if it ever does.
pub fn master_goes_on() {
    if let Some(plugin) = Plugin::get() {
        fork::master_goes_on(plugin);
    }
}

/// uWSGI announces the fork of a worker (2.0.21 and newer).
pub fn pre_uwsgi_fork() {
    fork::worker_begins();
}

/// uWSGI's own code calls `fork`, in a master: [`forked`] or [`in_any_child`] follows.
pub fn fork_begins() -> Option<Begun> {
    Plugin::get().and_then(fork::begins)
}

/// `fork` returned, in the process that called it.
pub fn forked(begun: &Begun) {
    if let Some(plugin) = Plugin::get() {
        fork::is_over_in_parent(plugin, begun);
    }
}

/// `fork` returned in a child.
pub fn in_any_child(begun: &Begun, handlers: &Handlers) {
    if let Some(plugin) = Plugin::get() {
        loading::in_child();
        birth::in_child_of_master(plugin, handlers);
        fork::releases_child(plugin, begun);
    }
}

/// uWSGI has forked a worker (2.0.21 and newer), and this is its master.
pub fn post_uwsgi_fork() {
    if let Some(plugin) = Plugin::get() {
        fork::worker_is_forked(plugin);
    }
}

/// Signals wait since a worker was forked, or the master has not waited yet: [`master_waits`] has something to do.
pub fn awaits_master() -> bool {
    fork::holds_signals() || loading::is_on()
}

/// This process becomes another program. Where that is uWSGI again, it will ignore SIGHUP until it has
/// handlers (core/uwsgi.c, `uwsgi_setup`), and does so from now on: until it has come to that, one more
/// reload would be its end.
pub fn execs(handlers: &Handlers) {
    stand_in::is_over(handlers.ending);
    loading::is_left_to_host();
    if Plugin::get().is_some_and(|plugin| plugin.host.master_pid() == process::pid()) {
        signals::ignore(GRACEFUL);
    }
    fork::release_signals();
}

/// The master waits for events: it has handlers, and knows all that it has forked.
pub fn master_waits() {
    if Process::is_before_any() && process::is_main_thread() {
        fork::release_signals();
        loading::is_over();
    }
}

/// A worker, a mule or a spooler is about to run Python for the first time.
pub fn in_child() {
    if let Some(plugin) = Plugin::get() {
        fork::is_over_in_child(plugin);
    }
}
