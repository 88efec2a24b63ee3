//! Whoever holds an object whose end matters: dropping the one may be what ends the other.
//!
//! An owner is told by counts: who shares an object with many others does not end it. So only references to
//! objects that have few are noted down, once, and a verdict is a look at these notes.

use super::{classify::Treatment, kept::KeptMortal, reason::Reason};
use crate::{
    linux::mmap_vec::{MmapVec, OutOfMemory},
    python::{heap::Heap, object::Ref},
};

/// With more references than this an object does not end with one of its owners.
const SHARED: u32 = 8;
/// How far an owner may be from what it owns: an instance, its `__dict__`, a list there, a tuple in it.
const STEPS: usize = 6;

/// Who holds what.
pub struct Owners<'gil> {
    references: MmapVec<(Ref<'gil>, Ref<'gil>)>,
    /// The dicts of modules. They do not end.
    namespaces: MmapVec<Ref<'gil>>,
}

impl<'gil> Owners<'gil> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            references: MmapVec::new(),
            namespaces: MmapVec::new(),
        }
    }

    /// An object may end, and with it what it holds. Classes and modules do not.
    pub fn may_own(treatment: Treatment<'_>) -> bool {
        matches!(
            treatment,
            Treatment::Dict(_)
                | Treatment::Tuple(_)
                | Treatment::Instance(_)
                | Treatment::Other(_)
                | Treatment::Foreign(_)
        )
    }

    /// One object, which may own, refers to another.
    pub fn note(
        &mut self,
        heap: &Heap<'gil>,
        owner: Ref<'gil>,
        owned: Ref<'gil>,
        treatment: Treatment<'gil>,
    ) -> Result<(), OutOfMemory> {
        let may_matter = Self::may_own(treatment) || matches!(treatment, Treatment::Mortal(..));
        if may_matter && heap.count(owned) <= SHARED {
            self.references.push((owner, owned))?;
        }
        Ok(())
    }

    /// An object is the dict of a module.
    pub fn add_namespace(&mut self, dict: Ref<'gil>) -> Result<(), OutOfMemory> {
        self.namespaces.push(dict)
    }

    /// Adds the owners of what is kept.
    pub fn keep(mut self, kept: &mut KeptMortal<'gil>) -> Result<(), OutOfMemory> {
        self.namespaces.as_mut_slice().sort_unstable();
        let ends =
            |kept: &KeptMortal<'gil>, object| kept.why(object).is_some_and(Reason::has_owners);
        for _ in 0..STEPS {
            let mut found = MmapVec::new();
            for &(owner, owned) in self.references.as_slice() {
                if ends(kept, owned)
                    && !ends(kept, owner)
                    && self.namespaces.as_slice().binary_search(&owner).is_err()
                {
                    found.push(owner)?;
                }
            }
            if found.as_slice().is_empty() {
                break;
            }
            for &owner in found.as_slice() {
                kept.add(owner, Reason::Owner)?;
            }
            kept.sort();
        }
        Ok(())
    }
}
