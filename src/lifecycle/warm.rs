//! What applications serve before anything is frozen, and what of it must not be inherited.
//!
//! The order is load, collect, warm, close, name; freezing comes next.

use crate::{
    config::ForkPolicy,
    forking::{check, warmup},
    linux::inventory::Inventory,
    plugin::{Plugin, Process, Role},
    python::interpreter::Gil,
};

/// In the master, before the first fork.
pub fn before_fork(plugin: &Plugin, gil: &Gil<'_>) {
    let hooks = plugin.config.fork == ForkPolicy::Cpython && plugin.redirected.fork;
    let arrived = Inventory::now();
    if !plugin.config.warmup.is_empty() {
        warmup::run(&plugin.config, &plugin.host, gil);
        warmup::close(gil);
        let opened = Inventory::now().without(&arrived);
        check::name(gil, warmup::OPTION, &opened, hooks);
    }
    if plugin.config.checks_fork(false) {
        let of_applications = check::came_with_applications().also_in(&arrived);
        let of_applications = of_applications.also_in(&Inventory::now());
        check::name(gil, check::OPTION, &of_applications, hooks);
        check::name_state(gil, check::OPTION);
    }
}

/// In a worker that loaded its applications by itself: what they opened is its own, but whoever
/// wants to do without `lazy-apps` may ask what would have to change.
pub fn in_lazy_worker(plugin: &Plugin, process: &Process, gil: &Gil<'_>) {
    if !plugin.config.warmup.is_empty() {
        warmup::run(&plugin.config, &plugin.host, gil);
    }
    if process.role == Role::Worker(1) && plugin.config.checks_fork(true) {
        log::info!(
            "{}: without lazy-apps, workers would inherit what follows",
            check::OPTION
        );
        let hooks = plugin.config.fork == ForkPolicy::Cpython && plugin.redirected.fork;
        let of_applications = Inventory::now().without(&check::before_applications());
        check::name(gil, check::OPTION, &of_applications, hooks);
        check::name_state(gil, check::OPTION);
    }
}
