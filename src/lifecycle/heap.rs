//! What becomes of the heap that applications loaded.

use std::{fmt, sync::atomic::Ordering::Relaxed, time::Instant};

use crate::{
    collector,
    config::{ExitPolicy, GcPolicy},
    immortal::{self, Collectable},
    linux::{clock, malloc, usage},
    plugin::{Plugin, Process, Role},
    python::{files, garbage::Garbage, interpreter::Gil, interpreters},
    sharing::{self, collections::Collections},
};

/// Every object there is leaves the collector's sight, in every interpreter; under `immortal` those
/// of the main one first become what the policy says, and those that cannot come back into sight.
pub fn freeze(plugin: &Plugin, gil: &Gil<'_>, when: &str) {
    interpreters::each(gil, |gil, _| files::remember(gil));
    if !plugin.config.gc.freezes() {
        return;
    }
    let start = Instant::now();
    let mut garbage = Garbage::default();
    interpreters::each(gil, |gil, _| {
        log_if_err(
            "garbage of the loading phase",
            garbage.end_what_it_owns(gil),
        );
    });
    // With lazy-apps there is nothing to share.
    let immortal = plugin.config.gc == GcPolicy::Immortal && !plugin.host.lazy_apps();
    let collectable = match immortal {
        true => immortalize(plugin, gil),
        false => Collectable::default(),
    };
    if let Some(own) = plugin.default_thresholds.get() {
        log_if_err(
            "gc.get_threshold",
            collector::loaded(&plugin.config, own, gil),
        );
    }
    let mut frozen = collector::freeze_heap(gil);
    match collectable.thaw(gil, &garbage) {
        Ok(thawed) => frozen.objects = frozen.objects.saturating_sub(thawed),
        Err(raised) => log::error!("what is left to the collector: {raised}"),
    }
    malloc::trim();
    plugin.frozen.store(frozen.objects, Relaxed);
    sharing::frozen(plugin);
    let only = frozen.interpreters > 1 && immortal;
    let which = if only {
        " (only the first is immortal)"
    } else {
        ""
    };
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    log::info!("{frozen}{which} {when} in {milliseconds:.1} ms");
}

/// Immortal objects do not end in uWSGI's own teardown, and so save nothing there by themselves.
pub fn is_torn_down_immortal(plugin: &Plugin) -> bool {
    plugin.config.exit == ExitPolicy::Full && plugin.config.gc == GcPolicy::Immortal
}

fn immortalize<'gil>(plugin: &Plugin, gil: &Gil<'gil>) -> Collectable<'gil> {
    let start = Instant::now();
    match immortal::make(gil, &plugin.python, &plugin.config.mortal) {
        Ok((outcome, collectable)) => {
            plugin.immortal.store(outcome.immortal, Relaxed);
            let megabytes = usage::own().map_or(0, |usage| (usage.shared + usage.private) >> 20);
            let seconds = start.elapsed().as_secs_f64();
            log::info!("{outcome}; {seconds:.3} s for a process of {megabytes} MB");
            collectable
        }
        Err(reason) => {
            log::warn!("pycow-gc = immortal: {reason}: going on with freeze");
            Collectable::default()
        }
    }
}

/// With lazy-apps there is nothing that could be shared.
pub fn say_nothing_is_shared(plugin: &Plugin) {
    let instead = match plugin.config.gc {
        GcPolicy::Immortal => "; going on with freeze",
        _ => "",
    };
    log::warn!("lazy-apps: every worker loads a heap of its own, nothing of it is shared{instead}");
}

/// A worker has served a request: some marks of its immortal objects are checked, in at most 0.05% of its CPU.
pub fn check_marks(plugin: &Plugin, process: &Process) {
    let moved = immortal::audit_step(&plugin.python, clock::process_cpu);
    if moved > 0 {
        process.moved_marks.fetch_add(moved, Relaxed);
    }
}

/// Applications are loaded: collections begin, where the policy wants them.
pub fn collect_again(plugin: &'static Plugin, process: &Process, gil: &Gil<'_>) {
    let paced = matches!(process.role, Role::Worker(_));
    if let Some(own) = plugin.default_thresholds.get() {
        log_if_err(
            "gc.set_threshold",
            collector::enable_in_worker(&plugin.config, own, &plugin.python, gil, paced),
        );
    }
    tell_collections(plugin, process);
}

/// That many requests are over: a full collection may be due.
pub fn request_done(plugin: &Plugin, process: &Process, requests: u64) {
    collector::request_done(&plugin.python, requests);
    tell_collections(plugin, process);
}

fn tell_collections(plugin: &Plugin, process: &Process) {
    let counters = collector::counters();
    let told = Collections {
        thresholds: counters.thresholds,
        generations: counters.generations,
    };
    sharing::collected(plugin, process, &told);
}

/// What went wrong is worth a line, and stops nothing.
fn log_if_err<T, E: fmt::Display>(what: impl fmt::Display, outcome: Result<T, E>) {
    if let Err(error) = outcome {
        log::error!("{what}: {error}");
    }
}
