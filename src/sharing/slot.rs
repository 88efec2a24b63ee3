//! One process's place in the table: its last sample, and what its last exit took.
//!
//! A number is written at once, a slot is not: a reader may meet the numbers of two samples in one
//! slot. Nothing here allocates or locks.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use crate::linux::smaps::Usage;

/// Numbers a slot takes: 256 bytes, so that no two processes write into one cache line.
pub(super) const SLOT: usize = 32;

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
    /// Of that, inherited once, in bytes; none as long as it is not known.
    pub copied: Option<u64>,
    /// Proportional set size, in bytes.
    pub pss: u64,
    /// Merged by ksmd, in bytes.
    pub ksm: u64,
    /// When, in milliseconds of a clock that all processes share.
    pub at: i64,
}

impl Sample {
    /// Private memory by what made it so, as it is called where it is published; none as long as that is not
    /// known. They add up to it.
    pub fn causes(&self) -> Option<[(&'static str, u64); 2]> {
        let copied = self.copied?;
        Some([("copied", copied), ("new", self.private - copied)])
    }
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

/// Marks of immortal objects that were put back. Collections have the numbers before it.
const MOVED_MARKS: usize = 24;
/// [`Sample::copied`], plus 1; 0: not known.
const COPIED: usize = 25;

/// One process's place.
#[derive(Clone, Copy, Debug)]
pub struct Slot(pub(super) &'static [AtomicI64]);

impl Slot {
    /// A number to be watched in place.
    pub fn gauge(self, gauge: Gauge) -> &'static AtomicI64 {
        &self.0[gauge as usize]
    }

    /// The last sample of the process that sits here, if there is one.
    pub fn read(self) -> Option<Sample> {
        let pid = self.pid();
        let private = self.number(Gauge::Private as usize);
        // It is looked at less often than the sum.
        let copied = self.number(COPIED).checked_sub(1);
        (pid > 0).then(|| Sample {
            pid,
            requests: self.number(REQUESTS),
            inherited: self.number(Gauge::Inherited as usize),
            shared: self.number(Gauge::Shared as usize),
            private,
            copied: copied.map(|bytes| bytes.min(private)),
            pss: self.number(Gauge::Pss as usize),
            ksm: self.number(Gauge::Ksm as usize),
            at: self.0[AT].load(Relaxed),
        })
    }

    /// From now on that process sits here; `inherited` in bytes, `at` on the samples' clock.
    pub fn begin(self, pid: i32, inherited: u64, usage: &Usage, at: i64) {
        self.clear();
        self.store(Gauge::Inherited as usize, inherited);
        self.store_usage(usage, at);
        self.0[PID].store(pid.into(), Relaxed);
    }

    /// The memory of `pid` was measured; of no interest if another sits here by now.
    pub fn measured(self, pid: i32, usage: &Usage, at: i64) {
        if self.pid() == pid {
            self.store_usage(usage, at);
        }
    }

    /// `pid` has copied so many bytes; of no interest if another sits here by now.
    pub fn looked_at(self, pid: i32, copied: u64) {
        if self.pid() == pid {
            self.store(COPIED, copied + 1);
        }
    }

    /// So many marks of immortal objects had moved in the process that sits here.
    pub fn count_moved_marks(self, marks: u64) {
        self.store(MOVED_MARKS, marks);
    }

    /// See [`Slot::count_moved_marks`].
    pub fn moved_marks(self) -> u64 {
        self.number(MOVED_MARKS)
    }

    /// The process that sits here has served so many requests.
    pub fn count(self, requests: u64) {
        self.store(REQUESTS, requests);
    }

    fn store_usage(self, usage: &Usage, at: i64) {
        self.store(Gauge::Shared as usize, usage.shared);
        self.store(Gauge::Private as usize, usage.private);
        self.store(Gauge::Pss as usize, usage.pss);
        self.store(Gauge::Ksm as usize, usage.ksm);
        self.0[AT].store(at, Relaxed);
    }

    fn store(self, index: usize, number: u64) {
        self.0[index].store(number as i64, Relaxed);
    }

    /// All numbers of a sample at once.
    #[cfg(test)]
    pub fn write(self, sample: &Sample) {
        let usage = Usage {
            shared: sample.shared,
            private: sample.private,
            pss: sample.pss,
            ksm: sample.ksm,
        };
        self.begin(sample.pid, sample.inherited, &usage, sample.at);
        if let Some(bytes) = sample.copied {
            self.looked_at(sample.pid, bytes);
        }
        self.count(sample.requests);
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

    /// What its last owner told is gone with it.
    pub(super) fn forget(self) {
        for number in &self.0[PID + 1..HOOKS] {
            number.store(0, Relaxed);
        }
        for number in &self.0[HOOKS_AT_WORST + 1..] {
            number.store(0, Relaxed);
        }
        let unfinished = self.0[HOOKS_AT_WORST].swap(0, Relaxed);
        if unfinished > 0 {
            self.0[HOOKS].store(unfinished, Relaxed);
        }
    }

    /// Takes the slot for `pid` if it is free or its owner is gone.
    pub(super) fn claim(self, pid: i32, is_alive: impl Fn(i32) -> bool) -> bool {
        let owner = self.pid();
        let claimed = (owner == 0 || !is_alive(owner)) && self.replace(owner, pid);
        if claimed {
            self.forget();
        }
        claimed
    }

    /// It is `by`'s now, unless it was not `owner`'s any more.
    pub(super) fn replace(self, owner: i32, by: i32) -> bool {
        self.0[PID]
            .compare_exchange(owner.into(), by.into(), Relaxed, Relaxed)
            .is_ok()
    }
}
