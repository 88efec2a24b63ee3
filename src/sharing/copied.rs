//! How much of a process's private memory was inherited once and copied since: pages that are its own,
//! while the master has one at the same place. The rest it made.

use crate::linux::{
    mappings::{self, Mapping},
    memory::own_mappings,
    pagemap::{Entry, Pages},
};

/// Of more pages than that, which are 128 MB, every second, third .. part is looked at and stands for the
/// others: a look takes 3 ms at most.
const MOST: u64 = 32_768;
/// Pages that are read at once.
const PART: u64 = 512;
/// A mapping of which less than one page in so many is there is left out: its holes would take their time.
const SPARSE: u64 = 64;

/// Milliseconds that a list of what the master has is good for: all that is inherited was there before. It takes
/// 13 ms for a process of 1 GB.
const LISTED: i64 = 60_000;

/// What the master has, if it can see that, and when it was listed.
#[derive(Default)]
pub struct Listed(Option<(i64, Option<Original>)>);

impl Listed {
    /// Bytes that a process which inherited from this one has copied, in the millisecond `now`; none where that
    /// cannot be seen.
    pub fn copied_by(&mut self, process: &Pages, now: i64) -> Option<u64> {
        self.0 = self.0.take().filter(|(at, _)| now - at <= LISTED);
        let (_, original) = self.0.get_or_insert_with(|| (now, Original::own()));
        Some(original.as_ref()?.copied_by(process, now.unsigned_abs()))
    }
}

/// The other side of every look.
struct Original {
    pages: Pages,
    /// Page numbers, from and to.
    ranges: Vec<(u64, u64)>,
    /// Pages that are there, about.
    resident: u64,
}

impl Original {
    /// Of the calling process; none where it cannot see its own pages.
    fn own() -> Option<Self> {
        let size = rustix::param::page_size() as u64;
        let (pages, smaps) = (Pages::own().ok()?, own_mappings().ok()?);
        let may_be_copied = |mapping: &Mapping<'_>| {
            let pages = (mapping.end - mapping.start) / size;
            let is_dense = pages / SPARSE <= mapping.resident / size;
            mapping.is_writable && !mapping.is_shared && mapping.resident > 0 && is_dense
        };
        let (mut ranges, mut resident) = (Vec::new(), 0);
        for mapping in mappings::each(smaps.as_slice()).filter(may_be_copied) {
            ranges.push((mapping.start / size, mapping.end / size));
            resident += mapping.resident / size;
        }
        Some(Self {
            pages,
            ranges,
            resident,
        })
    }

    /// `turn` says which parts are looked at, where not all are.
    fn copied_by(&self, process: &Pages, turn: u64) -> u64 {
        let step = self.resident.div_ceil(MOST).max(1);
        let (mut own, mut other) = ([0; PART as usize], [0; PART as usize]);
        let (mut part, mut copied) = (turn % step, 0);
        for &(from, to) in &self.ranges {
            for start in (from..to).step_by(PART as usize) {
                part += 1;
                if part % step != 0 {
                    continue;
                }
                let count = PART.min(to - start) as usize;
                let own = &mut own[..count];
                let known = self.pages.entries(start, own);
                if own[..known].iter().all(|entry| !Entry(*entry).is_there()) {
                    continue;
                }
                let known = process.entries(start, &mut other[..known]);
                let both = own.iter().zip(&other[..known]);
                let is_copy = |(own, other): &(&u64, &u64)| {
                    Entry(**own).is_there() && Entry(**other).is_private()
                };
                copied += both.filter(is_copy).count() as u64;
            }
        }
        copied * step * rustix::param::page_size() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of pages that are all there; this process is its own original.
    fn original(memory: &[u8]) -> Original {
        let size = rustix::param::page_size();
        let start = memory.as_ptr().addr().div_ceil(size) as u64;
        let pages = (memory.len() / size - 1) as u64;
        Original {
            pages: Pages::own().unwrap(),
            ranges: vec![(start, start + pages)],
            resident: pages,
        }
    }

    /// Another test may fork meanwhile: for that moment nothing is private.
    fn found(original: &Original, turn: u64, expected: impl Fn(u64) -> bool) -> bool {
        let pages = Pages::own().unwrap();
        (0..1000).any(|_| expected(original.copied_by(&pages, turn)))
    }

    #[test]
    fn a_process_that_is_its_own_original_has_copied_what_is_private() {
        let mut memory = vec![1u8; 8 << 20];
        let original = original(&memory);
        let bytes = original.resident * rustix::param::page_size() as u64;
        assert!(found(&original, 0, |copied| copied == bytes));
        memory.fill(2);
    }

    #[test]
    fn a_large_process_is_looked_at_in_parts() {
        let mut memory = vec![1u8; 64 << 20];
        let mut original = original(&memory);
        let bytes = original.resident * rustix::param::page_size() as u64;
        // As if there were more: every fourth part is looked at.
        original.resident = 4 * MOST;
        for turn in 0..4 {
            let about = |copied: u64| copied.abs_diff(bytes) < bytes / 10;
            assert!(found(&original, turn, about), "{turn}");
        }
        memory.fill(2);
    }

    #[test]
    fn the_master_has_pages_to_look_at() {
        let original = Original::own().unwrap();
        assert!(original.ranges.len() > 3 && original.resident > 100);
    }
}
