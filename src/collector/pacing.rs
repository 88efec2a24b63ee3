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
        Mutex, MutexGuard, OnceLock, TryLockError,
    },
    time::Duration,
};

use super::{
    counters,
    full::{Full, Seen},
    theirs::{times_rare, without_ours, RARE},
    young::Young,
};
use crate::{
    config::Thresholds,
    linux::{clock, statm},
    python::{
        gc::{self, Collector},
        gc_callbacks::{self, Phase, INTERPRETERS},
        interpreter::{Gil, Python},
        interpreters,
    },
};

/// The thread's CPU time when the collection of an interpreter began, in nanoseconds.
static STARTED: [AtomicU64; INTERPRETERS] = [const { AtomicU64::new(0) }; INTERPRETERS];
/// This process is paced.
pub(super) static PACED: AtomicBool = AtomicBool::new(false);
/// Much has survived: whoever looks at the end of requests is to look at once.
pub(super) static LOOK_AT_ONCE: AtomicBool = AtomicBool::new(false);
static STATE: Mutex<Option<State>> = Mutex::new(None);
/// CPython's own thresholds, in a process that is paced no more.
static ENDED: OnceLock<[i32; 3]> = OnceLock::new();

/// What is known of a paced process.
pub(super) struct State {
    /// CPython's own thresholds.
    pub(super) own: [i32; 3],
    is_incremental: bool,
    /// By the number of the interpreter.
    pub(super) young: [Option<Paced>; INTERPRETERS],
    pub(super) full: Full,
    /// Listening sockets of uWSGI.
    pub(super) sockets: Vec<i32>,
    pub(super) requests: u64,
    /// When the private memory was measured, in milliseconds of the coarse clock.
    pub(super) measured: u64,
    /// A collection of ours runs: what it has found so far, and its cost.
    pub(super) running: Option<(u64, Duration)>,
    /// What an application set instead of ours.
    pub(super) theirs: Option<Thresholds>,
}

/// An interpreter whose young collections are paced.
#[derive(Clone, Copy)]
pub(super) struct Paced {
    pub(super) young: Young,
    /// The thresholds that were last set here.
    pub(super) set: [i32; 3],
}

/// The state; `None` if it is in use, which is of no consequence: a look or a collection is missed.
pub(super) fn state() -> Option<MutexGuard<'static, Option<State>>> {
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
        return log::info!(
            "without /proc collections are not paced: CPython's own thresholds are used"
        );
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

/// Sets them in the current interpreter, whose number that is; whether it could be done.
pub(super) fn set_thresholds(gil: &Gil<'_>, number: usize, values: [i32; 3]) -> bool {
    let set = Collector::at_hand(gil).is_some_and(|gc| gc.set_thresholds(&values).is_ok());
    if let Some(thresholds) = Thresholds::new(&values).filter(|_| set && number == 0) {
        counters::know(&thresholds);
    }
    set
}

/// The thresholds of the current interpreter.
pub(super) fn in_force(gil: &Gil<'_>) -> Option<[i32; 3]> {
    let all = Collector::at_hand(gil)?.thresholds().ok()?;
    all.try_into().ok()
}

/// Nothing is paced in this process any more, whatever thresholds an application finds to put back.
pub(super) fn end(own: [i32; 3]) {
    PACED.store(false, Relaxed);
    ENDED.get_or_init(|| own);
}

/// See [`without_ours`], in a process that is paced no more.
fn clear(gil: &Gil<'_>, number: usize, own: [i32; 3]) {
    if let Some(now) = in_force(gil).filter(|now| times_rare(now[2]).is_some()) {
        set_thresholds(gil, number, without_ours(now, None, own));
    }
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
    } else if let Some(own) = ENDED.get() {
        clear(gil, number, *own);
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
                LOOK_AT_ONCE.store(true, Relaxed);
            }
        } else {
            paced.young.full_collected(found, at);
            self.full_collected(&paced, found, cost, at);
        }
        if let Some(now) = in_force(gil).filter(|now| *now != paced.set) {
            let theirs = without_ours(now, Some(paced.set), self.own);
            if theirs != now {
                set_thresholds(gil, number, theirs);
            }
            self.theirs = Thresholds::new(&theirs);
            self.young[number] = None;
            return;
        }
        self.set(gil, number, &mut paced);
        self.young[number] = Some(paced);
    }

    /// Sets what is to be in force, in the current interpreter.
    pub(super) fn set(&self, gil: &Gil<'_>, number: usize, paced: &mut Paced) {
        let wanted = self.thresholds(&paced.young, clock::process_cpu());
        if wanted != paced.set && set_thresholds(gil, number, wanted) {
            paced.set = wanted;
        }
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
