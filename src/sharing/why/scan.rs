//! What lies on copied pages. A page is put down to the objects on it that changed, or to all of them if
//! none did.

use super::{
    causes::{cause, is_changed, Cause, Object},
    classes::Classes,
    survey::{page_size, Kind, Page},
};
use crate::{
    linux::{
        memory::Memory,
        mmap_vec::{MmapVec, OutOfMemory},
    },
    python::blocks::{is_count, Roots},
};

/// Of more pages than that, every second, third .. is looked at, and stands for those that follow it.
const MOST: usize = 8_000;

/// Words behind a page that are looked at, too: an object that begins there may have its head on the page.
const BEYOND: usize = 2;

/// Bytes by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Causes {
    /// See [`Cause`].
    pub reference_counts: u64,
    /// See [`Cause`].
    pub collection: u64,
    /// See [`Cause`].
    pub writes: u64,
    /// See [`Cause`].
    pub unknown: u64,
}

/// Reads a page and what is beyond, of which there may be nothing.
fn read(memory: &Memory, address: u64, into: &mut [u64]) -> bool {
    let end = into.len() - BEYOND;
    memory.read(address, into) || {
        into[end..].fill(0);
        memory.read(address, &mut into[..end])
    }
}

/// What was found on the pages so far, in bytes of whole pages.
pub struct Scan<'a> {
    memory: &'a Memory,
    original: Option<&'a Memory>,
    /// See [`cause`].
    collected: bool,
    /// Inherited objects, but for code objects.
    pub classes: Classes,
    /// Code objects.
    pub code: u64,
    /// Objects that came where the original has something else, or nothing.
    pub free_blocks: u64,
    /// Malloc'ed memory that holds no object, and the rest of pages where objects are.
    pub malloc: u64,
    /// Tables of dicts and lists, data of libraries, stacks.
    pub other: u64,
    /// What wrote there.
    pub causes: Causes,
}

impl<'a> Scan<'a> {
    /// Of a process's memory beside its original.
    pub fn new(
        memory: &'a Memory,
        original: Option<&'a Memory>,
        roots: Option<Roots>,
        collected: bool,
    ) -> Result<Self, OutOfMemory> {
        Ok(Self {
            memory,
            original,
            collected,
            classes: Classes::new(roots)?,
            code: 0,
            free_blocks: 0,
            malloc: 0,
            other: 0,
            causes: Causes::default(),
        })
    }

    /// Looks at pages.
    pub fn look_at(&mut self, pages: &[Page]) -> Result<(), OutOfMemory> {
        let words = page_size() as usize / 8 + BEYOND;
        let (mut own, mut original) = (MmapVec::filled(0, words)?, MmapVec::filled(0, words)?);
        let mut objects = MmapVec::new();
        for run in pages.chunks(pages.len().div_ceil(MOST).max(1)) {
            let bytes = run.len() as u64 * page_size();
            let page = run[0];
            let (own, original) = (own.as_mut_slice(), original.as_mut_slice());
            if !read(self.memory, page.address, own) {
                // It is gone since it was counted.
                (self.other, self.causes.unknown) =
                    (self.other + bytes, self.causes.unknown + bytes);
                continue;
            }
            let is_known = self
                .original
                .is_some_and(|it| read(it, page.address, original));
            let original = is_known.then_some(&*original);
            while objects.pop().is_some() {}
            if page.kind != Kind::Other {
                self.objects_on(own, original, &mut objects)?;
            }
            let objects = objects.as_slice();
            let cause = original.map_or(Cause::Unknown, |original| {
                let end = own.len() - BEYOND;
                cause(&own[..end], &original[..end], objects, self.collected)
            });
            *match cause {
                Cause::ReferenceCounts => &mut self.causes.reference_counts,
                Cause::Collection => &mut self.causes.collection,
                Cause::Writes => &mut self.causes.writes,
                Cause::Unknown => &mut self.causes.unknown,
            } += bytes;
            self.put_down(page, bytes, own, original, objects);
        }
        Ok(())
    }

    /// Everything on a page that looks like an object, in its order.
    fn objects_on(
        &mut self,
        own: &[u64],
        original: Option<&[u64]>,
        objects: &mut MmapVec<Object>,
    ) -> Result<(), OutOfMemory> {
        let mut word = 0;
        // Blocks begin at multiples of 16, and so do objects in them.
        while word + 2 <= own.len() {
            let found = if is_count(own[word]) {
                self.classes.at(own[word + 1], self.memory)?
            } else {
                None
            };
            let Some(class) = found else {
                word += 2;
                continue;
            };
            let shape = self.classes.get(class).class;
            if word >= own.len() - BEYOND && !shape.is_collected() {
                break;
            }
            let was_it = |it: &[u64]| it[word + 1] == own[word + 1] && is_count(it[word]);
            objects.push(Object {
                word,
                class,
                is_collected: shape.is_collected(),
                is_new: !original.is_none_or(was_it),
            })?;
            let third = own.get(word + 2).copied().unwrap_or(0);
            word += shape.words(third).next_multiple_of(2).max(2);
        }
        Ok(())
    }

    fn put_down(
        &mut self,
        page: Page,
        bytes: u64,
        own: &[u64],
        original: Option<&[u64]>,
        objects: &[Object],
    ) {
        let changed = |index| original.is_some_and(|it| is_changed(own, it, objects, index));
        let any = (0..objects.len()).any(changed);
        let takes_part = |index: &usize| !any || changed(*index);
        let end = own.len() - BEYOND;
        let is_written = original.is_some_and(|it| it[..end] != own[..end]);
        let is_of_nobody = objects.is_empty() || is_written && !any;
        if is_of_nobody {
            *match page.kind {
                Kind::Malloc => &mut self.malloc,
                _ => &mut self.other,
            } += bytes;
            return;
        }
        let share = |index: usize| self.extent(own, objects, index, page.kind);
        let parts: u64 = (0..objects.len()).filter(takes_part).map(share).sum();
        // In an arena all that lies on a page is of objects; elsewhere anything is.
        let whole = match page.kind {
            Kind::Malloc => parts.max(own.len() as u64),
            _ => parts,
        };
        let mut left = bytes;
        let stands_for = bytes / page_size();
        for index in (0..objects.len()).filter(takes_part) {
            let part =
                (bytes * self.extent(own, objects, index, page.kind) / whole.max(1)).min(left);
            left -= part;
            let object = objects[index];
            if object.is_new {
                self.free_blocks += part;
            } else if self.classes.is_code(object.class) {
                self.code += part;
            } else {
                let class = self.classes.get(object.class);
                class.bytes += part;
                let begins_here = object.word < own.len() - BEYOND;
                class.objects += stands_for * u64::from(begins_here);
                class.pages += if class.last == page.address {
                    0
                } else {
                    stands_for
                };
                class.last = page.address;
            }
        }
        *match page.kind {
            Kind::Malloc => &mut self.malloc,
            _ => &mut self.other,
        } += left;
    }

    /// How many words an object is given: up to the next one, where those between can only be its own.
    fn extent(&self, own: &[u64], objects: &[Object], index: usize, kind: Kind) -> u64 {
        let object = objects[index];
        let end = objects.get(index + 1).map_or(own.len(), |next| next.word);
        let to_next = end - object.word;
        let words = match kind {
            Kind::Malloc => {
                let third = own.get(object.word + 2).copied().unwrap_or(0);
                self.classes.shape(object.class).words(third).min(to_next)
            }
            // The largest block of an arena.
            _ => to_next.min(64),
        };
        words as u64
    }
}
