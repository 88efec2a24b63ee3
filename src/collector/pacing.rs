//! Collections paced by what they cost and find (`pycow-gc-threshold = auto`), and counted whatever
//! the policy.
//!
//! CPython tells of every collection through `gc.callbacks`; there young ones are paced ([`Young`]).
//! Full ones ([`Full`]) run when a request is over and its answer is sent: the interpreter runs one by
//! itself only where a request does not end.
//!
//! Statics, as CPython gives its callers no argument of ours. [`STATE`] is only used under the GIL and
//! never waited for: a process that an application forks inherits it unlocked.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        Mutex, MutexGuard, TryLockError,
    },
    time::Duration,
};

use super::{
    counters,
    full::{Full, Seen},
    young::Young,
};
use crate::{
    config::Thresholds,
    linux::{clock, sockets, statm, usage},
    python::{
        gc::{self, Collector},
        gc_callbacks::{self, Phase, INTERPRETERS},
        interpreter::{Gil, Python},
        interpreters,
    },
};

/// How long nothing is looked at after a request, in milliseconds: it takes some microseconds.
const LOOK: u64 = 10;
/// How long a measured private memory is good for, in milliseconds: it takes up to 3 ms to measure.
const MEASURE: u64 = 5_000;
/// A third threshold that is never reached.
const RARE: i32 = 100_000;

/// The thread's CPU time when the collection of an interpreter began, in nanoseconds.
static STARTED: [AtomicU64; INTERPRETERS] = [const { AtomicU64::new(0) }; INTERPRETERS];
/// This process is paced.
static PACED: AtomicBool = AtomicBool::new(false);
/// When to look again, in milliseconds of the coarse clock.
static NEXT: AtomicU64 = AtomicU64::new(0);
static STATE: Mutex<Option<State>> = Mutex::new(None);

struct State {
    /// CPython's own thresholds.
    own: [i32; 3],
    is_incremental: bool,
    /// By the number of the interpreter.
    young: [Option<Paced>; INTERPRETERS],
    full: Full,
    /// Listening sockets of uWSGI.
    sockets: Vec<i32>,
    requests: u64,
    /// When the private memory was measured, in milliseconds of the coarse clock.
    measured: u64,
    /// A collection of ours runs: what it has found so far, and its cost.
    running: Option<(u64, Duration)>,
    /// What an application set instead of ours.
    theirs: Option<Thresholds>,
}

/// An interpreter whose young collections are paced.
#[derive(Clone, Copy)]
struct Paced {
    young: Young,
    /// The thresholds that were last set here.
    set: [i32; 3],
}

fn state() -> Option<MutexGuard<'static, Option<State>>> {
    match STATE.try_lock() {
        Ok(state) => Some(state),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Has the collections of the current interpreter counted.
pub(super) fn watch(gil: &Gil<'_>, python: &'static Python) {
    match gc_callbacks::watch(gil, python, on_collection) {
        Ok(Some(_)) => {}
        Ok(None) => log::warn!("more than {INTERPRETERS} interpreters: not all are counted"),
        Err(raised) => log::warn!("gc.callbacks: {raised}: collections are not counted"),
    }
}

/// From now on this worker is paced, in every interpreter that is watched.
pub(super) fn begin(gil: &Gil<'_>, python: &Python, own: &Thresholds) {
    let Some(resident) = statm::resident() else {
        return log::warn!("pycow-gc-threshold = auto needs /proc: CPython's own are used");
    };
    let mut thresholds = [0; 3];
    for (place, value) in thresholds.iter_mut().zip(own.values()) {
        *place = *value;
    }
    let at = clock::process_cpu();
    let now = Seen {
        resident,
        at,
        requests: 0,
        young: 0,
    };
    let mut begun = State {
        own: thresholds,
        is_incremental: gc::is_incremental(python.version()),
        young: [None; INTERPRETERS],
        full: Full::new(now),
        sockets: sockets(gil),
        requests: 0,
        measured: 0,
        running: None,
        theirs: None,
    };
    interpreters::each(gil, |gil, _| {
        if let Ok(Some(number)) = gc_callbacks::watched(gil) {
            let young = Young::new(thresholds[0], at);
            let set = begun.thresholds(&young, at);
            if set_thresholds(gil, number, set) {
                begun.young[number] = Some(Paced { young, set });
            }
        }
    });
    if let Some(mut state) = state() {
        *state = Some(begun);
        PACED.store(true, Relaxed);
    }
}

/// The sockets that this worker accepts connections from; none if uWSGI does not say.
fn sockets(gil: &Gil<'_>) -> Vec<i32> {
    let list = gil
        .import(c"uwsgi")
        .and_then(|uwsgi| uwsgi.attribute(c"sockets"))
        .and_then(|list| gil.import(c"builtins")?.call_method(c"tuple", &[&list]));
    let items = list.map(|list| list.items()).unwrap_or_default();
    let numbers = items.iter().filter_map(|item| item.as_i64().ok());
    numbers.filter_map(|fd| i32::try_from(fd).ok()).collect()
}

impl State {
    /// What is to be in force, at that CPU time of the process.
    fn thresholds(&self, young: &Young, at: Duration) -> [i32; 3] {
        let first = young.first();
        if self.is_incremental {
            [first, self.own[1], self.own[2]]
        } else if self.full.is_overdue(at) {
            [first, 0, 0]
        } else {
            [first, young.second(self.own[1]), RARE]
        }
    }
}

fn set_thresholds(gil: &Gil<'_>, number: usize, values: [i32; 3]) -> bool {
    let set = Collector::at_hand(gil).is_some_and(|gc| gc.set_thresholds(&values).is_ok());
    if let Some(thresholds) = Thresholds::new(&values).filter(|_| set && number == 0) {
        counters::know(&thresholds);
    }
    set
}

/// CPython begins or ends a collection in that interpreter.
fn on_collection(gil: &Gil<'_>, number: usize, phase: Phase) {
    let now = clock::own_cpu();
    let Phase::Stop { generation, found } = phase else {
        let now = u64::try_from(now.as_nanos()).unwrap_or(0);
        return STARTED[number].store(now, Relaxed);
    };
    let cost = match STARTED[number].swap(0, Relaxed) {
        0 => Duration::ZERO, // it began before it was watched
        began => now.saturating_sub(Duration::from_nanos(began)),
    };
    counters::add(generation, cost, found);
    if PACED.load(Relaxed) {
        if let Some(mut state) = state() {
            if let Some(state) = state.as_mut() {
                state.pace(gil, number, generation, found, cost);
            }
        }
    }
}

impl State {
    fn pace(
        &mut self,
        gil: &Gil<'_>,
        number: usize,
        generation: usize,
        found: u64,
        cost: Duration,
    ) {
        let Some(mut paced) = self.young[number] else {
            return;
        };
        let at = clock::process_cpu();
        if generation < 2 {
            self.full.survived(paced.young.collected(found, cost, at));
            if self.full.is_wanted() {
                NEXT.store(0, Relaxed);
            }
        } else {
            paced.young.full_collected(at);
            self.full_collected(&paced, found, cost, at);
        }
        let in_force = Collector::at_hand(gil).and_then(|gc| gc.thresholds().ok());
        let theirs = in_force.filter(|values| values.as_slice() != paced.set);
        if let Some(theirs) = theirs {
            self.theirs = Thresholds::new(&theirs);
            self.young[number] = None;
            return;
        }
        let wanted = self.thresholds(&paced.young, at);
        if wanted != paced.set && set_thresholds(gil, number, wanted) {
            paced.set = wanted;
        }
        self.young[number] = Some(paced);
    }

    fn full_collected(&mut self, paced: &Paced, found: u64, cost: Duration, at: Duration) {
        if let Some((all, whole)) = &mut self.running {
            *all += found;
            *whole += cost;
            return;
        }
        let now = Seen {
            resident: 0,
            at,
            requests: self.requests,
            young: u64::try_from(paced.young.first()).unwrap_or(0),
        };
        self.full.collected(found, cost, now, false);
    }
}

/// A request is over, the answer is sent: a full collection runs now, if one is due.
///
/// To be called by a thread that may take the GIL.
pub fn request_done(python: &Python, requests: u64) {
    if !PACED.load(Relaxed) {
        return;
    }
    let now = milliseconds();
    if now >= NEXT.load(Relaxed) {
        NEXT.store(now + LOOK, Relaxed);
        python.with_gil(|gil| look(gil, requests));
    }
}

fn milliseconds() -> u64 {
    u64::try_from(clock::coarse()).unwrap_or(0)
}

fn look(gil: &Gil<'_>, requests: u64) {
    let Some(now) = look_at(gil, requests) else {
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
fn look_at(gil: &Gil<'_>, requests: u64) -> Option<Seen> {
    let mut state = state()?;
    let paced = state.as_mut()?;
    paced.requests = requests;
    if let Some(why) = paced.over(gil) {
        log::info!("{why}: pycow-gc-threshold = auto ends in this worker");
        PACED.store(false, Relaxed);
        let paced = state.take()?;
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
    if !paced.full.is_due(&now) {
        return None;
    }
    if sockets::connection_waits(&paced.sockets) && paced.full.put_off() {
        NEXT.store(0, Relaxed);
        return None;
    }
    paced.running = Some((0, Duration::ZERO));
    Some(now)
}

impl State {
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
        let set = |theirs| format!("the application set the collector's thresholds to {theirs}");
        if let Some(theirs) = &self.theirs {
            return Some(set(theirs));
        }
        if !matches!(gc_callbacks::watched(gil), Ok(Some(_))) {
            return Some("the application emptied gc.callbacks".into());
        }
        let ours = self.young[0]?.set;
        let now = super::thresholds(gil).ok()?;
        (now.values() != ours).then(|| set(&now))
    }

    /// CPython's own thresholds, wherever ours are still in force.
    fn give_back(&self, gil: &Gil<'_>) {
        interpreters::each(gil, |gil, is_main| {
            let Ok(now) = super::thresholds(gil) else {
                return;
            };
            let ours = self.young.iter().flatten();
            let ours = ours.map(|paced| paced.set);
            if ours.into_iter().any(|set| now.values() == set) {
                set_thresholds(gil, usize::from(!is_main), self.own);
            } else if is_main {
                counters::know(&now);
            }
        });
    }
}
