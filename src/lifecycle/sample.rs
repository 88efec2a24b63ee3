//! What every process tells of its memory, and where that can be read.
//!
//! Each process writes its own slot of a table that all share. One of them, the master or without one
//! the only process, keeps the table: it clears the slots of those that are gone, adds up, and writes
//! the text file.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        atomic::{AtomicBool, AtomicI32, Ordering},
        OnceLock,
    },
    thread,
    time::Duration,
};

use super::{Me, Running, FROZEN, IMMORTAL, ME, REQUESTS, RUNNING};
use crate::{
    config::{self, GcPolicy},
    memory::{reader, sampler, shared, smaps::Usage},
    process::{
        leave,
        textfile::{self, TextFile},
    },
    report::{
        facts::Facts,
        json, prometheus,
        table::{Gauge, Sample, Seat, Slot, Table},
    },
    role::Role,
    uwsgi::{
        abi,
        logvars::{self, Variable},
        metrics::{self, Metric},
        rpc,
    },
};

static TABLE: OnceLock<Table> = OnceLock::new();
static TEXTFILE: OnceLock<TextFile> = OnceLock::new();
static UWSGI: OnceLock<Cow<'static, str>> = OnceLock::new();
/// Where this process sits, unless it is the master.
static SEAT: OnceLock<Seat> = OnceLock::new();
/// The process that keeps the table.
static KEEPER: AtomicI32 = AtomicI32::new(0);
/// The text file is being replaced.
static WRITING: AtomicBool = AtomicBool::new(false);
/// The text file could not be written last time.
static COMPLAINED: AtomicBool = AtomicBool::new(false);

/// The functions that others may call: what uWSGI is told of each, and its name.
const FUNCTIONS: [(usize, &std::ffi::CStr); 2] =
    [(JSON, c"pycow.json"), (TEXT, c"pycow.prometheus")];
const JSON: usize = 1;
const TEXT: usize = 2;

// While uWSGI starts.

/// Every plugin is up; metrics and log format are set up next. Privileges are dropped, unless they
/// are to be kept longer.
pub fn prepare() {
    let Some(running) = RUNNING.get() else { return };
    if let Some(path) = &running.config.textfile {
        check(path);
    }
    let workers = running.host.workers();
    let table = match shared::numbers(Table::size(workers)) {
        Ok(numbers) => TABLE.get_or_init(|| Table::new(numbers, workers)),
        Err(error) => return log::error!("no memory to share what is measured: {error}"),
    };
    let _ = UWSGI.set(running.host.version());
    let registered = metrics::register(running.host, shown(table, workers))
        .and_then(|()| logvars::register(running.host, variable));
    if let Err(missing) = registered {
        log::warn!("{missing}: what needs it is left out");
    }
}

/// A text file that cannot be written ends the start.
fn check(path: &str) {
    let checked = TextFile::new(path)
        .map_err(Into::into)
        .and_then(|file| file.check().map(|()| file));
    match checked {
        Ok(file) => drop(TEXTFILE.set(file)),
        Err(error) => {
            log::error!("{}: {error}", config::refused_textfile(path));
            leave::refuse_start();
        }
    }
}

/// uWSGI's metrics of a worker have the numbers 3.N.1 to 3.N.14, those of the core 5.1 to 5.5 and
/// 5.100 to 5.104 (core/metrics.c of every 2.0.x).
fn shown(table: &'static Table, workers: usize) -> impl Iterator<Item = Metric> {
    const GAUGES: [(&str, u32, Gauge); 5] = [
        ("shared_size", 101, Gauge::Shared),
        ("private_size", 102, Gauge::Private),
        ("pss_size", 103, Gauge::Pss),
        ("inherited_size", 104, Gauge::Inherited),
        ("ksm_size", 105, Gauge::Ksm),
    ];
    let of_worker = move |number| {
        let slot = table.slot(Seat::Worker(number));
        slot.into_iter().flat_map(move |slot| {
            GAUGES.map(|(name, oid, gauge)| Metric {
                name: format!("worker.{number}.{name}"),
                oid: format!("3.{number}.{oid}"),
                number: slot.gauge(gauge),
            })
        })
    };
    let total = Metric {
        name: "core.total_pss".into(),
        oid: "5.110".into(),
        number: table.total_pss(),
    };
    (1..=workers).flat_map(of_worker).chain([total])
}

/// Applications are loaded next; uWSGI takes RPC functions now.
pub fn offer(plugin: &'static abi::Table) {
    let Some(running) = RUNNING.get() else { return };
    for (number, name) in FUNCTIONS {
        match rpc::register(running.host, plugin, name, number) {
            Ok(true) => {}
            Ok(false) => log::warn!("uWSGI does not take {} (rpc-max?)", name.to_string_lossy()),
            Err(missing) => return log::warn!("{missing}: no RPC functions"),
        }
    }
}

// Sampling.

/// The master is about to fork.
pub(super) fn in_master(running: &Running) {
    if running.host.has_master() && running.config.sample > 0 {
        keep_table();
        begin(running, Seat::Master);
    }
}

/// A process that serves was forked, or the only process is about to serve.
pub(super) fn in_child(running: &Running, me: &Me) {
    let Some(table) = TABLE.get().filter(|_| running.config.sample > 0) else {
        return;
    };
    let free = |seat| {
        table.slot(seat)?.clear();
        Some(seat)
    };
    let seat = match me.role {
        Role::Worker(number) => free(Seat::Worker(number as usize)),
        Role::Mule(number) => free(Seat::Mule(number as usize)),
        Role::Spooler => table.claim_spooler(me.pid, leave::is_there),
    };
    let Some(seat) = seat else { return };
    let _ = SEAT.set(seat);
    if me.pid == running.host.master_pid() {
        keep_table();
    }
    begin(running, seat);
}

fn keep_table() {
    KEEPER.store(leave::pid(), Ordering::SeqCst);
}

/// The first sample, here and now, and a thread for all that follow.
fn begin(running: &Running, seat: Seat) {
    take(match ME.get() {
        Some(me) => me.start,
        None => reader::own().ok(),
    });
    let period = Duration::from_secs(running.config.sample.into());
    if let Err(error) = sampler::start(first(seat, period), period, take) {
        log::error!("pycow-sample: no thread: {error}");
    }
}

/// Workers are forked together, but are not to read all at once: the golden ratio spreads any number
/// of them. The keeper looks soon, when they are there.
fn first(seat: Seat, period: Duration) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    if is_keeper() {
        return Duration::from_secs(1);
    }
    period.mul_f64((seat.number() as f64 * GOLDEN).fract())
}

fn is_keeper() -> bool {
    KEEPER.load(Ordering::SeqCst) == leave::pid()
}

/// A sample was taken, usually on the sampler's thread: nothing may allocate, lock or log.
fn take(usage: Option<Usage>) {
    if let (Some(usage), Some(slot)) = (usage, own_slot()) {
        slot.write(&Sample {
            pid: leave::pid(),
            requests: REQUESTS.load(Ordering::Relaxed),
            inherited: ME
                .get()
                .and_then(|me| me.start)
                .map_or(0, |start| start.shared),
            shared: usage.shared,
            private: usage.private,
            pss: usage.pss,
            ksm: usage.ksm,
            at: sampler::clock(),
        });
    }
    if is_keeper() {
        keep();
    }
}

fn own_slot() -> Option<Slot> {
    let master = || is_keeper().then_some(Seat::Master);
    let seat = SEAT.get().copied().or_else(master)?;
    TABLE.get()?.slot(seat)
}

fn keep() {
    let Some(table) = TABLE.get() else { return };
    table.sweep(leave::is_there);
    let (Some(running), Some(file)) = (RUNNING.get(), TEXTFILE.get()) else {
        return;
    };
    WRITING.store(true, Ordering::SeqCst);
    if !sampler::stopped() {
        let written = file.replace(|out| prometheus::write(out, &facts(running), table));
        let complained = COMPLAINED.swap(written.is_err(), Ordering::Relaxed);
        if written.is_err() && !complained {
            textfile::complain("[pycow] WARNING: pycow-textfile cannot be written\n");
        }
    }
    WRITING.store(false, Ordering::SeqCst);
}

// Reading.

/// A variable of the log format, in bytes, as of the last sample of this process.
fn variable(variable: Variable) -> Option<u64> {
    let sample = own_slot()?.read()?;
    Some(match variable {
        Variable::Shared => sample.shared,
        Variable::Private => sample.private,
        Variable::Pss => sample.pss,
    })
}

/// What the RPC function of that number answers.
pub fn answer(function: usize) -> Option<String> {
    let (running, table) = (RUNNING.get()?, TABLE.get()?);
    let mut text = String::new();
    let written = match function {
        JSON => json::write(&mut text, &facts(running), table, sampler::clock()),
        TEXT => prometheus::write(&mut text, &facts(running), table),
        _ => Err(fmt::Error),
    };
    written.ok().map(|()| text)
}

fn facts(running: &Running) -> Facts<'_> {
    let config = &running.config;
    let (frozen, immortal) = (
        FROZEN.load(Ordering::Relaxed),
        IMMORTAL.load(Ordering::Relaxed),
    );
    let fell_back = config.gc == GcPolicy::Immortal && frozen > 0 && immortal == 0;
    let gc = if fell_back {
        GcPolicy::Freeze
    } else {
        config.gc
    };
    Facts {
        pycow: env!("CARGO_PKG_VERSION"),
        uwsgi: UWSGI.get().map_or("", |version| version),
        python: running.python.version(),
        gc: gc.name(),
        thresholds: match gc {
            GcPolicy::Keep => &[],
            GcPolicy::Off => &[0],
            _ => running.worker_thresholds().map_or(&[], |t| t.values()),
        },
        guarded: config.guarded(),
        exit: config.exit.name(),
        exit_timeout: config.exit_timeout,
        ksm: config.ksm,
        sample: config.sample,
        frozen,
        immortal,
    }
}

// Leaving.

/// The exit hooks of this process begin; after `bound` seconds (0: never) they are cut short.
pub(super) fn hooks_begin(bound: u32) {
    if let Some(slot) = own_slot() {
        slot.hooks_begin(u64::from(bound) * 1_000_000);
    }
}

/// This process leaves; its hooks took that long, if they ran.
pub(super) fn left(hooks: Option<Duration>) {
    sampler::stop();
    let Some(slot) = own_slot() else { return };
    if let Some(took) = hooks {
        slot.hooks_over(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
    slot.clear();
}

/// exit() was called in any process: what the text file says is over with its keeper.
pub(super) fn exit_begins() {
    const PATIENCE: u32 = 100;
    let Some(file) = TEXTFILE.get().filter(|_| is_keeper()) else {
        return;
    };
    sampler::stop();
    for _ in 0..PATIENCE {
        if !WRITING.load(Ordering::SeqCst) {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    file.remove();
}
