//! Full collections between requests: one that is due runs when the answer is sent.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{
    full::{Due, Seen, Wanted},
    pacing::{self, in_force, set_thresholds, state, Paced, State, LOOK_AT_ONCE, PACED},
    theirs::without_ours,
};
use crate::{
    config::Thresholds,
    linux::{clock, sockets, statm, usage},
    python::{
        gc::Collector,
        gc_callbacks,
        interpreter::{Gil, Python},
        interpreters, sample,
    },
};

/// How long nothing is looked at after a request, in milliseconds: it takes some microseconds.
const LOOK: u64 = 10;
/// How long a measured private memory is good for, in milliseconds: it takes up to 3 ms to measure.
const MEASURE: u64 = 5_000;
/// When to look again, in milliseconds of the coarse clock.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A request is over, the answer is sent: a full collection runs now, if one is due.
///
/// To be called by a thread that may take the GIL.
pub fn request_done(python: &Python, requests: u64) {
    if !PACED.load(Relaxed) {
        return;
    }
    let now = milliseconds();
    if LOOK_AT_ONCE.swap(false, Relaxed) || now >= NEXT.load(Relaxed) {
        NEXT.store(now + LOOK, Relaxed);
        python.with_gil(|gil| look(gil, python, requests));
    }
}

fn milliseconds() -> u64 {
    u64::try_from(clock::coarse()).unwrap_or(0)
}

fn look(gil: &Gil<'_>, python: &Python, requests: u64) {
    let Some(now) = look_at(gil, python, requests) else {
        return;
    };
    // The state is not locked while this runs: every collection tells of itself.
    interpreters::each(gil, |gil, _| {
        if let Some(gc) = Collector::at_hand(gil) {
            gc.collect();
        }
    });
    let Some(mut state) = state() else { return };
    let Some(state) = state.as_mut() else { return };
    if let Some((found, cost)) = state.running.take() {
        let at = clock::process_cpu();
        state.full.collected(found, cost, Seen { at, ..now }, true);
        state.measure();
    }
}

/// What is seen now, if a full collection is to run.
fn look_at(gil: &Gil<'_>, python: &Python, requests: u64) -> Option<Seen> {
    let mut state = state()?;
    let paced = state.as_mut()?;
    paced.requests = requests;
    if let Some(why) = paced.over(gil) {
        log::info!("{why}: pycow-gc-threshold = auto ends in this worker");
        let paced = state.take()?;
        pacing::end(paced.own);
        drop(state);
        paced.give_back(gil);
        return None;
    }
    if paced.full.is_stale() {
        paced.measure();
    }
    let mut now = Seen {
        resident: statm::resident()?,
        at: clock::process_cpu(),
        requests,
        young: 0,
    };
    interpreters::each(gil, |gil, _| {
        now.young += Collector::at_hand(gil).map_or(0, |gc| gc.young().unwrap_or(0));
    });
    let runs = match paced.full.due(&now) {
        Due::Nothing => false,
        Due::Sample(wanted) => paced.sample(gil, python, wanted, &now),
        Due::Collection => true,
    };
    if !runs {
        return None;
    }
    if sockets::connection_waits(&paced.sockets) && paced.full.put_off() {
        LOOK_AT_ONCE.store(true, Relaxed);
        return None;
    }
    paced.running = Some((0, Duration::ZERO));
    Some(now)
}

impl State {
    /// Takes a sample of young objects: is a full collection to run?
    fn sample(&mut self, gil: &Gil<'_>, python: &Python, wanted: Wanted, now: &Seen) -> bool {
        let (mut looked_at, mut found) = (0, 0);
        interpreters::each(gil, |gil, _| {
            let young = Collector::at_hand(gil).and_then(|gc| gc.young().ok());
            if young.is_some_and(|young| young >= wanted.objects + wanted.skip) {
                let seen = sample::of_young(gil, python, wanted.objects, wanted.skip);
                let seen = seen.unwrap_or_default();
                looked_at += seen.looked_at;
                found += seen.garbage;
            }
        });
        let runs = self.full.sampled(looked_at, found, now);
        if !runs && looked_at > 0 {
            interpreters::each(gil, |gil, _| self.spare(gil, now.young));
        }
        runs
    }

    /// So many young objects are left alone in the current interpreter.
    fn spare(&mut self, gil: &Gil<'_>, objects: u64) {
        let Ok(Some(number)) = gc_callbacks::watched(gil) else {
            return;
        };
        let now = in_force(gil);
        let ours = |paced: &Paced| now == Some(paced.set);
        if let Some(mut paced) = self.young[number].filter(ours) {
            paced.young.spare(objects);
            self.set(gil, number, &mut paced);
            self.young[number] = Some(paced);
        }
    }

    /// What a full collection left.
    fn measure(&mut self) {
        let now = milliseconds();
        if now >= self.measured + MEASURE {
            self.measured = now;
            self.full
                .measured(usage::own().map_or(0, |usage| usage.private));
        }
        self.full.left(statm::resident().unwrap_or(0));
    }

    /// Why this process is not to be paced any more.
    fn over(&self, gil: &Gil<'_>) -> Option<String> {
        let set = |theirs: &Thresholds| {
            format!("the application set the collector's thresholds to {theirs}")
        };
        if let Some(theirs) = &self.theirs {
            return Some(set(theirs));
        }
        if !matches!(gc_callbacks::watched(gil), Ok(Some(_))) {
            return Some("the application emptied gc.callbacks".into());
        }
        let ours = self.young[0]?.set;
        let now = in_force(gil)?;
        let theirs = without_ours(now, Some(ours), self.own);
        (now != ours).then(|| Thresholds::new(&theirs).map(|theirs| set(&theirs)))?
    }

    /// CPython's own thresholds, wherever ours are still in force.
    fn give_back(&self, gil: &Gil<'_>) {
        interpreters::each(gil, |gil, is_main| {
            let Some(now) = in_force(gil) else { return };
            let is_ours = self.young.iter().flatten().any(|paced| paced.set == now);
            let values = if is_ours {
                self.own
            } else {
                let number = gc_callbacks::watched(gil).ok().flatten();
                let set = number.and_then(|number| Some(self.young[number]?.set));
                without_ours(now, set, self.own)
            };
            if values != now || is_main {
                set_thresholds(gil, usize::from(!is_main), values);
            }
        });
    }
}
