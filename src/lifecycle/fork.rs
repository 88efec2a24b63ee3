//! The fork, and both sides of it: until a worker serves.

use std::{
    sync::{atomic::Ordering, OnceLock},
    time::Instant,
};

use super::{
    sample, say_of, Me, Running, FROZEN, HIJACKABLE, IMMORTAL, LATE_LIBRARY, ME, REQUESTS, RUNNING,
};
use crate::{
    collector,
    config::GcPolicy,
    immortal::{self, Audit},
    linux::{
        clock, ksm,
        libraries::Watch,
        process::{self, Handler},
        reader,
    },
    python::{garbage, interpreter::Gil, interpreters},
    role::Role,
};

static LIBRARIES: Watch = Watch::new();
/// Checks the marks that were made before the fork.
static AUDIT: OnceLock<Audit> = OnceLock::new();

/// The last moment before the first fork, in the master or, without one, in the only process.
pub fn before_fork(handler: Handler) {
    let Some(running) = RUNNING.get() else { return };
    if let Err(reason) = reader::own() {
        log::warn!("shared memory cannot be measured here: {reason}");
    }
    if running.config.ksm {
        merge_pages();
    }
    leave_first(handler);
    if running.config.gc.freezes() {
        if running.host.lazy_apps() {
            let freeze = match running.config.gc {
                GcPolicy::Immortal => "; going on with freeze",
                _ => "",
            };
            log::warn!(
                "lazy-apps: every worker loads a heap of its own, nothing of it is shared{freeze}"
            );
        } else {
            running
                .python
                .with_gil(|gil| settle(running, gil, "before the fork"));
        }
    }
    sample::in_master(running);
}

fn merge_pages() {
    use ksm::Daemon;
    match ksm::merge() {
        Ok(Daemon::Runs) => log::info!("ksm: the kernel merges equal pages of this instance"),
        Ok(Daemon::Stopped) => log::warn!(
            "ksm: the kernel would merge equal pages, but ksmd is off; as root: \
             echo 1 > /sys/kernel/mm/ksm/run"
        ),
        Ok(Daemon::Unknown) => log::warn!(
            "ksm: the kernel took the request, but /sys/kernel/mm/ksm/run cannot be read: \
             whether ksmd runs is not known"
        ),
        Err(refused) => log::warn!("ksm: {refused}"),
    }
}

/// Every object there is leaves the collector's sight, in every interpreter; under `immortal` those
/// of the main one first become what the policy says.
fn settle(running: &Running, gil: &Gil<'_>, when: &str) {
    let start = Instant::now();
    interpreters::each(gil, |gil, _| {
        say_of(
            "garbage of the loading phase",
            garbage::end_what_it_owns(gil),
        );
    });
    // With lazy-apps there is nothing to share.
    let immortal = running.config.gc == GcPolicy::Immortal && !running.host.lazy_apps();
    if immortal {
        immortalize(running, gil);
    }
    let own = running.defaults.get();
    if let Some(Err(raised)) = own.map(|own| collector::loaded(&running.config, own, gil)) {
        log::error!("gc.get_threshold: {raised}");
    }
    let frozen = collector::freeze_heap(gil);
    FROZEN.store(frozen.objects, Ordering::Relaxed);
    let which = match frozen.interpreters > 1 && immortal {
        true => " (only the first is immortal)",
        false => "",
    };
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    log::info!("{frozen}{which} {when} in {milliseconds:.1} ms");
}

fn immortalize(running: &Running, gil: &Gil<'_>) {
    let start = Instant::now();
    match immortal::make(gil, &running.python, &running.config.mortal) {
        Ok((outcome, audit)) => {
            let _ = AUDIT.set(audit);
            IMMORTAL.store(outcome.immortal, Ordering::Relaxed);
            let megabytes = reader::own().map_or(0, |usage| (usage.shared + usage.private) >> 20);
            let seconds = start.elapsed().as_secs_f64();
            log::info!("{outcome}; {seconds:.3} s for a process of {megabytes} MB");
        }
        Err(reason) => log::warn!("pycow-gc = immortal: {reason}: going on with freeze"),
    }
}

/// The first moment of a worker, a mule or a spooler; also of the only process without a master.
pub fn in_child() {
    let Some(running) = RUNNING.get() else { return };
    running.python.with_gil(|gil| {
        let role = role(gil);
        let me = ME.get_or_init(|| Me {
            role,
            pid: process::pid(),
            start: reader::own().ok(),
        });
        sample::in_child(running, me);
        let loads = running.host.lazy_apps() && matches!(role, Role::Worker(_));
        if !loads {
            loaded(running, gil);
        }
    });
}

fn role(gil: &Gil<'_>) -> Role {
    let ask = |name| {
        let answer = gil
            .import(c"uwsgi")
            .and_then(|uwsgi| uwsgi.call_method(name, &[]));
        answer.and_then(|number| number.as_i64()).unwrap_or(0) as i32
    };
    match (ask(c"worker_id"), ask(c"mule_id")) {
        (0, 0) => Role::Spooler,
        (0, mule) => Role::Mule(mule),
        (worker, _) => Role::Worker(worker),
    }
}

/// Applications are loaded: collections begin, where the policy wants them.
fn loaded(running: &Running, gil: &Gil<'_>) {
    let Some(own) = running.defaults.get() else {
        return;
    };
    let enabled = collector::enable_in_worker(&running.config, own, gil);
    say_of("gc.set_threshold", enabled);
}

/// A worker whose applications are loaded, about to enter its loop.
///
/// uWSGI comes here twice: the Python plugin copies its own table to modifier 30 on the way.
pub fn worker_ready(handler: Handler) {
    let Some(running) = RUNNING.get() else { return };
    if HIJACKABLE.swap(true, Ordering::Relaxed) {
        return;
    }
    if running.host.lazy_apps() {
        if running.config.gc.freezes() {
            running.python.with_gil(|gil| {
                settle(running, gil, "in this worker");
                loaded(running, gil);
            });
        }
        // uWSGI registered its own handler just now.
        register(handler);
    }
    look_for_libraries(handler);
    if running.config.gc.freezes() {
        interpreters::stop_watching();
    }
}

/// No plugin took the worker: requests are next.
pub fn before_loop() {
    HIJACKABLE.store(false, Ordering::Relaxed);
}

/// A request is over.
pub fn request_done(handler: Handler) {
    REQUESTS.fetch_add(1, Ordering::Relaxed);
    look_for_libraries(handler);
    if let (Some(running), Some(audit)) = (RUNNING.get(), AUDIT.get()) {
        audit.step(&running.python, clock::cpu_time);
    }
}

fn look_for_libraries(handler: Handler) {
    if leave_first(handler) {
        LATE_LIBRARY.store(true, Ordering::Relaxed);
    }
}

/// The destructors of a C library are exit handlers: if one was loaded, its own would run before
/// ours, and the hooks would find it gone. The handler that is registered last runs first.
fn leave_first(handler: Handler) -> bool {
    let came = LIBRARIES.came();
    if came {
        register(handler);
    }
    came
}

fn register(handler: Handler) {
    if let Err(error) = process::register(handler) {
        log::error!("on_exit: {error}");
    }
}
