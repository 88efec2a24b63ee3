//! What stays mortal is left to the collector: a cycle of such objects ends as it does without pycow.
//!
//! `gc.freeze` would hide them for ever. A cycle that is dropped would stay then, with its file or socket, and a
//! linked structure that lets go of several links at once would lead on from these to all that comes after them.
//!
//! A full collection writes to each object that it looks at. So where there are many, only those are
//! left to it whose cycles can make a process grow without bound.

use super::{kept::KeptMortal, reason::Reason};
use crate::python::{
    heap::Heap,
    interpreter::Gil,
    reference::{PyErr, PyRef},
    thaw,
};

/// No more than these: in the worst case each is in a page of its own.
const MOST: usize = 2000;

/// Objects that the collector goes on to look at.
#[derive(Default)]
pub struct Collectable<'gil> {
    objects: Vec<PyRef<'gil>>,
}

impl<'gil> Collectable<'gil> {
    /// Of those that stay mortal and that the collector knows: all; links, what the operator named and owners, which
    /// may be links, too, if all are too many; the same without owners; what the operator named, if these are too many.
    pub fn among(gil: &Gil<'gil>, heap: &Heap<'_>, kept: &KeptMortal<'_>) -> Self {
        let rules: [fn(Reason) -> bool; 4] = [
            |_| true,
            |reason| matches!(reason, Reason::Linked | Reason::Named | Reason::Owner),
            |reason| matches!(reason, Reason::Linked | Reason::Named),
            |reason| reason == Reason::Named,
        ];
        let of = |wanted: fn(Reason) -> bool| {
            let wanted = kept.all().filter(move |(_, reason)| wanted(*reason));
            wanted.filter(|(object, _)| heap.is_tracked(*object))
        };
        let few = rules.into_iter().find(|rule| of(*rule).count() <= MOST);
        let objects = of(few.unwrap_or(rules[3])).map(|(object, _)| gil.hold(object));
        Self {
            objects: objects.collect(),
        }
    }

    /// Everything was frozen: gives these back to the collector. Answers how many they are.
    pub fn thaw(self, gil: &Gil<'gil>) -> Result<u64, PyErr> {
        thaw::thaw(gil, self.objects)
    }
}
