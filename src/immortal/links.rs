//! Objects that are links of a linked structure.
//!
//! A link that is dropped lets go of the next one. If it is immortal it never does: whatever is
//! appended to it, and to that, lasts for ever, and a queue grows without bound. There is no flag for such
//! objects, but they look alike:
//!
//! - two objects of one class refer to each other, or one to itself: doubly linked lists, rings, their
//!   empty sentinels. Lists and dicts serve as such links, too, where they are short.
//! - an object refers to just one other of its class, to which nobody or just one else refers: singly linked
//!   lists. Lists and dicts hold each other in data of any kind: there the other has to be as long, to have the
//!   same keys, and `None` or a third one at the same place.
//! - the same by way of an object of another class, to which just one else refers, too: links of two classes
//!   in turn.
//! - an object refers twice to the same one, and nobody else does: the head and the tail of a queue
//!   that has one link.
//! - what the last of such links refers to: more may refer to the end of a queue.
//!
//! A tree whose nodes know their parent is none of these, but where a parent has a single child: other children
//! refer to the parent, too.
//!
//! The attributes of a link may be in a dict of its own, which is then as mortal as the link.

use super::{
    classify::{Classifier, Treatment},
    kept::KeptMortal,
    reason::Reason,
    Stopped,
};
use crate::python::{
    heap::Heap,
    object::{Class, Ref},
};

/// A link has no more references than this, nor a list or dict that serves as one more items.
const SMALL: u32 = 8;

/// What one object refers to, as far as it tells a link.
pub struct Links<'a, 'gil> {
    heap: &'a Heap<'gil>,
    object: Ref<'gil>,
    class: Class<'gil>,
    /// An instance of a class written in Python; else a list or a dict.
    is_instance: bool,
    references: u32,
    to_itself: bool,
    /// Others of its class, each once; there may be more than fit.
    alike: [Option<Ref<'gil>>; 3],
    alike_count: usize,
    /// Which reference was the first of these.
    place: u32,
    /// Instances of other classes, to which nobody or just one else refers.
    others: [Option<Ref<'gil>>; 3],
    /// Objects to which nobody else may refer, each as often as it was met.
    twos: [Option<Ref<'gil>>; 6],
}

impl<'a, 'gil> Links<'a, 'gil> {
    /// `None` for objects that are no links.
    pub fn of(heap: &'a Heap<'gil>, object: Ref<'gil>, treatment: Treatment<'gil>) -> Option<Self> {
        let class = heap.class_of(object);
        let is_instance = match treatment {
            Treatment::Instance(_) => true,
            Treatment::Dict(_) => false,
            Treatment::Other(_) if heap.flags(class).lists() => false,
            _ => return None,
        };
        Some(Self {
            heap,
            object,
            class,
            is_instance,
            references: 0,
            to_itself: false,
            alike: [None; 3],
            alike_count: 0,
            place: 0,
            others: [None; 3],
            twos: [None; 6],
        })
    }

    /// It refers to that object, and to what is in it if that is the dict of its attributes.
    pub fn see(
        &mut self,
        classifier: &mut Classifier<'_, 'gil>,
        referent: Ref<'gil>,
        met: Treatment<'gil>,
    ) -> Result<(), Stopped> {
        self.note(referent, met);
        let heap = self.heap;
        match met {
            Treatment::Dict(traverse) if self.is_instance && heap.count(referent) == 1 => heap
                .each_reference(referent, traverse, |value| {
                    self.note(value, classifier.of(value));
                    Ok(())
                }),
            _ => Ok(()),
        }
    }

    /// It refers to something that refers to nothing.
    pub fn pass(&mut self) {
        self.references += 1;
    }

    fn note(&mut self, referent: Ref<'gil>, met: Treatment<'gil>) {
        self.references += 1;
        if self.is_alike(referent) {
            self.note_alike(referent);
        } else if self.is_instance && self.heap.count(referent) <= 2 {
            if let Treatment::Instance(_) = met {
                note(&mut self.others, referent);
            }
        }
        if self.is_instance && self.heap.count(referent) == 2 {
            let may_be_link = match met {
                Treatment::Instance(_) | Treatment::Dict(_) => true,
                Treatment::Other(_) => self.heap.flags(self.heap.class_of(referent)).lists(),
                _ => false,
            };
            if may_be_link {
                note(&mut self.twos, referent);
            }
        }
    }

    fn note_alike(&mut self, referent: Ref<'gil>) {
        if referent == self.object {
            self.to_itself = true;
        } else if !self.alike.contains(&Some(referent)) {
            if self.alike_count == 0 {
                self.place = self.references;
            }
            self.alike_count += 1;
            note(&mut self.alike, referent);
        }
    }

    fn is_alike(&self, other: Ref<'gil>) -> bool {
        self.heap.class_of(other) == self.class
    }

    /// Everything was seen: keeps what is a link mortal.
    pub fn keep(&self, kept: &mut KeptMortal<'gil>) -> Result<(), Stopped> {
        let mut keep = |object| kept.add(object, Reason::Linked);
        if !self.is_instance && self.references > SMALL {
            return Ok(());
        }
        if self.to_itself {
            keep(self.object)?;
        }
        for (i, one) in self.twos.iter().enumerate() {
            if let Some(both) = one.filter(|_| self.twos[i + 1..].contains(one)) {
                keep(both)?;
            }
        }
        for other in self.neighbours() {
            let seen = self.look_at(other)?;
            if seen.object > 0 || self.is_followed_by(other, &seen)? {
                keep(self.object)?;
                keep(other)?;
            }
        }
        if self.alike_count == 0 {
            for between in self.others.into_iter().flatten() {
                if let Some(far) = self.next_but_one(between)? {
                    for link in [self.object, between, far] {
                        keep(link)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What it refers to and may be the end of the structure, if this is a link: it refers to no other.
    pub fn end(&self) -> Result<Option<Ref<'gil>>, Stopped> {
        if self.is_instance && self.alike_count == 1 {
            for other in self.neighbours() {
                if self.look_at(other)?.alike == 0 {
                    return Ok(Some(other));
                }
            }
        }
        Ok(None)
    }

    /// Others of its class to which few refer.
    fn neighbours(&self) -> impl Iterator<Item = Ref<'gil>> + '_ {
        let all = self.alike.into_iter().flatten();
        all.filter(|other| self.heap.count(*other) <= SMALL)
    }

    /// The other is its only neighbour, and of nobody else or of just one.
    fn is_followed_by(&self, other: Ref<'gil>, seen: &LookedAt<'gil>) -> Result<bool, Stopped> {
        let single = self.alike_count == 1 && self.heap.count(other) <= 2;
        Ok(single && (self.is_instance || self.is_of_that_shape(other, seen)?))
    }

    /// The only object of its class to which that one of another class refers.
    fn next_but_one(&self, between: Ref<'gil>) -> Result<Option<Ref<'gil>>, Stopped> {
        let seen = self.look_at(between)?;
        let far = seen.single.filter(|_| seen.object == 0 && seen.alike == 1);
        Ok(far.filter(|far| self.heap.count(*far) <= 2))
    }

    /// A list that is as long, or a dict with the same keys, and leads on at the same place, or ends there.
    fn is_of_that_shape(&self, other: Ref<'gil>, seen: &LookedAt<'gil>) -> Result<bool, Stopped> {
        // A link has a value, too.
        if self.references < 2 || seen.references != self.references || !seen.leads_on {
            return Ok(false);
        }
        let keys = |dict| {
            let (mut keys, mut place) = ([None; SMALL as usize], 0);
            self.heap.each_item(dict, |item| {
                if let Some(key) = keys.get_mut(place / 2).filter(|_| place % 2 == 0) {
                    *key = Some(item);
                }
                place += 1;
                Ok::<_, Stopped>(())
            })?;
            Ok::<_, Stopped>(keys)
        };
        // A list has none.
        Ok(keys(self.object)? == keys(other)?)
    }

    /// What another object refers to.
    fn look_at(&self, other: Ref<'gil>) -> Result<LookedAt<'gil>, Stopped> {
        let mut seen = LookedAt::default();
        let outcome = each_attribute(self.heap, other, self.is_instance, &mut |referent| {
            seen.references += 1;
            if !self.is_instance && seen.references > SMALL {
                seen = LookedAt::default();
                return Err(Stopped::Enough);
            }
            let is_alike = self.is_alike(referent);
            if seen.references == self.place {
                seen.leads_on = is_alike || self.heap.is_none(referent);
            }
            if referent == self.object {
                seen.object += 1;
            } else if is_alike && referent != other {
                seen.alike += 1;
                seen.single = Some(referent);
            }
            Ok(())
        });
        match outcome {
            Err(Stopped::Enough) => Ok(seen),
            outcome => outcome.map(|()| seen),
        }
    }
}

/// What an object to which a possible link refers refers to.
#[derive(Default)]
struct LookedAt<'gil> {
    references: u32,
    /// How often the possible link.
    object: u32,
    /// How often others of the link's class, and the last of them.
    alike: u32,
    single: Option<Ref<'gil>>,
    /// Such a one, or `None`, is where the link has one.
    leads_on: bool,
}

/// At the first free place, if there is one.
fn note<'gil>(places: &mut [Option<Ref<'gil>>], object: Ref<'gil>) {
    if let Some(place) = places.iter_mut().find(|place| place.is_none()) {
        *place = Some(object);
    }
}

/// Everything that an object refers to, and what is in the dict of its own that an instance may have.
fn each_attribute<'gil>(
    heap: &Heap<'gil>,
    object: Ref<'gil>,
    is_instance: bool,
    body: &mut dyn FnMut(Ref<'gil>) -> Result<(), Stopped>,
) -> Result<(), Stopped> {
    let Some(traverse) = heap.traverse_of(heap.class_of(object)) else {
        return Ok(());
    };
    heap.each_reference(object, traverse, |referent| {
        if is_instance && heap.count(referent) == 1 {
            let class = heap.class_of(referent);
            let traverse = heap.traverse_of(class);
            if let Some(traverse) = traverse.filter(|_| heap.flags(class).dicts()) {
                heap.each_reference(referent, traverse, &mut *body)?;
            }
        }
        body(referent)
    })
}
