//! Samples: a look at some of the young objects before a full collection is paid for.

use super::{Full, Seen, ENOUGH, MUCH, NOTHING};
use crate::collector::young::OBJECT;

/// A sample is of so many objects at least, twice, and of those that so many requests left.
const SAMPLE: u64 = 2_500;
const SAMPLED_REQUESTS: u64 = 4;
/// It says something of so many times as many.
const SPEAKS_FOR: u64 = 4;

/// What is to be sampled before a full collection is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::collector) struct Wanted {
    /// So many of the oldest young objects, where all that dies late is dead, and as many that follow
    /// upon `skip`.
    pub(in crate::collector) objects: u64,
    /// Young objects that earlier samples spoke for, and half of the others: what is garbage only now may
    /// lie there.
    pub(in crate::collector) skip: u64,
}

impl Full {
    /// How many times what is allowed there must be for the next full collection, or sample: twice as
    /// much as at a sample that found nothing, but no more than [`ENOUGH`] are added, or half.
    pub(super) fn next(&self) -> f64 {
        let sampled = self.sampled.0;
        let more = sampled.min(ENOUGH.max(sampled / 2.0));
        sampled + more.max(1.0)
    }

    /// Should a sample tell whether there is something to find? Not where much was found the last time,
    /// where a full collection does not cost more than its share or looks at little more than a sample,
    /// or where few objects hold the memory that came.
    pub(super) fn sample_wanted(&self, now: &Seen) -> Option<Wanted> {
        let came = self.came(now.young);
        let served = now.requests.saturating_sub(self.last.requests).max(1);
        let objects = SAMPLE.max(came / served * SAMPLED_REQUESTS);
        let speaks = now.young >= objects * 2 * SPEAKS_FOR && now.young >= came / SPEAKS_FOR;
        let is_of_objects = self.grown(now) <= came * OBJECT * 2;
        let is_dear = !self.found_much && !self.is_affordable(now.at, now.young, 1.0);
        (speaks && is_of_objects && is_dear).then_some(Wanted {
            objects,
            skip: (now.young + self.sampled.1) / 2,
        })
    }

    /// A sample was taken: is a full collection to run? Where next to nothing was found it is put off,
    /// where much was it is not, and otherwise it runs if it pays, as where no sample could be had.
    pub(in crate::collector) fn sampled(&mut self, looked_at: u64, found: u64, now: &Seen) -> bool {
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
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{
            tests::{fresh, seen, MB},
            Due,
        },
        *,
    };

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
        assert_eq!(full.due(&now), sample(50_000));
        assert!(full.sampled(5_000, 1_000, &now), "much is found");
        assert!(full.sampled(5_000, 150, &now), "a little, and it pays");
        assert!(!full.sampled(5_000, 50, &now));
        assert_eq!(full.due(&now), Due::Nothing);
        // Twice as much is sampled again: the oldest, and some for which no sample spoke.
        let twice = Seen {
            young: 200_000,
            resident: 124 * MB,
            requests: 1_000,
            ..now
        };
        assert_eq!(full.due(&twice), sample(150_000));
        assert!(!full.sampled(5_000, 0, &twice));
        // At 9.5 times what is allowed, no more than eight times that are added.
        let more = |young| full.due(&Seen { young, ..twice });
        assert_eq!(more(360_000), Due::Nothing);
        assert_eq!(more(370_000), sample(285_000));
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
}
