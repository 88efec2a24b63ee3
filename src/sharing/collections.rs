//! What a process tells of its collector, and where that stands in its slot.

use std::sync::atomic::Ordering::Relaxed;

use super::slot::Slot;
use crate::{
    config::Thresholds,
    python::gc::{Generation, GENERATIONS},
};

/// The first of the numbers: how many thresholds are known, they, and three numbers a generation.
const START: usize = 10;
const NUMBERS: usize = START + 4;

/// What a process tells of its collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collections {
    /// The thresholds in force; `None` if they are not known.
    pub thresholds: Option<Thresholds>,
    /// Its collections since it was forked, by generation, youngest first.
    pub generations: [Generation; GENERATIONS],
}

impl Slot {
    /// The process that sits here tells of its collector.
    pub fn tell_collections(self, told: &Collections) {
        let thresholds = told.thresholds.as_ref().map_or(&[][..], |t| t.values());
        self.put(START, thresholds.len() as i64);
        for (i, threshold) in thresholds.iter().enumerate() {
            self.put(START + 1 + i, i64::from(*threshold));
        }
        for (i, one) in told.generations.iter().enumerate() {
            for (j, number) in [one.collections, one.nanoseconds, one.found]
                .iter()
                .enumerate()
            {
                self.put(NUMBERS + 3 * i + j, *number as i64);
            }
        }
    }

    /// What it told; all 0 if it did not yet.
    pub fn collections(self) -> Collections {
        let number = |index: usize| self.0[index].load(Relaxed);
        let values = [1, 2, 3].map(|i| number(START + i) as i32);
        let known = usize::try_from(number(START)).unwrap_or(0);
        let generation = |i: usize| {
            let [collections, nanoseconds, found] =
                [0, 1, 2].map(|j| number(NUMBERS + 3 * i + j) as u64);
            Generation {
                collections,
                nanoseconds,
                found,
            }
        };
        Collections {
            thresholds: values.get(..known).and_then(Thresholds::new),
            generations: [0, 1, 2].map(generation),
        }
    }

    fn put(self, index: usize, number: i64) {
        self.0[index].store(number, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plugin::Role, sharing::slots::empty};

    #[test]
    fn what_is_told_is_read_until_another_sits_there() {
        let table = empty(1);
        let slot = table.slot(Role::Worker(1)).unwrap();
        assert_eq!(slot.collections(), Collections::default());
        let generation = |n| Generation {
            collections: n,
            nanoseconds: n * 1000,
            found: n * 7,
        };
        let told = Collections {
            thresholds: Thresholds::new(&[700, -1, 10]),
            generations: [generation(3), generation(2), generation(1)],
        };
        slot.tell_collections(&told);
        assert_eq!(slot.collections(), told);
        slot.clear();
        assert_eq!(slot.collections(), Collections::default());
    }
}
