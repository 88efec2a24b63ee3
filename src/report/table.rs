//! One slot a process, in memory shared by all: whoever is sampled writes its own, everybody reads.
//!
//! A number is written at once, a slot is not: a reader may meet the numbers of two samples in one
//! slot. Nothing here allocates or locks.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Numbers a slot: 128 bytes, so that no two processes write into one cache line.
const SLOT: usize = 16;
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

/// What is measured of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Its process id.
    pub pid: i32,
    /// Requests that it served.
    pub requests: u64,
    /// Shared right after its fork, in bytes; 0 for a process that nobody forked.
    pub inherited: u64,
    /// Shared, in bytes.
    pub shared: u64,
    /// Private, in bytes.
    pub private: u64,
    /// Proportional set size, in bytes.
    pub pss: u64,
    /// Merged by ksmd, in bytes.
    pub ksm: u64,
    /// When, in milliseconds of a clock that all processes share.
    pub at: i64,
}

/// The numbers of a slot that other code may watch in place, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gauge {
    /// [`Sample::shared`]
    Shared = 2,
    /// [`Sample::private`]
    Private = 3,
    /// [`Sample::pss`]
    Pss = 4,
    /// [`Sample::inherited`]
    Inherited = 5,
    /// [`Sample::ksm`]
    Ksm = 6,
}

const PID: usize = 0;
const REQUESTS: usize = 1;
const AT: usize = 7;
/// The last exit's hooks, in microseconds; 0: none yet. Stays when the slot is cleared.
const HOOKS: usize = 8;
/// What `HOOKS` is to be if the process, which is leaving, never gets to tell.
const HOOKS_AT_WORST: usize = 9;

/// One process's place.
#[derive(Clone, Copy, Debug)]
pub struct Slot(&'static [AtomicI64]);

impl Slot {
    /// A number to be watched in place.
    pub fn gauge(self, gauge: Gauge) -> &'static AtomicI64 {
        &self.0[gauge as usize]
    }

    /// The last sample of the process that sits here, if there is one.
    pub fn read(self) -> Option<Sample> {
        let pid = self.pid();
        (pid > 0).then(|| Sample {
            pid,
            requests: self.number(REQUESTS),
            inherited: self.number(Gauge::Inherited as usize),
            shared: self.number(Gauge::Shared as usize),
            private: self.number(Gauge::Private as usize),
            pss: self.number(Gauge::Pss as usize),
            ksm: self.number(Gauge::Ksm as usize),
            at: self.0[AT].load(Relaxed),
        })
    }

    /// The process that sits here tells its numbers.
    pub fn write(self, sample: &Sample) {
        let store = |index: usize, number: u64| self.0[index].store(number as i64, Relaxed);
        store(REQUESTS, sample.requests);
        store(Gauge::Inherited as usize, sample.inherited);
        store(Gauge::Shared as usize, sample.shared);
        store(Gauge::Private as usize, sample.private);
        store(Gauge::Pss as usize, sample.pss);
        store(Gauge::Ksm as usize, sample.ksm);
        self.0[AT].store(sample.at, Relaxed);
        self.0[PID].store(sample.pid.into(), Relaxed);
    }

    /// Nobody sits here any more; what the last exit took stays.
    pub fn clear(self) {
        self.0[PID].store(0, Relaxed);
        self.forget();
    }

    /// The exit hooks begin; `at_worst` microseconds are told of them if they never end (0: nothing
    /// is).
    pub fn hooks_begin(self, at_worst: u64) {
        self.0[HOOKS_AT_WORST].store(at_worst as i64, Relaxed);
    }

    /// The exit hooks are over, after so many microseconds.
    pub fn hooks_over(self, took: u64) {
        self.0[HOOKS].store(took.max(1) as i64, Relaxed);
        self.0[HOOKS_AT_WORST].store(0, Relaxed);
    }

    /// What the hooks of the last exit took, in microseconds.
    pub fn hooks(self) -> Option<u64> {
        Some(self.number(HOOKS)).filter(|took| *took > 0)
    }

    fn pid(self) -> i32 {
        self.0[PID].load(Relaxed) as i32
    }

    fn number(self, index: usize) -> u64 {
        self.0[index].load(Relaxed) as u64
    }

    fn forget(self) {
        for number in &self.0[PID + 1..HOOKS] {
            number.store(0, Relaxed);
        }
        let unfinished = self.0[HOOKS_AT_WORST].swap(0, Relaxed);
        if unfinished > 0 {
            self.0[HOOKS].store(unfinished, Relaxed);
        }
    }

    /// Takes the slot for `pid` if it is free or its owner is gone.
    fn claim(self, pid: i32, is_there: impl Fn(i32) -> bool) -> bool {
        let owner = self.pid();
        let claimed = (owner == 0 || !is_there(owner)) && self.replace(owner, pid);
        if claimed {
            self.forget();
        }
        claimed
    }

    fn replace(self, owner: i32, by: i32) -> bool {
        self.0[PID]
            .compare_exchange(owner.into(), by.into(), Relaxed, Relaxed)
            .is_ok()
    }
}

/// All slots of an instance, and the sum over them.
#[derive(Debug)]
pub struct Table {
    numbers: &'static [AtomicI64],
    workers: usize,
}

impl Table {
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
pub(super) fn empty(workers: usize) -> Table {
    let numbers = (0..Table::size(workers)).map(|_| AtomicI64::new(0));
    Table::new(Vec::leak(numbers.collect()), workers)
}

#[cfg(test)]
mod tests {
    use super::*;

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
