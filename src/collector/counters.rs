//! What the collections of this process were and cost, and the thresholds last seen in force.
//!
//! Atomic numbers: they are written while CPython collects and read by those that hold no GIL, and a
//! fork may happen at any time in another thread. Static, as CPython gives its callers no argument of
//! ours.

use std::{
    sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{
    config::Thresholds,
    python::gc::{Generation, GENERATIONS},
};

/// What is known of this process's collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Those of all interpreters together, since the process was forked, by generation, youngest first.
    pub generations: [Generation; GENERATIONS],
    /// The thresholds last seen in force in the main interpreter; in the master, those that workers
    /// begin with. `None` if they could not be asked for.
    pub thresholds: Option<Thresholds>,
}

static NUMBERS: [[AtomicU64; 3]; GENERATIONS] =
    [const { [const { AtomicU64::new(0) }; 3] }; GENERATIONS];
static THRESHOLDS: [AtomicI32; 3] = [const { AtomicI32::new(0) }; 3];
static KNOWN: AtomicI32 = AtomicI32::new(0);

/// The numbers of the calling process.
pub fn counters() -> Counters {
    let generations = NUMBERS.each_ref().map(|numbers| {
        let [collections, nanoseconds, found] = numbers.each_ref().map(|n| n.load(Relaxed));
        Generation {
            collections,
            nanoseconds,
            found,
        }
    });
    Counters {
        generations,
        thresholds: known_thresholds(),
    }
}

/// The thresholds alone.
pub fn known_thresholds() -> Option<Thresholds> {
    let all = THRESHOLDS.each_ref().map(|n| n.load(Relaxed));
    let known = usize::try_from(KNOWN.load(Relaxed)).ok()?;
    Thresholds::new(all.get(..known)?)
}

/// A collection is over. One of a generation that is not known counts as one of the oldest.
pub(super) fn add(generation: usize, cost: Duration, found: u64) {
    let [collections, nanoseconds, all] = &NUMBERS[generation.min(GENERATIONS - 1)];
    collections.fetch_add(1, Relaxed);
    let cost = u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX);
    nanoseconds.fetch_add(cost, Relaxed);
    all.fetch_add(found, Relaxed);
}

/// These are in force now.
pub(super) fn know(thresholds: &Thresholds) {
    let values = thresholds.values();
    for (place, value) in THRESHOLDS.iter().zip(values) {
        place.store(*value, Relaxed);
    }
    KNOWN.store(values.len() as i32, Relaxed);
}

/// A process was forked: what its parent collected is not its own.
pub(super) fn reset() {
    for number in NUMBERS.iter().flatten() {
        number.store(0, Relaxed);
    }
}
