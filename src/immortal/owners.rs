//! Whoever holds an object whose end matters: dropping the one may be what ends the other.
//!
//! An owner is told by counts: who shares an object with many others does not end it. So only references to
//! objects that have few are noted down, once, and a verdict is a look at these notes. Where objects refer
//! to each other so much that the notes would take more memory than they may, there are none, and the heap is
//! looked at once more for each step.

use super::{
    arrays::Arrays,
    classify::{Classifier, Treatment},
    kept::KeptMortal,
    reason::Reason,
    references::{self, Reference},
    Stopped,
};
use crate::{
    linux::mmap_vec::{MmapVec, OutOfMemory},
    python::{
        heap::Heap,
        interpreter::Gil,
        object::{Ref, Tagged},
    },
};

/// With more references than this an object does not end with one of its owners.
const SHARED: u32 = 8;
/// How far an owner may be from what it owns: an instance, its `__dict__`, a list there, a tuple in it.
const STEPS: usize = 6;

/// What a note is about.
const OWNER: u8 = 0;
const OWNED: u8 = 1;

/// Who holds what.
pub struct Owners<'gil> {
    /// Owners, each before what it owns; `None` if that was too much.
    notes: Option<MmapVec<Tagged<'gil>>>,
    /// The owner that was noted last.
    last: Option<Ref<'gil>>,
    /// The dicts of modules. They do not end.
    namespaces: MmapVec<Ref<'gil>>,
}

/// An object that may own refers to one whose end may matter to it.
fn may_matter(heap: &Heap<'_>, reference: &Reference<'_>) -> bool {
    let may_end = reference.met.may_own() || matches!(reference.met, Treatment::Mortal(..));
    reference.owns && may_end && heap.count(reference.to) <= SHARED
}

impl<'gil> Owners<'gil> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            notes: Some(MmapVec::new()),
            last: None,
            namespaces: MmapVec::new(),
        }
    }

    /// Notes down a reference, if it may matter.
    pub fn note(
        &mut self,
        heap: &Heap<'gil>,
        reference: &Reference<'gil>,
    ) -> Result<(), OutOfMemory> {
        let Some(notes) = self.notes.as_mut().filter(|_| may_matter(heap, reference)) else {
            return Ok(());
        };
        if self.last != Some(reference.from) {
            self.last = Some(reference.from);
            notes.push(reference.from.tagged(OWNER))?;
        }
        notes.push(reference.to.tagged(OWNED))
    }

    /// Has no notes any more if they take more memory than that.
    pub fn stay_below(&mut self, bytes: usize) {
        self.notes
            .take_if(|notes| size_of_val(notes.as_slice()) > bytes);
    }

    /// An object is the dict of a module.
    pub fn add_namespace(&mut self, dict: Ref<'gil>) -> Result<(), OutOfMemory> {
        self.namespaces.push(dict)
    }

    /// Adds the owners of what is kept.
    pub fn keep(
        mut self,
        gil: &Gil<'_>,
        heap: &Heap<'gil>,
        classifier: &mut Classifier<'_, 'gil>,
        arrays: &Arrays<'gil>,
        kept: &mut KeptMortal<'gil>,
    ) -> Result<(), Stopped> {
        self.namespaces.as_mut_slice().sort_unstable();
        let namespaces = self.namespaces.as_slice();
        for _ in 0..STEPS {
            let (mut found, mut last) = (false, None);
            let look = |owner, owned| {
                let ends = |object| kept.why(object).is_some_and(Reason::has_owners);
                if last == Some(owner)
                    || !ends(owned)
                    || ends(owner)
                    || namespaces.binary_search(&owner).is_ok()
                {
                    return Ok(());
                }
                (found, last) = (true, Some(owner));
                kept.add(owner, Reason::Owner)
            };
            match &self.notes {
                Some(notes) => each_note(notes.as_slice(), look)?,
                None => each_anew(gil, heap, classifier, arrays, look)?,
            }
            if !found {
                break;
            }
            kept.sort()?;
        }
        Ok(())
    }
}

/// Shows owners and what they own, from the notes.
fn each_note<'gil>(
    notes: &[Tagged<'gil>],
    mut body: impl FnMut(Ref<'gil>, Ref<'gil>) -> Result<(), OutOfMemory>,
) -> Result<(), OutOfMemory> {
    let mut owner = None;
    for note in notes {
        match (note.tag(), owner) {
            (OWNED, Some(owner)) => body(owner, note.object())?,
            _ => owner = Some(note.object()),
        }
    }
    Ok(())
}

/// Shows the same without notes.
fn each_anew<'gil>(
    gil: &Gil<'_>,
    heap: &Heap<'gil>,
    classifier: &mut Classifier<'_, 'gil>,
    arrays: &Arrays<'gil>,
    mut body: impl FnMut(Ref<'gil>, Ref<'gil>) -> Result<(), OutOfMemory>,
) -> Result<(), Stopped> {
    let mut show = |_: &mut Classifier<'_, 'gil>, reference: &Reference<'gil>| {
        if may_matter(heap, reference) {
            body(reference.from, reference.to)?;
        }
        Ok(())
    };
    heap.each_tracked(|object| {
        let treatment = classifier.of(object);
        references::each_of(heap, classifier, object, treatment, &mut show)
    })?;
    for &array in arrays.of_objects() {
        references::each_in_array(gil, heap, classifier, array, &mut show)?;
    }
    Ok(())
}
