//! The pace of young collections: the first threshold of one interpreter.
//!
//! A young collection looks at what was allocated since the last one and is still there. The first
//! threshold says how much that is. Where collections find garbage it stays what CPython has, for
//! garbage is then held no longer than without pycow. Where they cost much and find little a larger
//! one is tried: objects that live for a request die before they are looked at. If that does not make
//! collections cheaper, objects stay, be it as garbage that dies late, and young collections rest: full
//! ones look at them, once as many came as garbage may take.

use std::time::Duration;

/// What a container object takes, with what it alone refers to, in bytes. Ordinary objects take 100
/// to 300; larger ones show in the memory of the process, which is watched beside (see [`super::full`]).
pub(super) const OBJECT: u64 = 200;

/// The most that young objects may take before they are looked at, in bytes.
const YOUNG: u64 = 2 << 20;
/// The same while young collections rest: by then a full one is overdue.
const REST: u64 = 32 << 20;
/// Where a sample found nothing: until there are so many times as many.
const SPARED: u64 = 4;
/// A rest lasts until so many full collections found what young ones could have found: once at first,
/// and twice as often each time that it follows upon another, up to this.
const LONGEST: u32 = 16;

/// Collections find little below this share of what they look at, and next to nothing below that one.
const LITTLE: f64 = 0.03;
const NOTHING: f64 = 0.02;
/// Above this share of the CPU they are to become rarer.
const DEAR: f64 = 0.003;
/// A larger threshold is kept if collections then take at most this part of what they took.
const WORTH: f64 = 0.7;
/// The first requests load and compile, and say nothing of those that follow: so many collections pass.
const WARM: u32 = 64;
/// So many collections say what a threshold costs: CPython's own, and a larger one on trial.
const SEEN: u32 = 16;
const TRIAL: u32 = 6;
/// After a trial in vain, so many collections pass before the next.
const HOLD: u32 = 1_000;
/// How much one collection counts in the average of what is found.
const WEIGHT: f64 = 0.125;

/// The pace of young collections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Young {
    /// CPython's own first threshold.
    own: i32,
    phase: Phase,
    /// Average share of objects found of those looked at.
    found: f64,
    /// Since the phase began.
    spent: Spent,
    /// The process's CPU time at the end of the last collection.
    last: Duration,
    /// How many full collections that find much the next rest lasts.
    rest: u32,
    /// A rest lasts for so many objects at least, as a sample of them found nothing.
    spared: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// CPython's own threshold; no trial before so many collections.
    Own { hold: u32 },
    /// A larger one is tried: collections took this share of the CPU before.
    Trial { before: f64 },
    /// A larger one is in force.
    Large,
    /// None but full collections, until so many of them found much.
    Rest { left: u32 },
}

/// What collections took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Spent {
    collections: u32,
    cost: Duration,
    time: Duration,
}

impl Spent {
    fn share(&self) -> f64 {
        if self.time.is_zero() {
            return 0.0;
        }
        self.cost.as_secs_f64() / self.time.as_secs_f64()
    }
}

impl Young {
    /// Begins with CPython's own, at that CPU time of the process.
    pub(super) fn new(own: i32, at: Duration) -> Self {
        Self {
            own,
            phase: Phase::Own { hold: WARM },
            found: 0.0,
            spent: Spent::default(),
            last: at,
            rest: 1,
            spared: 0,
        }
    }

    /// The first threshold that is wanted.
    pub(super) fn first(&self) -> i32 {
        let most = match self.phase {
            Phase::Own { .. } => 0,
            Phase::Trial { .. } | Phase::Large => YOUNG / OBJECT,
            Phase::Rest { .. } => self.spared.max(REST / OBJECT),
        };
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        most.max(self.own)
    }

    /// The second threshold, of CPython's `own`: how many young collections go before one of the
    /// middle generation. With -1 every young collection is one: what survives is old, and is not
    /// looked at again before a full one.
    pub(super) fn second(&self, own: i32) -> i32 {
        match self.phase {
            Phase::Own { .. } if self.found >= NOTHING || self.spent.share() < DEAR => own,
            _ => -1,
        }
    }

    /// A young collection found so many objects and took so long; it was over at that CPU time of the
    /// process. Returns how many objects survived it, at most.
    pub(super) fn collected(&mut self, found: u64, cost: Duration, at: Duration) -> u64 {
        let looked_at = u64::try_from(self.first()).unwrap_or(0).max(1);
        let share = (found as f64 / looked_at as f64).min(1.0);
        self.found += (share - self.found) * WEIGHT;
        self.spent.collections += 1;
        self.spent.cost += cost;
        // A child of the process begins at 0 again.
        self.spent.time += at.saturating_sub(self.last);
        self.last = at;
        self.decide();
        looked_at.saturating_sub(found)
    }

    fn decide(&mut self) {
        let (seen, share) = (self.spent.collections, self.spent.share());
        let next = match self.phase {
            Phase::Trial { .. } | Phase::Large | Phase::Rest { .. } if self.found > LITTLE => {
                Phase::Own { hold: SEEN }
            }
            Phase::Own { hold } if seen < hold => return,
            Phase::Own { .. } if self.found <= LITTLE && share > DEAR => {
                Phase::Trial { before: share }
            }
            Phase::Own { .. } => {
                self.rest = 1;
                Phase::Own { hold: SEEN }
            }
            Phase::Trial { .. } if seen < TRIAL => return,
            Phase::Trial { before } if share <= before * WORTH => Phase::Large,
            Phase::Trial { .. } if self.found > NOTHING => Phase::Own { hold: HOLD },
            Phase::Trial { .. } => {
                let left = self.rest;
                self.rest = (left * 2).min(LONGEST);
                Phase::Rest { left }
            }
            Phase::Large | Phase::Rest { .. } => return,
        };
        self.begin(next);
    }

    /// A sample of so many young objects found nothing: they are left alone for as many again, and some.
    pub(super) fn spare(&mut self, objects: u64) {
        self.spared = objects * SPARED;
    }

    fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        self.spared = 0;
        self.spent = Spent::default();
    }

    /// A full collection found so many objects and was over at that CPU time: what is measured next
    /// begins there.
    pub(super) fn full_collected(&mut self, found: u64, at: Duration) {
        self.last = at;
        self.spared = 0;
        match self.phase {
            Phase::Rest { left } if found * OBJECT >= YOUNG && left > 1 => {
                self.phase = Phase::Rest { left: left - 1 };
            }
            Phase::Rest { .. } if found * OBJECT >= YOUNG => self.begin(Phase::Own { hold: SEEN }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: i32 = 700;
    const LARGE: i32 = 10_485;
    const RESTING: i32 = 167_772;

    /// So many collections, each of which finds `found` of what it looks at and takes `spent` of the
    /// time since the last, a function of the threshold.
    fn go_on(young: &mut Young, times: u32, found: f64, spent: impl Fn(i32) -> f64) {
        for _ in 0..times {
            let time = Duration::from_millis(10);
            let objects = (f64::from(young.first()) * found) as u64;
            let cost = time.mul_f64(spent(young.first()));
            young.collected(objects, cost, young.last + time);
        }
    }

    fn after(times: u32, found: f64, spent: impl Fn(i32) -> f64) -> Young {
        let mut young = Young::new(OWN, Duration::ZERO);
        go_on(&mut young, times, found, spent);
        young
    }

    /// Objects that die soon: who waits longer has less to look at.
    fn temporary(first: i32) -> f64 {
        if first > OWN {
            0.002
        } else {
            0.05
        }
    }

    #[test]
    fn where_objects_die_soon_collections_become_rare() {
        let young = after(100, 0.0, temporary);
        assert_eq!((young.first(), young.second(10)), (LARGE, -1));
    }

    #[test]
    fn where_objects_stay_it_is_tried_in_vain_and_young_collections_rest() {
        let young = after(WARM, 0.0, |_| 0.05);
        assert_eq!((young.first(), young.second(10)), (LARGE, -1));
        let mut young = after(WARM + TRIAL, 0.0, |_| 0.05);
        assert_eq!((young.first(), young.second(10)), (RESTING, -1));
        // It is longer where a sample found nothing.
        young.spare(100_000);
        assert_eq!(young.first(), 400_000);
        // Full collections that find nothing do not end it; one that finds much does, as young ones may
        // have become worth their cost.
        let at = young.last;
        young.full_collected(100, at);
        assert_eq!(young.first(), RESTING);
        young.full_collected(50_000, at);
        assert_eq!(young.first(), OWN);
    }

    #[test]
    fn garbage_that_dies_late_is_left_to_full_collections_ever_longer() {
        let mut young = after(WARM + TRIAL, 0.0, |_| 0.05);
        for rest in [1, 2, 4, 8, 16, 16] {
            let at = young.last;
            for _ in 0..rest {
                assert_eq!(young.first(), RESTING, "{rest}");
                young.full_collected(50_000, at);
            }
            assert_eq!(young.first(), OWN);
            go_on(&mut young, SEEN + TRIAL, 0.0, |_| 0.05);
        }
        // What young collections find again begins anew.
        young.full_collected(50_000, young.last);
        go_on(&mut young, 1, 0.9, |_| 0.05);
        assert_eq!(young.first(), OWN);
    }

    #[test]
    fn what_finds_garbage_or_costs_nothing_stays_as_it_is() {
        for young in [after(100, 0.5, temporary), after(100, 0.0, |_| 0.0005)] {
            assert_eq!((young.first(), young.second(10)), (OWN, 10));
        }
    }

    #[test]
    fn it_comes_back_when_garbage_does() {
        let mut young = after(100, 0.0, temporary);
        go_on(&mut young, 3, 0.9, temporary);
        assert_eq!(young.first(), OWN);
    }

    #[test]
    fn survivors_are_what_was_not_found() {
        let mut young = Young::new(OWN, Duration::ZERO);
        let second = Duration::from_secs(1);
        assert_eq!(young.collected(100, Duration::ZERO, second), 600);
        assert_eq!(young.collected(9_999, Duration::ZERO, second), 0);
    }

    #[test]
    fn a_child_whose_clock_begins_anew_is_no_error() {
        let mut young = Young::new(OWN, Duration::from_secs(100));
        young.collected(0, Duration::from_millis(1), Duration::from_secs(1));
        assert_eq!(young.last, Duration::from_secs(1));
    }
}
