//! The objects that stay mortal, by address.

use super::reason::Reason;
use crate::{
    linux::mmap_vec::{MmapVec, OutOfMemory},
    python::object::Ref,
};

/// Objects that are to be left alone, each once.
pub struct KeptMortal<'gil> {
    objects: MmapVec<(Ref<'gil>, Reason)>,
    /// A bit for a hash of every address: most questions end here.
    filter: MmapVec<u64>,
}

/// 512 kB, which a second-level cache holds.
const FILTER_BITS: usize = 1 << 22;

impl<'gil> KeptMortal<'gil> {
    /// Empty.
    pub fn new() -> Result<Self, OutOfMemory> {
        Ok(Self {
            objects: MmapVec::new(),
            filter: MmapVec::filled(0, FILTER_BITS / 64)?,
        })
    }

    fn bit(object: Ref<'_>) -> (usize, u64) {
        // Objects are aligned to 16 bytes; Knuth's multiplier spreads neighbours.
        let hash = (object.address() >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = hash >> (64 - FILTER_BITS.ilog2());
        (hash / 64, 1 << (hash % 64))
    }

    /// Adds an object, which is known once [`Self::sort`] was called.
    pub fn add(&mut self, object: Ref<'gil>, reason: Reason) -> Result<(), OutOfMemory> {
        let (word, bit) = Self::bit(object);
        self.filter.as_mut_slice()[word] |= bit;
        self.objects.push((object, reason))
    }

    /// What was added so far is known from now on.
    pub fn sort(&mut self) {
        self.objects.as_mut_slice().sort_unstable();
        self.objects
            .dedup_by(|(object, _), (kept, _)| object == kept);
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

    /// All of them, and why.
    pub fn all(&self) -> &[(Ref<'gil>, Reason)] {
        self.objects.as_slice()
    }
}
