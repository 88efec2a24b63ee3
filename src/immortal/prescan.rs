//! Before anything is marked: which objects must stay mortal though their class would not say so.

use super::{
    classify::{Classifier, Reason, Treatment},
    frames::Frames,
    Stopped,
};
use crate::{
    linux::mmap_vec::{MmapVec, OutOfMemory},
    python::heap::{Heap, Ref, Traverse},
};

/// Objects that are to be left alone, by address.
pub struct KeptMortal<'gil> {
    objects: MmapVec<(Ref<'gil>, Reason)>,
    /// A bit for a hash of every address: most questions end here.
    filter: MmapVec<u64>,
    /// How many objects the collector knows, and how many of them are immortal already.
    pub tracked: u64,
    pub born_immortal: u64,
}

const FILTER_BITS: usize = 1 << 19;

impl<'gil> KeptMortal<'gil> {
    fn new() -> Result<Self, OutOfMemory> {
        Ok(Self {
            objects: MmapVec::new(),
            filter: MmapVec::filled(0, FILTER_BITS / 64)?,
            tracked: 0,
            born_immortal: 0,
        })
    }

    fn bit(object: Ref<'_>) -> (usize, u64) {
        // Objects are aligned to 16 bytes; Knuth's multiplier spreads neighbours.
        let hash = (object.address() >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - 19);
        (hash / 64, 1 << (hash % 64))
    }

    fn add(&mut self, object: Ref<'gil>, reason: Reason) -> Result<(), OutOfMemory> {
        let (word, bit) = Self::bit(object);
        self.filter.as_mut_slice()[word] |= bit;
        self.objects.push((object, reason))
    }

    fn sort(&mut self) {
        self.objects.as_mut_slice().sort_unstable();
    }

    /// Why the object is to be left alone, if it is.
    pub fn why(&self, object: Ref<'_>) -> Option<Reason> {
        let (word, bit) = Self::bit(object);
        if self.filter.as_slice()[word] & bit == 0 {
            return None;
        }
        let objects = self.objects.as_slice();
        let place = objects.partition_point(|(kept, _)| kept.address() < object.address());
        let (found, reason) = objects.get(place)?;
        (found.address() == object.address()).then_some(*reason)
    }
}

struct Prescan<'a, 'c, 'gil> {
    heap: &'a Heap<'gil>,
    classifier: &'c mut Classifier<'a, 'gil>,
    kept: KeptMortal<'gil>,
    /// Where frames count what they hold.
    frames: Option<&'gil Frames<'gil>>,
    /// The object that is looked at refers to one with a finalizer.
    owns: bool,
    /// It is the `__dict__` of an instance, or a dict in one of its attributes.
    in_dict: bool,
}

/// Looks at every tracked object once; writes to none.
pub fn prescan<'a, 'gil>(
    heap: &'a Heap<'gil>,
    classifier: &mut Classifier<'a, 'gil>,
    frames: Option<&'gil Frames<'gil>>,
) -> Result<KeptMortal<'gil>, Stopped> {
    let mut prescan = Prescan {
        heap,
        classifier,
        kept: KeptMortal::new()?,
        frames,
        owns: false,
        in_dict: false,
    };
    for held in frames.iter().flat_map(|frames| frames.of_threads()) {
        prescan.kept.add(held, Reason::Frame)?;
    }
    heap.each_tracked(|object| prescan.look(object))?;
    prescan.kept.sort();
    Ok(prescan.kept)
}

impl<'gil> Prescan<'_, '_, 'gil> {
    fn look(&mut self, object: Ref<'gil>) -> Result<(), Stopped> {
        self.kept.tracked += 1;
        self.kept.born_immortal += u64::from(self.heap.is_immortal(object));
        match self.classifier.of(object) {
            Treatment::Weak(_) => self.awaited(object)?,
            Treatment::Instance(traverse) => {
                if self.owns_within(object, traverse)? {
                    self.kept.add(object, Reason::Owner)?;
                }
            }
            // It is mortal anyway; its `__dict__` is looked at.
            Treatment::Mortal(_, Some(traverse)) => {
                self.owns_within(object, traverse)?;
                if self
                    .frames
                    .is_some_and(|frames| frames.is_one(self.heap, object))
                {
                    let (heap, kept) = (self.heap, &mut self.kept);
                    heap.each_reference(object, traverse, |held| {
                        kept.add(held, Reason::Frame).map_err(Stopped::from)
                    })?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What the object refers to has a finalizer.
    fn owns_within(
        &mut self,
        object: Ref<'gil>,
        traverse: Traverse<'gil>,
    ) -> Result<bool, Stopped> {
        self.owns = false;
        let heap = self.heap;
        match heap.each_reference(object, traverse, |referent| self.owned(referent)) {
            Err(Stopped::Enough) => Ok(self.owns),
            outcome => outcome.map(|()| self.owns),
        }
    }

    fn owned(&mut self, referent: Ref<'gil>) -> Result<(), Stopped> {
        match self.classifier.of(referent) {
            Treatment::Mortal(Reason::Finalizer, _) => self.owns = true,
            Treatment::Dict(traverse) if !self.in_dict => {
                let owned_before = self.owns;
                self.in_dict = true;
                let owns = self.owns_within(referent, traverse);
                self.in_dict = false;
                if owns? {
                    // An immortal dict would keep what it holds when the instance goes.
                    self.kept.add(referent, Reason::Owner)?;
                }
                self.owns |= owned_before;
            }
            _ => {}
        }
        if self.in_dict && self.owns {
            return Err(Stopped::Enough);
        }
        Ok(())
    }

    /// The target of a weak reference with a callback is awaited. Classes are not: their registers
    /// (abc, functools) hold them so, and a preloaded class has no end.
    fn awaited(&mut self, reference: Ref<'gil>) -> Result<(), OutOfMemory> {
        match self.heap.awaited(reference) {
            Some(target) if self.heap.as_class(target).is_none() => {
                self.kept.add(target, Reason::Awaited)
            }
            _ => Ok(()),
        }
    }
}
