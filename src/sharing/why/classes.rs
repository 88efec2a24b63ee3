//! The classes that were met, each looked at once.

use crate::{
    linux::{
        memory::Memory,
        mmap_vec::{MmapVec, OutOfMemory},
    },
    python::blocks::{is_class, Class, Roots, CLASS_WORDS},
};

/// Places of the table: twice as many as there can be classes.
const PLACES: usize = 1 << 15;
/// Addresses at which no class is, the latest of each place.
const REFUSED: usize = 1 << 12;

/// A class, and what of its objects was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Where the class lies.
    pub address: u64,
    /// What it says of its objects.
    pub class: Class,
    /// Objects on pages that were looked at.
    pub objects: u64,
    /// How many such pages.
    pub pages: u64,
    /// Bytes of copied pages that are put down to it.
    pub bytes: u64,
    /// The page that was counted last.
    pub last: u64,
}

/// All of them.
pub struct Classes {
    roots: Option<Roots>,
    /// Indexes into `found`, plus 1; 0: free.
    places: MmapVec<u32>,
    found: MmapVec<Found>,
    refused: MmapVec<u64>,
}

impl Classes {
    /// None was met yet.
    pub fn new(roots: Option<Roots>) -> Result<Self, OutOfMemory> {
        Ok(Self {
            roots,
            places: MmapVec::filled(0, PLACES)?,
            found: MmapVec::new(),
            refused: MmapVec::filled(0, REFUSED)?,
        })
    }

    /// The number of the class at that address, if one is there.
    pub fn at(&mut self, address: u64, memory: &Memory) -> Result<Option<usize>, OutOfMemory> {
        let Some(roots) = self.roots.filter(|_| address % 8 == 0 && address > 0xffff) else {
            return Ok(None);
        };
        let hash = (address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let mut place = hash as usize % PLACES;
        loop {
            match self.places.as_slice()[place] as usize {
                0 => break,
                index if self.found.as_slice()[index - 1].address == address => {
                    return Ok(Some(index - 1))
                }
                _ => place = (place + 1) % PLACES,
            }
        }
        let refused = &mut self.refused.as_mut_slice()[hash as usize % REFUSED];
        if *refused == address {
            return Ok(None);
        }
        let class = is_class(roots, address, |at| words(memory, at));
        let is_full = self.found.as_slice().len() >= PLACES / 2;
        let Some(class) = class.filter(|_| !is_full) else {
            *refused = address;
            return Ok(None);
        };
        self.found.push(Found {
            address,
            class,
            objects: 0,
            pages: 0,
            bytes: 0,
            last: 0,
        })?;
        let count = self.found.as_slice().len();
        self.places.as_mut_slice()[place] = count as u32;
        Ok(Some(count - 1))
    }

    /// A class by its number.
    pub fn get(&mut self, index: usize) -> &mut Found {
        &mut self.found.as_mut_slice()[index]
    }

    /// What it says of its objects.
    pub fn shape(&self, index: usize) -> Class {
        self.found.as_slice()[index].class
    }

    /// Its objects are code objects.
    pub fn is_code(&self, index: usize) -> bool {
        self.roots.map(|roots| roots.code) == Some(self.found.as_slice()[index].address)
    }

    /// Those to which bytes are put down, the most first.
    pub fn by_bytes(&self) -> Vec<Found> {
        let with_bytes = self.found.as_slice().iter().filter(|it| it.bytes > 0);
        let mut classes: Vec<Found> = with_bytes.copied().collect();
        classes.sort_by_key(|it| (std::cmp::Reverse(it.bytes), it.address));
        classes
    }
}

/// The words of what may be a class.
pub fn words(memory: &Memory, address: u64) -> Option<[u64; CLASS_WORDS]> {
    let mut words = [0; CLASS_WORDS];
    memory.read(address, &mut words).then_some(words)
}
