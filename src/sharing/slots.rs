//! All slots of an instance, in memory shared by all: whoever is sampled writes its own, everybody reads.
//!
//! Nothing here allocates or locks.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use super::slot::{Sample, Slot, SLOT};

const MULES: usize = 128;
const SPOOLERS: usize = 64;

/// Whose slot it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// The master.
    Master,
    /// A worker, by its number from 1.
    Worker(usize),
    /// A mule, by its number from 1.
    Mule(usize),
    /// A spooler, by the number of its slot from 1.
    Spooler(usize),
}

impl Seat {
    /// What it is, in one word.
    pub fn role(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Worker(_) => "worker",
            Self::Mule(_) => "mule",
            Self::Spooler(_) => "spooler",
        }
    }

    /// Its number; 0 for the master.
    pub fn number(self) -> usize {
        match self {
            Self::Master => 0,
            Self::Worker(number) | Self::Mule(number) | Self::Spooler(number) => number,
        }
    }
}

/// All slots of an instance, and the sum over them.
#[derive(Debug)]
pub struct SlotTable {
    numbers: &'static [AtomicI64],
    workers: usize,
}

impl SlotTable {
    /// How many numbers a table for so many workers takes.
    pub fn size(workers: usize) -> usize {
        // The first slot holds the sum; the second is the master's.
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

    /// The slot of that process; none if its number is out of range.
    pub fn slot(&self, seat: Seat) -> Option<Slot> {
        let number = seat.number();
        let index = match seat {
            Seat::Master => 0,
            Seat::Worker(_) if (1..=self.workers).contains(&number) => number,
            Seat::Mule(_) if (1..=MULES).contains(&number) => self.workers + number,
            Seat::Spooler(_) if (1..=SPOOLERS).contains(&number) => self.workers + MULES + number,
            _ => return None,
        };
        let start = (1 + index) * SLOT;
        self.numbers.get(start..start + SLOT).map(Slot)
    }

    /// A slot for a spooler, which has no number of its own; from now on it is that process's.
    pub fn claim_spooler(&self, pid: i32, is_there: impl Fn(i32) -> bool) -> Option<Seat> {
        let seats = (1..=SPOOLERS).map(Seat::Spooler);
        seats
            .filter_map(|seat| Some((seat, self.slot(seat)?)))
            .find(|(_, slot)| slot.claim(pid, &is_there))
            .map(|(seat, _)| seat)
    }

    /// Every slot, used or not: the master's, then workers', mules' and spoolers'.
    pub fn slots(&self) -> impl Iterator<Item = (Seat, Slot)> + '_ {
        let workers = (1..=self.workers).map(Seat::Worker);
        let (mules, spoolers) = (
            (1..=MULES).map(Seat::Mule),
            (1..=SPOOLERS).map(Seat::Spooler),
        );
        std::iter::once(Seat::Master)
            .chain(workers)
            .chain(mules)
            .chain(spoolers)
            .filter_map(|seat| Some((seat, self.slot(seat)?)))
    }

    /// The last sample of every process that has one.
    pub fn samples(&self) -> impl Iterator<Item = (Seat, Sample)> + '_ {
        self.slots()
            .filter_map(|(seat, slot)| Some((seat, slot.read()?)))
    }

    /// Clears the slots of processes that are gone and adds the others' PSS up.
    pub fn sweep(&self, is_there: impl Fn(i32) -> bool) {
        let mut sum = 0;
        for (_, slot) in self.slots() {
            let Some(sample) = slot.read() else { continue };
            if is_there(sample.pid) {
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
            pss,
            ksm: 7,
            at: 1234,
        }
    }

    #[test]
    fn what_is_written_is_read_and_watched() {
        let table = empty(2);
        let slot = table.slot(Seat::Worker(2)).unwrap();
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
        assert_eq!(all, [(Seat::Worker(2), sample(77, 60))]);
    }

    #[test]
    fn every_seat_has_a_slot_of_its_own() {
        let table = empty(3);
        let slots: Vec<_> = table.slots().collect();
        assert_eq!(slots.len(), 1 + 3 + MULES + SPOOLERS);
        for (i, (_, slot)) in slots.iter().enumerate() {
            slot.write(&sample(i as i32 + 1, 0));
        }
        for (i, (seat, slot)) in slots.iter().enumerate() {
            assert_eq!(slot.read().unwrap().pid, i as i32 + 1, "{seat:?}");
        }
        assert!(table.slot(Seat::Worker(0)).is_none());
        assert!(table.slot(Seat::Worker(4)).is_none());
        assert!(table.slot(Seat::Mule(MULES + 1)).is_none());
        assert!(table.slot(Seat::Spooler(SPOOLERS + 1)).is_none());
        assert_eq!(table.total_pss().load(Relaxed), 0);
    }

    #[test]
    fn a_sweep_clears_who_is_gone_and_adds_the_others_up() {
        let table = empty(2);
        let slot = |seat| table.slot(seat).unwrap();
        slot(Seat::Master).write(&sample(1, 100));
        slot(Seat::Worker(1)).write(&sample(2, 20));
        slot(Seat::Worker(2)).write(&sample(3, 3));
        slot(Seat::Mule(1)).write(&sample(4, 1000));
        table.sweep(|pid| pid != 2);
        assert_eq!(table.total_pss().load(Relaxed), 1103);
        assert_eq!(slot(Seat::Worker(1)).read(), None);
        assert_eq!(slot(Seat::Worker(1)).gauge(Gauge::Shared).load(Relaxed), 0);
        assert_eq!(table.samples().count(), 3);
    }

    #[test]
    fn the_last_exit_outlives_its_process() {
        let table = empty(1);
        let slot = table.slot(Seat::Worker(1)).unwrap();
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
        assert_eq!(table.claim_spooler(5, |_| true), Some(Seat::Spooler(1)));
        assert_eq!(table.claim_spooler(6, |_| true), Some(Seat::Spooler(2)));
        assert_eq!(
            table.claim_spooler(7, |pid| pid != 5),
            Some(Seat::Spooler(1))
        );
    }
}
