//! What every process tells of its memory.
//!
//! Each process writes its own slot of a table that all share. One of them, the master or without one
//! the only process, keeps the table: it clears the slots of those that are gone, adds up, and writes
//! the text file.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicI32, Ordering},
        OnceLock,
    },
    thread,
    time::Duration,
};

use super::{publish, Me, Running, ME, REQUESTS, RUNNING};
use crate::{
    config::options,
    linux::{
        mapping, process, reader, sampler,
        smaps::Usage,
        textfile::{self, TextFile},
    },
    role::Role,
    sharing::{
        prometheus,
        slot::{Sample, Slot},
        slots::{Seat, SlotTable},
    },
};

/// The slots of all processes, once uWSGI knows how many workers it has.
pub(super) static TABLE: OnceLock<SlotTable> = OnceLock::new();
static TEXTFILE: OnceLock<TextFile> = OnceLock::new();
/// Where this process sits, unless it is the master.
static SEAT: OnceLock<Seat> = OnceLock::new();
/// The process that keeps the table.
static KEEPER: AtomicI32 = AtomicI32::new(0);
/// The text file is being replaced.
static WRITING: AtomicBool = AtomicBool::new(false);
/// The text file could not be written last time.
static COMPLAINED: AtomicBool = AtomicBool::new(false);

// While uWSGI starts.

/// Every plugin is up; metrics and log format are set up next. Privileges are dropped, unless they
/// are to be kept longer.
pub fn prepare() {
    let Some(running) = RUNNING.get() else { return };
    if let Some(path) = &running.config.textfile {
        check(path);
    }
    let workers = running.host.workers();
    let table = match mapping::numbers(SlotTable::size(workers)) {
        Ok(numbers) => TABLE.get_or_init(|| SlotTable::new(numbers, workers)),
        Err(error) => return log::error!("no memory to share what is measured: {error}"),
    };
    publish::register(running.host, table);
}

/// A text file that cannot be written ends the start.
fn check(path: &str) {
    let checked = TextFile::new(path)
        .map_err(Into::into)
        .and_then(|file| file.check().map(|()| file));
    match checked {
        Ok(file) => drop(TEXTFILE.set(file)),
        Err(error) => {
            log::error!("{}: {error}", options::refused_textfile(path));
            process::refuse_start();
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
        Role::Spooler => table.claim_spooler(me.pid, process::is_alive),
    };
    let Some(seat) = seat else { return };
    let _ = SEAT.set(seat);
    if me.pid == running.host.master_pid() {
        keep_table();
    }
    begin(running, seat);
}

fn keep_table() {
    KEEPER.store(process::pid(), Ordering::SeqCst);
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
    KEEPER.load(Ordering::SeqCst) == process::pid()
}

/// A sample was taken, usually on the sampler's thread: nothing may allocate, lock or log.
fn take(usage: Option<Usage>) {
    if let (Some(usage), Some(slot)) = (usage, own_slot()) {
        slot.write(&Sample {
            pid: process::pid(),
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

/// Where this process tells its numbers.
pub(super) fn own_slot() -> Option<Slot> {
    let master = || is_keeper().then_some(Seat::Master);
    let seat = SEAT.get().copied().or_else(master)?;
    TABLE.get()?.slot(seat)
}

fn keep() {
    let Some(table) = TABLE.get() else { return };
    table.sweep(process::is_alive);
    let (Some(running), Some(file)) = (RUNNING.get(), TEXTFILE.get()) else {
        return;
    };
    WRITING.store(true, Ordering::SeqCst);
    if !sampler::stopped() {
        let written = file.replace(|out| prometheus::write(out, &publish::facts(running), table));
        let complained = COMPLAINED.swap(written.is_err(), Ordering::Relaxed);
        if written.is_err() && !complained {
            textfile::complain("[pycow] WARNING: pycow-textfile cannot be written\n");
        }
    }
    WRITING.store(false, Ordering::SeqCst);
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
