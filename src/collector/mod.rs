//! The collector's policy: no collections while applications load, what they made frozen before the
//! fork, collections in workers by the thresholds in force.
//!
//! One rule says what workers run with, [`in_workers`], and it asks the interpreter. The log, the
//! JSON and the workers all have it from there, or from [`counters()`], where it leaves what it found
//! for those that hold no GIL.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::{
    config::{Config, GcPolicy, Pacing, Thresholds},
    python::{
        gc::Collector,
        interpreter::{Gil, Python},
        interpreters,
        reference::PyErr,
    },
};

mod between_requests;
mod counters;
mod full;
mod guard;
mod pacing;
mod theirs;
mod young;

pub use between_requests::request_done;
pub use counters::{counters, known_thresholds};

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
    counters::know(&in_workers(config, &own, gil)?);
    pacing::watch(gil, python);
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
    Ok(match config.pacing() {
        Pacing::Fixed(given) => given.over(base),
        Pacing::Cpython | Pacing::Auto => *base,
    })
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
    counters::know(&in_workers);
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
///
/// With `paced` (a worker, whose requests have an end) they are paced, unless the option says otherwise.
pub fn enable_in_worker(
    config: &Config,
    own: &Thresholds,
    python: &'static Python,
    gil: &Gil<'_>,
    paced: bool,
) -> Result<Thresholds, PyErr> {
    counters::reset();
    let mut outcome = Ok(());
    let mut paced = paced && config.gc.freezes() && config.pacing() == Pacing::Auto;
    if config.gc.freezes() {
        WANTED.store(true, Relaxed);
    }
    interpreters::each(gil, |gil, _| {
        pacing::watch(gil, python);
        if config.gc.freezes() {
            let enabled = enable(config, own, gil);
            // Where an application set its own, it does not want to be paced.
            paced &= enabled.as_ref().is_ok_and(|now| now == own);
            outcome = std::mem::replace(&mut outcome, Ok(())).and(enabled.map(drop));
        }
    });
    outcome?;
    let now = thresholds(gil)?;
    counters::know(&now);
    if paced {
        pacing::begin(gil, python, own);
    }
    Ok(now)
}

fn enable(config: &Config, own: &Thresholds, gil: &Gil<'_>) -> Result<Thresholds, PyErr> {
    let wanted = in_workers(config, own, gil)?;
    Collector::current(gil)?.set_thresholds(wanted.values())?;
    Ok(wanted)
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
