//! How many objects the unknown C classes have.

use crate::{
    linux::mmap_vec::{MmapVec, OutOfMemory},
    python::{
        heap::Heap,
        object::{Class, Ref},
    },
};

/// A class with so many objects is worth it to be immortal; one with fewer wins nothing.
const MANY: u32 = 1000;

/// Objects that the collector does not know are met once for each reference; this tells whether an object
/// was met before.
pub struct Seen<'gil> {
    places: MmapVec<Option<Ref<'gil>>>,
    count: usize,
}

const PLACES: usize = 1 << 15;

impl<'gil> Seen<'gil> {
    /// Nothing yet.
    pub fn new() -> Result<Self, OutOfMemory> {
        Ok(Self {
            places: MmapVec::filled(None, PLACES)?,
            count: 0,
        })
    }

    /// The object is met for the first time. When there is no room left, every time is the first.
    pub fn is_new(&mut self, object: Ref<'gil>) -> bool {
        let hash = (object.address() >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut place = hash >> (64 - PLACES.ilog2());
        while let Some(there) = self.places.as_slice()[place] {
            if there == object {
                return false;
            }
            place = (place + 1) % PLACES;
        }
        if self.count < PLACES / 4 * 3 {
            self.places.as_mut_slice()[place] = Some(object);
            self.count += 1;
        }
        true
    }
}

/// Counts the objects of unknown C classes, and remembers those of classes that have few.
pub struct Tally<'gil> {
    classes: MmapVec<(Class<'gil>, u32)>,
    objects: MmapVec<Ref<'gil>>,
}

impl<'gil> Tally<'gil> {
    /// Empty.
    pub fn new() -> Self {
        Self {
            classes: MmapVec::new(),
            objects: MmapVec::new(),
        }
    }

    /// The class has many objects already: no more need to be counted.
    pub fn is_many(&self, class: Class<'_>) -> bool {
        let all = self.classes.as_slice();
        let counted = all.iter().find(|(counted, _)| *counted == class);
        counted.is_some_and(|(_, count)| *count >= MANY)
    }

    /// Counts an object, which was not counted before.
    pub fn add(&mut self, object: Ref<'gil>, class: Class<'gil>) -> Result<(), OutOfMemory> {
        let all = self.classes.as_mut_slice();
        match all.iter_mut().find(|(counted, _)| *counted == class) {
            Some((_, count)) if *count >= MANY => return Ok(()),
            Some((_, count)) => *count += 1,
            None => self.classes.push((class, 1))?,
        }
        self.objects.push(object)
    }

    /// The classes that have many objects.
    pub fn many(&self) -> Result<MmapVec<Class<'gil>>, OutOfMemory> {
        let mut many = MmapVec::new();
        for (class, count) in self.classes.as_slice() {
            if *count >= MANY {
                many.push(*class)?;
            }
        }
        Ok(many)
    }

    /// The objects of the others.
    pub fn few<'a>(&'a self, heap: &'a Heap<'gil>) -> impl Iterator<Item = Ref<'gil>> + 'a {
        let all = self.objects.as_slice().iter().copied();
        all.filter(|object| !self.is_many(heap.class_of(*object)))
    }
}
