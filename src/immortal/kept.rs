//! The objects that stay mortal, by address.

use std::ops::RangeInclusive;

use super::reason::Reason;
use crate::{
    linux::mmap_vec::{MmapVec, OutOfMemory},
    python::object::{Ref, Tagged},
};

/// Objects that are to be left alone, and why.
pub struct KeptMortal<'gil> {
    /// Each with its reason, in a word: first those that are known, each once and by address, then what was
    /// added since.
    objects: MmapVec<Tagged<'gil>>,
    known: usize,
    /// With so many objects it is time to look which were added twice.
    full: usize,
    /// A bit for a hash of the address of everything that is known: most questions end here.
    filter: MmapVec<u64>,
}

/// From 4 kB, which is always in a cache, to 512 kB, which a second-level cache holds.
const FILTER_BITS: RangeInclusive<usize> = 1 << 15..=1 << 22;
/// So many of them an object: one in so many questions about others does not end there.
const BITS_EACH: usize = 64;
/// So many may be added twice before somebody looks.
const FEW: usize = 4096;

impl<'gil> KeptMortal<'gil> {
    /// Empty.
    pub fn new() -> Result<Self, OutOfMemory> {
        Ok(Self {
            objects: MmapVec::new(),
            known: 0,
            full: FEW,
            filter: MmapVec::filled(0, FILTER_BITS.start() / 64)?,
        })
    }

    fn bit(&self, object: Ref<'_>) -> (usize, u64) {
        // Objects are aligned to 16 bytes; Knuth's multiplier spreads neighbours.
        let hash = (object.address() >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let words = self.filter.as_slice().len();
        (hash >> 32 & (words - 1), 1 << (hash >> 58))
    }

    /// Adds an object, which is known once [`Self::sort`] was called.
    pub fn add(&mut self, object: Ref<'gil>, reason: Reason) -> Result<(), OutOfMemory> {
        if self.objects.as_slice().len() >= self.full {
            self.sort_from(self.known);
            self.full = self.objects.as_slice().len() / 2 * 3 + FEW;
        }
        self.objects.push(object.tagged(reason as u8))
    }

    /// What was added so far is known from now on.
    pub fn sort(&mut self) -> Result<(), OutOfMemory> {
        self.sort_from(0);
        self.known = self.objects.as_slice().len();
        let bits = (self.known * BITS_EACH).next_power_of_two();
        let bits = bits.clamp(*FILTER_BITS.start(), *FILTER_BITS.end());
        self.filter = MmapVec::filled(0, bits / 64)?;
        for place in 0..self.known {
            let (word, bit) = self.bit(self.at(place).0);
            self.filter.as_mut_slice()[word] |= bit;
        }
        Ok(())
    }

    /// Each object once from there on, with the first of its reasons.
    fn sort_from(&mut self, start: usize) {
        self.objects.as_mut_slice()[start..].sort_unstable();
        self.objects
            .dedup_from(start, |one, before| one.object() == before.object());
    }

    /// Why the object is to be left alone, if that is known.
    #[inline]
    pub fn why(&self, object: Ref<'gil>) -> Option<Reason> {
        let (word, bit) = self.bit(object);
        match self.filter.as_slice()[word] & bit {
            0 => None,
            _ => self.search(object),
        }
    }

    #[inline(never)]
    fn search(&self, object: Ref<'gil>) -> Option<Reason> {
        let known = &self.objects.as_slice()[..self.known];
        let place = known.partition_point(|kept| *kept < object.tagged(0));
        let found = known.get(place)?;
        (found.object() == object).then(|| Reason::of_tag(found.tag()))
    }

    /// How many are known.
    pub fn known(&self) -> usize {
        self.known
    }

    /// One of those that are known, and why.
    pub fn at(&self, place: usize) -> (Ref<'gil>, Reason) {
        let kept = self.objects.as_slice()[place];
        (kept.object(), Reason::of_tag(kept.tag()))
    }

    /// All that are known, and why.
    pub fn all(&self) -> impl Iterator<Item = (Ref<'gil>, Reason)> + '_ {
        (0..self.known).map(|place| self.at(place))
    }

    /// How much memory the objects take.
    pub fn bytes(&self) -> usize {
        size_of_val(self.objects.as_slice())
    }
}
