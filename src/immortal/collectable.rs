//! Links, and what the operator named, are left to the collector.
//!
//! `gc.freeze` would hide them for ever. A linked structure that lets go of several links at once drops a cycle of
//! them, and that would lead on to all that comes after it: it would grow without bound.
//!
//! A full collection writes to each object that it looks at, some kilobyte that a worker then shares no more. So
//! other objects that stay mortal are frozen like the rest.

use super::{kept::KeptMortal, reason::Reason};
use crate::python::{
    garbage::Garbage, gc::Collector, heap::Heap, interpreter::Gil, reference::PyErr,
    tracked::Tracked,
};

/// No more than these: in the worst case each is in a page of its own.
const MOST: usize = 2000;

/// Objects that the collector goes on to look at.
#[derive(Default)]
pub struct Collectable<'gil> {
    objects: Vec<Tracked<'gil>>,
}

impl<'gil> Collectable<'gil> {
    /// Of those that stay mortal and that the collector knows: links, and where the operator named something, that and
    /// its owners, which may be links, too. If these are too many, what is named.
    pub fn among(gil: &Gil<'gil>, heap: &Heap<'_>, kept: &KeptMortal<'_>) -> Self {
        let of = |wanted: fn(Reason) -> bool| {
            let wanted = kept.all().filter(move |(_, reason)| wanted(*reason));
            wanted.filter_map(|(object, _)| heap.hold_tracked(gil, object))
        };
        let named: fn(Reason) -> bool = |reason| reason == Reason::Named;
        let links: fn(Reason) -> bool = match of(named).next() {
            None => |reason| reason == Reason::Linked,
            Some(_) => |reason| matches!(reason, Reason::Named | Reason::Owner | Reason::Linked),
        };
        let mut objects: Vec<_> = of(links).take(MOST + 1).collect();
        if objects.len() > MOST {
            objects = of(named).collect();
        }
        Self { objects }
    }

    /// Everything was frozen: gives these back to the collector, but for `garbage`. That would be freed now, and
    /// the holes that it leaves be filled by workers, which copies the pages around them. Answers how many they are.
    pub fn thaw(mut self, gil: &Gil<'gil>, garbage: &Garbage) -> Result<u64, PyErr> {
        self.objects.retain(|object| !garbage.has(object));
        let count = self.objects.len() as u64;
        if count > 0 {
            self.objects.iter().for_each(Tracked::track_anew);
            drop(self);
            // It looks at nothing else, and makes them old.
            Collector::current(gil)?.collect();
        }
        Ok(count)
    }
}
