//! The pace of full collections: when one is due in this process.
//!
//! Garbage that survived young collections waits for a full one. It can be no more than what came
//! since the last: counted as objects that survived, and seen as memory that the process holds. A
//! full collection is wanted when that may be as much as is allowed. It is due if the last one found
//! much, or if another is affordable; the more there may be to find, the more is. Before one that costs
//! more than its share a sample is taken: if that finds nothing, the full collection is put off.

use std::time::Duration;

use super::young::OBJECT;

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
/// A sample is of so many objects at least, twice, and of those that so many requests left.
const SAMPLE: u64 = 2_500;
const SAMPLED_REQUESTS: u64 = 4;
/// It says something of so many times as many.
const SPEAKS_FOR: u64 = 4;
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

/// What is to be sampled before a full collection is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// So many of the oldest young objects, and as many that follow upon the others.
    pub(super) objects: u64,
    /// Young objects that earlier samples spoke for.
    pub(super) skip: u64,
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

    /// How many times what is allowed there must be for the next full collection, or sample: twice as
    /// much as at a sample that found nothing, but no more than [`ENOUGH`] are added, or half.
    fn next(&self) -> f64 {
        let sampled = self.sampled.0;
        let more = sampled.min(ENOUGH.max(sampled / 2.0));
        sampled + more.max(1.0)
    }

    fn grown(&self, now: &Seen) -> u64 {
        now.resident.saturating_sub(self.last.resident)
    }

    fn times_with_growth(&self, now: &Seen) -> f64 {
        let grown = self.grown(now) as f64 / self.allowed() as f64;
        self.times(now.young).max(grown)
    }

    /// Should a sample tell whether there is something to find? Not where much was found the last time,
    /// where a full collection does not cost more than its share or looks at little more than a sample,
    /// or where few objects hold the memory that came.
    fn sample_wanted(&self, now: &Seen) -> Option<Wanted> {
        let came = self.came(now.young);
        let served = now.requests.saturating_sub(self.last.requests).max(1);
        let objects = SAMPLE.max(came / served * SAMPLED_REQUESTS);
        let speaks = now.young >= objects * 2 * SPEAKS_FOR && now.young >= came / SPEAKS_FOR;
        let is_of_objects = self.grown(now) <= came * OBJECT * 2;
        let is_dear = !self.found_much && !self.is_affordable(now.at, now.young, 1.0);
        (speaks && is_of_objects && is_dear).then_some(Wanted {
            objects,
            skip: self.sampled.1,
        })
    }

    /// A sample was taken: is a full collection to run? Where next to nothing was found it is put off,
    /// where much was it is not, and otherwise it runs if it pays, as where no sample could be had.
    pub(super) fn sampled(&mut self, looked_at: u64, found: u64, now: &Seen) -> bool {
        let share = |part: f64| looked_at as f64 * part;
        let runs = match found as f64 {
            _ if looked_at == 0 => return self.pays(now),
            found if found < share(NOTHING) => false,
            found => found >= share(MUCH) || self.pays(now),
        };
        if !runs {
            self.sampled = (self.times_with_growth(now), now.young);
        }
        runs
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
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn seen(resident: u64, milliseconds: u64, requests: u64) -> Seen {
        Seen {
            resident,
            at: Duration::from_millis(milliseconds),
            requests,
            young: 500,
        }
    }

    /// A full collection is due, or would be if there were no samples.
    fn is_due(full: &Full, now: &Seen) -> bool {
        match full.due(now) {
            Due::Nothing => false,
            Due::Sample(_) => full.pays(now),
            Due::Collection => true,
        }
    }

    fn fresh() -> Full {
        Full::new(seen(100 * MB, 0, 0))
    }

    #[test]
    fn nothing_is_due_where_nothing_grows() {
        let mut full = fresh();
        full.survived(5_000);
        assert!(!is_due(&full, &seen(103 * MB, 60_000, 10_000)));
    }

    #[test]
    fn survivors_and_memory_make_it_due() {
        let mut full = fresh();
        assert!(is_due(&full, &seen(104 * MB, 60_000, 1)));
        full.survived(4 * MB / OBJECT);
        assert!(is_due(&full, &seen(100 * MB, 60_000, 1)));
        // A tenth of what the process has for itself is allowed, too.
        full.measured(200 * MB);
        assert!(!is_due(&full, &seen(119 * MB, 60_000, 1)));
        assert!(is_due(&full, &seen(120 * MB, 60_000, 1)));
    }

    #[test]
    fn where_little_is_found_it_takes_half_a_percent_at_most() {
        let mut full = fresh();
        full.survived(199_500);
        let cost = Duration::from_millis(20);
        full.collected(10_000, cost, seen(110 * MB, 1_000, 10), true);
        full.survived(20_500);
        // 211,000 objects of 100 ns: 21.1 ms, or 4.2 s of work for one of them in 200.
        let grown = |megabytes, milliseconds| seen(megabytes * MB, milliseconds, 20);
        assert!(!is_due(&full, &grown(114, 4_900)));
        assert!(is_due(&full, &grown(114, 5_230)));
        // The more there may be, the more it may cost: four times as much for twice as much.
        assert!(!is_due(&full, &grown(118, 2_000)));
        assert!(is_due(&full, &grown(118, 2_060)));
        assert!(is_due(&full, &grown(142, 1_001)), "whatever it costs");
        // Where nothing was found, only twice as much.
        full.found_nothing = true;
        assert!(!is_due(&full, &grown(118, 3_100)));
        assert!(is_due(&full, &grown(118, 3_120)));
    }

    #[test]
    fn without_an_end_of_a_request_twice_as_much_is_too_much() {
        let mut full = fresh();
        full.survived(20_972);
        assert!(full.is_wanted() && !full.is_overdue(Duration::from_secs(60)));
        full.survived(20_972);
        assert!(full.is_overdue(Duration::from_secs(60)));
        assert!(
            !full.is_overdue(Duration::from_millis(10)),
            "it costs too much yet"
        );
    }

    #[test]
    fn where_much_is_found_memory_alone_decides() {
        let mut full = fresh();
        let cost = Duration::from_millis(50);
        full.survived(20_000);
        full.collected(15_000, cost, seen(104 * MB, 1_000, 40), true);
        assert!(is_due(&full, &seen(108 * MB, 1_001, 41)));
        // The garbage may fill what the last collection freed: nothing grows, but time has come.
        assert!(!is_due(&full, &seen(104 * MB, 1_001, 79)));
        assert!(is_due(&full, &seen(104 * MB, 1_001, 80)));
    }

    #[test]
    fn few_large_objects_are_much_if_little_else_came() {
        let mut full = fresh();
        full.collected(400, Duration::from_millis(2), seen(101 * MB, 10, 40), true);
        assert!(is_due(&full, &seen(105 * MB, 11, 41)));
    }

    #[test]
    fn one_inside_a_request_leaves_the_memory_to_be_measured() {
        let mut full = fresh();
        full.collected(0, Duration::ZERO, seen(0, 10, 40), false);
        assert!(full.is_stale());
        full.left(120 * MB);
        assert!(!full.is_stale() && !is_due(&full, &seen(123 * MB, 11, 41)));
    }

    /// A worker that found nothing among 25,000 objects, and to which 100,000 young ones came since.
    fn growing() -> (Full, Seen) {
        let mut full = fresh();
        full.survived(24_500);
        full.collected(0, Duration::from_millis(10), seen(100 * MB, 100, 25), true);
        let mut now = seen(112 * MB, 3_000, 225);
        now.young = 100_000;
        (full, now)
    }

    #[test]
    fn a_dear_one_is_sampled_for_and_put_off_where_that_finds_nothing() {
        let (mut full, now) = growing();
        let sample = |skip| {
            let objects = SAMPLE;
            Due::Sample(Wanted { objects, skip })
        };
        assert_eq!(full.due(&now), sample(0));
        assert!(full.sampled(5_000, 1_000, &now), "much is found");
        assert!(full.sampled(5_000, 150, &now), "a little, and it pays");
        assert!(!full.sampled(5_000, 50, &now));
        assert_eq!(full.due(&now), Due::Nothing);
        // Twice as much is sampled again: the oldest, and those that the first sample did not speak for.
        let twice = Seen {
            young: 200_000,
            resident: 124 * MB,
            requests: 1_000,
            ..now
        };
        assert_eq!(full.due(&twice), sample(100_000));
        assert!(!full.sampled(5_000, 0, &twice));
        // At 9.5 times what is allowed, no more than eight times that are added.
        let more = |young| full.due(&Seen { young, ..twice });
        assert_eq!(more(360_000), Due::Nothing);
        assert_eq!(more(370_000), sample(200_000));
        full.collected(0, Duration::from_millis(90), twice, true);
        assert_eq!((full.sampled, full.next()), ((0.0, 0), 1.0));
    }

    #[test]
    fn where_no_sample_can_be_had_or_little_is_found_it_is_to_pay() {
        let (mut full, mut now) = growing();
        assert!(full.sampled(0, 0, &now));
        now.at = Duration::from_millis(200);
        assert!(!full.sampled(0, 0, &now) && full.sampled.1 == 0);
        assert!(full.sampled(5_000, 1_000, &now));
        assert!(!full.sampled(5_000, 150, &now) && full.sampled.1 == now.young);
    }

    #[test]
    fn no_sample_is_taken_where_it_says_nothing_or_saves_nothing() {
        let (full, now) = growing();
        let wanted = |change: fn(&mut Full, &mut Seen)| {
            let (mut full, mut now) = (full, now);
            change(&mut full, &mut now);
            matches!(full.due(&now), Due::Sample(_))
        };
        assert!(wanted(|_, _| {}));
        assert!(!wanted(|full, _| full.found_much = true));
        assert!(!wanted(|_, now| now.at = Duration::from_secs(60)), "cheap");
        assert!(!wanted(|_, now| now.young = 19_000), "few");
        assert!(!wanted(|_, now| now.requests = 35), "10,000 a request");
        assert!(!wanted(|_, now| now.resident = 150 * MB), "large ones");
        assert!(!wanted(|full, _| full.survived(350_000)), "old ones");
    }

    #[test]
    fn patience_ends() {
        let mut full = fresh();
        assert_eq!(
            (0..10).filter(|_| full.put_off()).count(),
            PATIENCE as usize
        );
    }
}
