//! The collector's policy: no collections while applications load, what they made frozen before the
//! fork, collections in workers by the thresholds in force.
//!
//! One rule says what workers run with, [`in_workers`], and it asks the interpreter. The log, the
//! JSON and the workers all have it from there, or from [`known_thresholds`], where it leaves what it
//! found for those that hold no GIL.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed},
};

use crate::{
    config::{Config, GcPolicy, Thresholds},
    python::{
        gc::Collector,
        interpreter::{Gil, Python},
        interpreters,
        reference::PyErr,
    },
};

mod guard;

/// Automatic collections are wanted: in workers whose applications are loaded, but for `off`.
///
/// Static, as it is asked by functions that CPython calls without an argument of ours.
static WANTED: AtomicBool = AtomicBool::new(false);

/// Automatic collections are wanted now.
fn wanted() -> bool {
    WANTED.load(Relaxed)
}

/// The thresholds in force in the current interpreter. The one place that knows: it asks.
pub fn thresholds(gil: &Gil<'_>) -> Result<Thresholds, PyErr> {
    let values = Collector::current(gil)?.thresholds()?;
    Ok(Thresholds::new(&values).unwrap_or(Thresholds::ZERO))
}

/// Python is up and no application is loaded yet: from now on nothing is collected but under `keep`.
/// Returns CPython's own thresholds.
pub fn start(config: &Config, python: &'static Python, gil: &Gil<'_>) -> Result<Thresholds, PyErr> {
    let own = thresholds(gil)?;
    if config.gc != GcPolicy::Keep {
        switch_off(gil)?;
    }
    KNOWN.store(&in_workers(config, &own, gil)?);
    if config.guarded() {
        guard::install(gil, python);
    }
    Ok(own)
}

fn switch_off(gil: &Gil<'_>) -> Result<(), PyErr> {
    Collector::current(gil)?.set_thresholds(Thresholds::ZERO.values())
}

/// A second application is about to be loaded, maybe into an interpreter of its own: as long as no
/// collections are wanted, it collects nothing either.
pub fn watch_new_interpreters(config: &Config, python: &'static Python, gil: &Gil<'_>) {
    if config.gc != GcPolicy::Keep {
        interpreters::watch(gil, python, |gil| wanted() || switch_off(gil).is_ok());
    }
}

/// The thresholds that workers run with, told in the interpreter whose applications are loaded (or
/// are to be, at the start): the option's, else what the application set, else CPython's own. What
/// is not given of the three stays as it is.
pub fn in_workers(config: &Config, own: &Thresholds, gil: &Gil<'_>) -> Result<Thresholds, PyErr> {
    let now = thresholds(gil)?;
    if !config.gc.freezes() {
        return Ok(now);
    }
    let base = if is_off(&now) { own } else { &now };
    Ok(config.thresholds.map_or(*base, |given| given.over(base)))
}

/// The application set no thresholds of its own.
fn is_off(thresholds: &Thresholds) -> bool {
    thresholds.values().first() == Some(&0)
}

/// Applications are loaded and about to be frozen. If they set thresholds of their own, the log says
/// what becomes of them.
pub fn loaded(config: &Config, own: &Thresholds, gil: &Gil<'_>) -> Result<(), PyErr> {
    let now = thresholds(gil)?;
    let in_workers = in_workers(config, own, gil)?;
    KNOWN.store(&in_workers);
    if !is_off(&now) && now == in_workers {
        log::info!("the application set the collector's thresholds to {now}: workers keep them");
    } else if !is_off(&now) {
        log::info!(
            "the application set the collector's thresholds to {now}: workers run with \
             {in_workers} (pycow-gc-threshold)"
        );
    }
    Ok(())
}

/// Applications are loaded, in this worker, mule or spooler: collections begin, where the policy
/// wants them, in every interpreter. Returns the thresholds in force after that, in the main one.
pub fn enable_in_worker(
    config: &Config,
    own: &Thresholds,
    gil: &Gil<'_>,
) -> Result<Thresholds, PyErr> {
    if config.gc.freezes() {
        WANTED.store(true, Relaxed);
        let mut outcome = Ok(());
        interpreters::each(gil, |gil, _| {
            let enabled = in_workers(config, own, gil)
                .and_then(|wanted| Collector::current(gil)?.set_thresholds(wanted.values()));
            outcome = std::mem::replace(&mut outcome, Ok(())).and(enabled);
        });
        outcome?;
    }
    let now = thresholds(gil)?;
    KNOWN.store(&now);
    Ok(now)
}

/// What the main interpreter of this process last said, or of a worker's before there is one; `None`
/// if it could not be asked. For those that hold no GIL.
pub fn known_thresholds() -> Option<Thresholds> {
    KNOWN.load()
}

/// Three numbers and how many of them there are. Without a lock: a fork may happen at any time in
/// another thread.
struct Known([AtomicI32; 3], AtomicI32);

static KNOWN: Known = Known([const { AtomicI32::new(0) }; 3], AtomicI32::new(0));

impl Known {
    fn store(&self, thresholds: &Thresholds) {
        let values = thresholds.values();
        for (place, value) in self.0.iter().zip(values) {
            place.store(*value, Relaxed);
        }
        self.1.store(values.len() as i32, Relaxed);
    }

    fn load(&self) -> Option<Thresholds> {
        let all = [0, 1, 2].map(|i| self.0[i].load(Relaxed));
        Thresholds::new(all.get(..self.1.load(Relaxed) as usize)?)
    }
}

/// What left the collector's sight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frozen {
    /// How many objects.
    pub objects: u64,
    /// In how many interpreters.
    pub interpreters: usize,
}

impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "froze {} objects", self.objects)?;
        match self.interpreters {
            1 => Ok(()),
            several => write!(f, " of {several} interpreters"),
        }
    }
}

/// Every object there is leaves the collector's sight, in every interpreter. What goes wrong in one
/// is logged and stops nothing.
pub fn freeze_heap(gil: &Gil<'_>) -> Frozen {
    let mut frozen = Frozen::default();
    interpreters::each(gil, |gil, _| {
        match Collector::current(gil).and_then(|collector| collector.freeze()) {
            Ok(count) => frozen.objects += count.unsigned_abs(),
            Err(raised) => log::error!("gc.freeze: {raised}"),
        }
        frozen.interpreters += 1;
    });
    frozen
}
