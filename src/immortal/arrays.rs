//! Arrays of numpy, which do not show the collector what they refer to.
//!
//! Their items are reached by the buffer protocol. It is asked between the walks, as it makes objects.

use std::{ffi::c_void, mem, ptr};

use crate::{
    linux::mmap_vec::{MmapVec, OutOfMemory},
    python::{
        buffer::Items,
        heap::Heap,
        object::{Class, Ref, Slot},
    },
};

/// Arrays that were met.
pub struct Arrays<'gil> {
    /// What shows the buffer of an array; NULL without numpy.
    shows: *mut c_void,
    /// Since the last round, each maybe more than once.
    met: MmapVec<Ref<'gil>>,
    /// In all rounds, by address.
    all: MmapVec<Ref<'gil>>,
    /// Those whose items are objects.
    of_objects: MmapVec<Ref<'gil>>,
    /// How many have objects in their items that are not shown.
    unseen: u64,
}

impl<'gil> Arrays<'gil> {
    /// None yet. `array`: the class of arrays, if numpy is loaded.
    pub fn new(heap: &Heap<'gil>, array: Option<Class<'_>>) -> Self {
        Self {
            shows: array.map_or(ptr::null_mut(), |array| heap.slot(array, Slot::GetBuffer)),
            met: MmapVec::new(),
            all: MmapVec::new(),
            of_objects: MmapVec::new(),
            unseen: 0,
        }
    }

    /// An object of a C class that is not known was met. It is an array if it shows its buffer as
    /// arrays do: no Python code runs then.
    pub fn meet(
        &mut self,
        heap: &Heap<'gil>,
        object: Ref<'gil>,
        class: Class<'_>,
    ) -> Result<(), OutOfMemory> {
        if self.shows.is_null() || heap.slot(class, Slot::GetBuffer) != self.shows {
            return Ok(());
        }
        self.met.push(object)
    }

    /// The arrays that were met for the first time since the last round.
    pub fn round(&mut self) -> Result<MmapVec<Ref<'gil>>, OutOfMemory> {
        let mut met = mem::take(&mut self.met);
        met.as_mut_slice().sort_unstable();
        met.dedup_from(0, |one, before| one == before);
        let mut new = MmapVec::new();
        for &array in met.as_slice() {
            if self.all.as_slice().binary_search(&array).is_err() {
                new.push(array)?;
            }
        }
        self.all.extend(new.as_slice())?;
        self.all.as_mut_slice().sort_unstable();
        Ok(new)
    }

    /// What an array showed.
    pub fn note(&mut self, array: Ref<'gil>, items: Items) -> Result<(), OutOfMemory> {
        match items {
            Items::Shown => self.of_objects.push(array),
            Items::Unseen => {
                self.unseen += 1;
                Ok(())
            }
            Items::Other => Ok(()),
        }
    }

    /// Those whose items are objects.
    pub fn of_objects(&self) -> &[Ref<'gil>] {
        self.of_objects.as_slice()
    }

    /// How many have objects in their items that are not shown.
    pub fn unseen(&self) -> u64 {
        self.unseen
    }
}
