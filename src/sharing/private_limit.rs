//! A worker whose own private memory has passed a bound. uWSGI's `reload-on-rss` counts what is shared,
//! too: the better sharing works, the earlier it fires.

use std::fmt;

use super::SHARING;
use crate::{
    linux::clock,
    plugin::{Plugin, Process, Role},
};

/// By how much, in megabytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    private: u64,
    limit: u32,
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} MB of its memory are private, pycow-reload-on-private is {}",
            self.private, self.limit
        )
    }
}

/// This worker is past the bound as of its last sample, and old enough to be replaced
/// (`min-worker-lifetime`, as for uWSGI's own bounds).
pub fn passed(plugin: &Plugin, process: &Process) -> Option<Passed> {
    let limit = plugin.config.reload_on_private?;
    if !process.has_master || !matches!(process.role, Role::Worker(_)) {
        return None;
    }
    let slot = SHARING.get()?.slots.slot(process.role)?;
    let sample = slot.read().filter(|it| it.pid == process.pid)?;
    let private = sample.private >> 20;
    let age = clock::now().saturating_sub(process.born) / 1000;
    let is_past = private > limit.into() && age >= plugin.host.min_worker_lifetime().into();
    is_past.then_some(Passed { private, limit })
}

/// Why the option does nothing here, if it does not.
pub fn is_idle(plugin: &Plugin) -> Option<&'static str> {
    plugin.config.reload_on_private?;
    if plugin.config.sample == 0 {
        Some("with pycow-sample = 0")
    } else if !plugin.host.has_master() {
        Some("without a master, which would start another worker")
    } else if plugin.host.is_async() || plugin.host.has_loop_engine() {
        Some("with async or a loop engine, where a worker cannot end its requests first")
    } else {
        None
    }
}
