//! Objects that are links of a linked structure.
//!
//! A link that is dropped lets go of the next one. If it is immortal it never does: whatever is
//! appended to it, and to that, lasts for ever, and a queue grows without bound. There is no flag for such
//! objects, but they look alike:
//!
//! - two objects of one class refer to each other, or one to itself: doubly linked lists, rings, their
//!   empty sentinels. Lists and dicts serve as such links, too, where they are short.
//! - an object refers to just one other of its class, to which nobody or just one else refers: singly linked
//!   lists.
//! - an object refers twice to the same one, and nobody else does: the head and the tail of a queue
//!   that has one link.
//!
//! A tree whose nodes know their parent is none of these, but where a parent has a single child: other children
//! refer to the parent, too.

use super::{classify::Treatment, kept::KeptMortal, reason::Reason, Stopped};
use crate::{
    linux::mmap_vec::OutOfMemory,
    python::{heap::Heap, object::Ref, walk::Traverse},
};

/// A link has no more references than this, nor a list or dict that serves as one more items.
const SMALL: u32 = 8;

/// What one object refers to, as far as it tells a link.
pub struct Links<'a, 'gil> {
    heap: &'a Heap<'gil>,
    object: Ref<'gil>,
    traverse: Traverse<'gil>,
    /// An instance of a class written in Python; else a list or a dict.
    is_instance: bool,
    references: u32,
    to_itself: bool,
    /// Others of its class, each once; there may be more than fit.
    alike: [Option<Ref<'gil>>; 3],
    alike_count: usize,
    /// Objects to which nobody else may refer, each as often as it was met.
    twos: [Option<Ref<'gil>>; 6],
}

impl<'a, 'gil> Links<'a, 'gil> {
    /// `None` for objects that are no links.
    pub fn of(heap: &'a Heap<'gil>, object: Ref<'gil>, treatment: Treatment<'gil>) -> Option<Self> {
        let (traverse, is_instance) = match treatment {
            Treatment::Instance(traverse) => (traverse, true),
            Treatment::Dict(traverse) => (traverse, false),
            Treatment::Other(traverse) if heap.flags(heap.class_of(object)).lists() => {
                (traverse, false)
            }
            _ => return None,
        };
        Some(Self {
            heap,
            object,
            traverse,
            is_instance,
            references: 0,
            to_itself: false,
            alike: [None; 3],
            alike_count: 0,
            twos: [None; 6],
        })
    }

    /// It refers to that object. `is_instance`: of a class written in Python.
    pub fn see(&mut self, referent: Ref<'gil>, is_instance: bool) {
        self.references += 1;
        if !self.is_instance && self.references > SMALL {
            return;
        }
        if self.heap.class_of(referent) == self.heap.class_of(self.object) {
            if referent == self.object {
                self.to_itself = true;
            } else if !self.alike.contains(&Some(referent)) {
                if let Some(place) = self.alike.get_mut(self.alike_count) {
                    *place = Some(referent);
                }
                self.alike_count += 1;
            }
        }
        if self.is_instance && is_instance && self.heap.count(referent) == 2 {
            if let Some(place) = self.twos.iter_mut().find(|place| place.is_none()) {
                *place = Some(referent);
            }
        }
    }

    /// Everything was seen: keeps what is a link mortal.
    pub fn keep(self, kept: &mut KeptMortal<'gil>) -> Result<(), Stopped> {
        let mut keep = |object| kept.add(object, Reason::Linked);
        if self.is_instance {
            for (i, one) in self.twos.iter().enumerate() {
                if let Some(both) = one.filter(|_| self.twos[i + 1..].contains(one)) {
                    keep(both)?;
                }
            }
        } else if self.references > SMALL {
            return Ok(());
        }
        if self.to_itself {
            keep(self.object)?;
        }
        let is_small = |other: &Ref<'gil>| self.heap.count(*other) <= SMALL;
        for other in self.alike.into_iter().flatten().filter(is_small) {
            let single = self.is_instance && self.alike_count == 1 && self.heap.count(other) <= 2;
            if single || self.refers_back(other)? {
                keep(self.object)?;
                keep(other)?;
            }
        }
        Ok::<_, OutOfMemory>(()).map_err(Stopped::from)
    }

    fn refers_back(&self, other: Ref<'gil>) -> Result<bool, Stopped> {
        let mut seen = 0;
        let outcome = self.heap.each_reference(other, self.traverse, |referent| {
            seen += 1;
            if referent == self.object || (!self.is_instance && seen > SMALL) {
                return Err(Stopped::Enough);
            }
            Ok(())
        });
        match outcome {
            Err(Stopped::Enough) => Ok(self.is_instance || seen <= SMALL),
            outcome => outcome.map(|()| false),
        }
    }
}
