//! All slots of an instance, in memory shared by all: whoever is sampled writes its own, everybody reads.
//!
//! Nothing here allocates or locks.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use super::slot::{Sample, Slot, SLOT};
use crate::plugin::Role;

const MULES: usize = 128;
const SPOOLERS: usize = 64;

/// All slots of an instance, and what is true of all of it.
#[derive(Debug)]
pub struct SlotTable {
    numbers: &'static [AtomicI64],
    workers: usize,
}

impl SlotTable {
    /// How many numbers a table for so many workers takes.
    pub fn size(workers: usize) -> usize {
        // The first slot holds what is true of the whole instance; the second is the master's.
        (2 + workers + MULES + SPOOLERS) * SLOT
    }

    /// A table of [`size`](Self::size) numbers, all 0.
    pub fn new(numbers: &'static [AtomicI64], workers: usize) -> Self {
        assert_eq!(numbers.len(), Self::size(workers));
        Self { numbers, workers }
    }

    /// The sum of PSS over all processes of the instance, in bytes.
    pub fn total_pss(&self) -> &'static AtomicI64 {
        &self.numbers[0]
    }

    /// So many preloaded objects left the collector's sight, so many were made immortal; with `lazy-apps` in
    /// the worker that loaded last.
    pub fn tell_objects(&self, frozen: u64, immortal: u64) {
        // The sum's slot has room.
        self.numbers[2].store(frozen as i64, Relaxed);
        self.numbers[3].store(immortal as i64, Relaxed);
    }

    /// See [`SlotTable::tell_objects`].
    pub fn objects(&self) -> [u64; 2] {
        [2, 3].map(|index| self.numbers[index].load(Relaxed) as u64)
    }

    /// Nobody in the instance has said that yet, and from now on somebody has: one of 64 things.
    pub fn is_first_to_say(&self, thing: u32) -> bool {
        let bit = 1i64 << (thing % 64);
        self.numbers[1].fetch_or(bit, Relaxed) & bit == 0
    }

    /// The slot of that process; none if its number is out of range.
    pub fn slot(&self, role: Role) -> Option<Slot> {
        let number = usize::try_from(role.number()).ok()?;
        let index = match role {
            Role::Master => 0,
            Role::Worker(_) if (1..=self.workers).contains(&number) => number,
            Role::Mule(_) if (1..=MULES).contains(&number) => self.workers + number,
            Role::Spooler(_) if (1..=SPOOLERS).contains(&number) => self.workers + MULES + number,
            _ => return None,
        };
        let start = (1 + index) * SLOT;
        self.numbers.get(start..start + SLOT).map(Slot)
    }

    /// A slot for a spooler, which has no number of its own; from now on it is that process's.
    pub fn claim_spooler(&self, pid: i32, is_alive: impl Fn(i32) -> bool) -> Option<i32> {
        let mut numbers = 1..=SPOOLERS as i32;
        numbers.find(|number| {
            let slot = self.slot(Role::Spooler(*number));
            slot.is_some_and(|slot| slot.claim(pid, &is_alive))
        })
    }

    /// Every slot, used or not: the master's, then workers', mules' and spoolers'.
    pub fn slots(&self) -> impl Iterator<Item = (Role, Slot)> + '_ {
        let workers = (1..=self.workers as i32).map(Role::Worker);
        let (mules, spoolers) = (
            (1..=MULES as i32).map(Role::Mule),
            (1..=SPOOLERS as i32).map(Role::Spooler),
        );
        std::iter::once(Role::Master)
            .chain(workers)
            .chain(mules)
            .chain(spoolers)
            .filter_map(|role| Some((role, self.slot(role)?)))
    }

    /// The last sample of every process that has one.
    pub fn samples(&self) -> impl Iterator<Item = (Role, Sample)> + '_ {
        self.slots()
            .filter_map(|(role, slot)| Some((role, slot.read()?)))
    }

    /// Clears the slots of processes that are gone and adds the others' PSS up.
    pub fn sweep(&self, is_alive: impl Fn(i32) -> bool) {
        let mut sum = 0;
        for (_, slot) in self.slots() {
            let Some(sample) = slot.read() else { continue };
            if is_alive(sample.pid) {
                sum += sample.pss;
            } else if slot.replace(sample.pid, 0) {
                slot.forget();
            }
        }
        self.total_pss().store(sum as i64, Relaxed);
    }
}

#[cfg(test)]
pub(super) fn empty(workers: usize) -> SlotTable {
    let numbers = (0..SlotTable::size(workers)).map(|_| AtomicI64::new(0));
    SlotTable::new(Vec::leak(numbers.collect()), workers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sharing::slot::Gauge;

    fn sample(pid: i32, pss: u64) -> Sample {
        Sample {
            pid,
            requests: 3,
            inherited: 500,
            shared: 400,
            private: 30,
            copied: Some(20),
            pss,
            ksm: 7,
            at: 1234,
        }
    }

    #[test]
    fn what_is_written_is_read_and_watched() {
        let table = empty(2);
        let slot = table.slot(Role::Worker(2)).unwrap();
        assert_eq!(slot.read(), None);
        slot.write(&sample(77, 60));
        assert_eq!(slot.read(), Some(sample(77, 60)));
        let watched = [
            Gauge::Shared,
            Gauge::Private,
            Gauge::Pss,
            Gauge::Inherited,
            Gauge::Ksm,
        ]
        .map(|gauge| slot.gauge(gauge).load(Relaxed));
        assert_eq!(watched, [400, 30, 60, 500, 7]);
        let all: Vec<_> = table.samples().collect();
        assert_eq!(all, [(Role::Worker(2), sample(77, 60))]);
    }

    #[test]
    fn every_seat_has_a_slot_of_its_own() {
        let table = empty(3);
        let slots: Vec<_> = table.slots().collect();
        assert_eq!(slots.len(), 1 + 3 + MULES + SPOOLERS);
        for (i, (_, slot)) in slots.iter().enumerate() {
            slot.write(&sample(i as i32 + 1, 0));
        }
        for (i, (role, slot)) in slots.iter().enumerate() {
            assert_eq!(slot.read().unwrap().pid, i as i32 + 1, "{role:?}");
        }
        assert!(table.slot(Role::Worker(0)).is_none());
        assert!(table.slot(Role::Worker(4)).is_none());
        assert!(table.slot(Role::Mule(MULES as i32 + 1)).is_none());
        assert!(table.slot(Role::Spooler(SPOOLERS as i32 + 1)).is_none());
        assert_eq!(table.total_pss().load(Relaxed), 0);
    }

    #[test]
    fn a_sweep_clears_who_is_gone_and_adds_the_others_up() {
        let table = empty(2);
        let slot = |role| table.slot(role).unwrap();
        slot(Role::Master).write(&sample(1, 100));
        slot(Role::Worker(1)).write(&sample(2, 20));
        slot(Role::Worker(2)).write(&sample(3, 3));
        slot(Role::Mule(1)).write(&sample(4, 1000));
        table.sweep(|pid| pid != 2);
        assert_eq!(table.total_pss().load(Relaxed), 1103);
        assert_eq!(slot(Role::Worker(1)).read(), None);
        assert_eq!(slot(Role::Worker(1)).gauge(Gauge::Shared).load(Relaxed), 0);
        assert_eq!(table.samples().count(), 3);
    }

    #[test]
    fn each_thing_is_said_once() {
        let table = empty(1);
        let first = [0, 3, 0, 63, 3, 63].map(|thing| table.is_first_to_say(thing));
        assert_eq!(first, [true, true, false, true, false, false]);
        table.tell_objects(5, 7);
        assert_eq!(table.objects(), [5, 7]);
        assert_eq!(table.total_pss().load(Relaxed), 0);
    }

    #[test]
    fn the_last_exit_outlives_its_process() {
        let table = empty(1);
        let slot = table.slot(Role::Worker(1)).unwrap();
        assert_eq!(slot.hooks(), None);
        slot.write(&sample(2, 20));
        slot.hooks_begin(30_000_000);
        assert_eq!(slot.hooks(), None);
        slot.hooks_over(0);
        slot.clear();
        assert_eq!((slot.hooks(), slot.read()), (Some(1), None));
        // This one never comes back to tell.
        slot.write(&sample(3, 20));
        slot.hooks_begin(30_000_000);
        table.sweep(|_| false);
        assert_eq!(slot.hooks(), Some(30_000_000));
    }

    #[test]
    fn a_spooler_takes_a_free_place_or_one_of_the_gone() {
        let table = empty(1);
        assert_eq!(table.claim_spooler(5, |_| true), Some(1));
        assert_eq!(table.claim_spooler(6, |_| true), Some(2));
        assert_eq!(table.claim_spooler(7, |pid| pid != 5), Some(1));
    }
}
