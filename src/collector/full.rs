//! The pace of full collections: when one is due in this process.
//!
//! Garbage that survived young collections waits for a full one. It can be no more than what came
//! since the last: counted as objects that survived, and seen as memory that the process holds. A
//! full collection is wanted when that may be as much as is allowed. It is due if the last one found
//! much, or if another is affordable; the more there may be to find, the more is. Before one that costs
//! more than its share a sample is taken: if that finds nothing, the full collection is put off.

use std::time::Duration;

use super::young::OBJECT;

mod sampled;

pub(super) use sampled::Wanted;

/// What cyclic garbage may take: that many bytes, or that part of the private memory.
const ALLOWED: u64 = 4 << 20;
const ALLOWED_PART: u64 = 10;
/// CPU time that must pass for one of collections, where they find little: 1/200, or 0.5%.
const PAUSE: f64 = 200.0;
/// At so many times what is allowed the cost does not matter any more.
const ENOUGH: f64 = 8.0;
/// What a full collection takes for an object, until one was seen.
const OBJECT_TAKES: Duration = Duration::from_nanos(100);
/// Much is at least this share of what came since the last full collection.
const MUCH: f64 = 0.2;
/// Next to nothing is less than that share.
const NOTHING: f64 = 0.02;
/// How often one that is due is put off because a connection waits.
const PATIENCE: u32 = 8;

/// What can be asked of the process at the end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Resident memory, in bytes; 0 if it is not known.
    pub(super) resident: u64,
    /// CPU time of the process.
    pub(super) at: Duration,
    /// Requests that it has served.
    pub(super) requests: u64,
    /// Objects that no collection has looked at yet.
    pub(super) young: u64,
}

/// The pace of full collections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Full {
    /// Objects that survived young collections since the last full one, at most.
    survivors: u64,
    /// What was seen right after the last full collection.
    last: Seen,
    /// The last full collection was seen to the end, but not what the process held then.
    is_stale: bool,
    /// Objects that the last one left.
    objects: u64,
    /// What it took for an object that it looked at.
    object_takes: Duration,
    found_much: bool,
    found_nothing: bool,
    /// Requests between the last two, if the last found much: so many again will leave as much
    /// garbage, be it in memory that the process had already.
    rhythm: Option<u64>,
    /// Private memory of the process, in bytes, when it was last measured.
    private: u64,
    put_off: u32,
    /// How many times what is allowed there was when a sample last found nothing since the last full
    /// collection, and how many young objects.
    sampled: (f64, u64),
}

/// What is due at the end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Sample(Wanted),
    /// A full collection.
    Collection,
}

impl Full {
    /// A worker begins with a frozen heap: nothing is garbage yet.
    pub(super) fn new(now: Seen) -> Self {
        Self {
            survivors: 0,
            last: now,
            is_stale: false,
            objects: 0,
            object_takes: OBJECT_TAKES,
            found_much: false,
            found_nothing: false,
            rhythm: None,
            private: 0,
            put_off: 0,
            sampled: (0.0, 0),
        }
    }

    /// What cyclic garbage may take, in bytes.
    fn allowed(&self) -> u64 {
        (self.private / ALLOWED_PART).max(ALLOWED)
    }

    /// Objects survived a young collection.
    pub(super) fn survived(&mut self, objects: u64) {
        self.survivors = self.survivors.saturating_add(objects);
    }

    /// What was measured right after the last full collection is missing: it ran inside a request.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// The private memory was measured.
    pub(super) fn measured(&mut self, private: u64) {
        self.private = private;
    }

    /// The last full collection left so much resident. What came since the one before is private.
    pub(super) fn left(&mut self, resident: u64) {
        self.private += resident.saturating_sub(self.last.resident);
        self.last.resident = resident;
        self.is_stale = false;
    }

    /// A request is over: what is due?
    pub(super) fn due(&self, now: &Seen) -> Due {
        let served = now.requests.saturating_sub(self.last.requests);
        if self.rhythm.is_some_and(|requests| served >= requests) {
            return Due::Collection;
        }
        if self.times_with_growth(now) < self.next() {
            return Due::Nothing;
        }
        match self.sample_wanted(now) {
            Some(sample) => Due::Sample(sample),
            None if self.pays(now) => Due::Collection,
            None => Due::Nothing,
        }
    }

    /// A full collection is worth its time now.
    fn pays(&self, now: &Seen) -> bool {
        self.is_worthwhile(now.at, now.young, self.times_with_growth(now))
    }

    fn grown(&self, now: &Seen) -> u64 {
        now.resident.saturating_sub(self.last.resident)
    }

    fn times_with_growth(&self, now: &Seen) -> f64 {
        let grown = self.grown(now) as f64 / self.allowed() as f64;
        self.times(now.young).max(grown)
    }

    /// So many objects came that their garbage may take what is allowed.
    pub(super) fn is_wanted(&self) -> bool {
        self.times(0) >= self.next()
    }

    /// Objects that came since the last full collection, at most.
    fn came(&self, young: u64) -> u64 {
        self.survivors.saturating_add(young)
    }

    /// How many times what is allowed these may take.
    fn times(&self, young: u64) -> f64 {
        self.came(young) as f64 * OBJECT as f64 / self.allowed() as f64
    }

    /// One that is due is put off while a connection waits, for some requests.
    pub(super) fn put_off(&mut self) -> bool {
        self.put_off += 1;
        self.put_off <= PATIENCE
    }

    /// Twice as much as is allowed has come and no request was over meanwhile: the interpreter is to
    /// collect by itself.
    pub(super) fn is_overdue(&self, at: Duration) -> bool {
        let times = self.times(0) / 2.0;
        times >= self.next() && self.is_worthwhile(at, 0, times)
    }

    /// The last one found much, or another is affordable. The more there may be to find, the more it
    /// may cost; less so where nothing was found.
    fn is_worthwhile(&self, at: Duration, young: u64, times: f64) -> bool {
        let pressure = if self.found_nothing {
            times
        } else {
            times * times
        };
        self.found_much || times >= ENOUGH || self.is_affordable(at, young, pressure)
    }

    /// So much CPU time has passed that another one takes its share of it, times `pressure`.
    fn is_affordable(&self, at: Duration, young: u64, pressure: f64) -> bool {
        // A child of the process begins at 0 again.
        let passed = at.checked_sub(self.last.at).unwrap_or(at);
        let takes = self.object_takes.as_secs_f64() * (self.objects + self.came(young)) as f64;
        passed.as_secs_f64() >= takes * PAUSE / pressure
    }

    /// A full collection found so many objects and took so long; `now` is what was seen before it,
    /// but for what it left resident. With `by_us` it ran between two requests.
    pub(super) fn collected(&mut self, found: u64, cost: Duration, now: Seen, by_us: bool) {
        let came = self.came(now.young).max(1);
        let looked_at = (self.objects + came).max(found);
        self.objects = looked_at - found;
        self.object_takes = cost.div_f64(looked_at as f64);
        self.found_much = found as f64 >= came as f64 * MUCH;
        let served = now.requests.saturating_sub(self.last.requests).max(1);
        self.found_nothing = (found as f64) < came as f64 * NOTHING;
        self.rhythm = (self.found_much && by_us).then_some(served);
        self.survivors = 0;
        self.last = now;
        self.is_stale = !by_us;
        self.put_off = 0;
        self.sampled = (0.0, 0);
    }
}

#[cfg(test)]
mod tests;
