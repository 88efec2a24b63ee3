//! Which pages are private, by mapping, and which of them were inherited.

use std::collections::BTreeMap;

use crate::{
    linux::{
        mappings::{self, Mapping},
        memory::Memory,
        mmap_vec::{MmapVec, OutOfMemory},
        pagemap::Entry,
    },
    python::blocks::{is_pool, POOL, POOL_WORDS},
};

/// A mapping of more than this is told by smaps alone: nobody fills it, and its pages would take long
/// to look at.
const LARGEST: u64 = 64 << 30;

/// What a page can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Objects, one beside the other.
    Arena,
    /// Whatever was malloc'ed.
    Malloc,
    /// Data of libraries, stacks.
    Other,
}

/// A private page that was inherited.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Its first byte.
    pub address: u64,
    /// What it can hold.
    pub kind: Kind,
}

/// Bytes of the private pages of a mapping, or of several with one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Private {
    /// Never inherited.
    pub new: u64,
    /// Inherited once.
    pub copied: u64,
}

/// All private pages of a process.
#[derive(Default)]
pub struct Survey {
    /// By what the mappings are called.
    pub mappings: BTreeMap<String, Private>,
    /// The copied ones, in the order of addresses.
    pub copied: MmapVec<Page>,
}

impl Survey {
    /// From smaps alone: nothing is known to be copied.
    pub fn by_smaps(smaps: &[u8]) -> Self {
        let mut survey = Self::default();
        let mut before = None;
        for mapping in mappings::each(smaps) {
            survey.add(&mapping, before.as_ref(), Kind::Other, mapping.private, 0);
            before = Some(mapping);
        }
        survey
    }

    /// Page by page. A page is copied if it is private here and `original` has one at its place.
    pub fn by_pages(
        smaps: &[u8],
        memory: &Memory,
        original: Option<&Memory>,
    ) -> Result<Self, OutOfMemory> {
        let mut survey = Self::default();
        let mut before = None;
        for mapping in mappings::each(smaps) {
            if mapping.private > 0 {
                survey.page_by_page(&mapping, before.as_ref(), memory, original)?;
            }
            before = Some(mapping);
        }
        Ok(survey)
    }

    /// Private bytes of all mappings.
    pub fn private(&self) -> u64 {
        self.mappings.values().map(|it| it.new + it.copied).sum()
    }

    /// Copied bytes of all mappings.
    pub fn copied_bytes(&self) -> u64 {
        self.mappings.values().map(|it| it.copied).sum()
    }

    fn page_by_page(
        &mut self,
        mapping: &Mapping<'_>,
        before: Option<&Mapping<'_>>,
        memory: &Memory,
        original: Option<&Memory>,
    ) -> Result<(), OutOfMemory> {
        if mapping.end - mapping.start > LARGEST {
            self.add(mapping, before, Kind::Other, mapping.private, 0);
            return Ok(());
        }
        let original = original.filter(|_| !mapping.is_shared);
        let size = page_size();
        let (mut own, mut theirs) = ([0; 1024], [0; 1024]);
        let (mut kind, mut private) = (None, Private::default());
        let mut page = mapping.start / size;
        while page < mapping.end / size {
            let wanted = (mapping.end / size - page).min(own.len() as u64) as usize;
            let got = memory.pages().entries(page, &mut own[..wanted]);
            if got == 0 {
                break;
            }
            let is_private = |entry: &u64| Entry(*entry).is_private();
            if own[..got].iter().any(is_private) {
                let known = original.map_or(0, |it| it.pages().entries(page, &mut theirs[..got]));
                for at in (0..got).filter(|&at| is_private(&own[at])) {
                    let address = (page + at as u64) * size;
                    let kind = *kind.get_or_insert_with(|| kind_of(mapping, memory, address));
                    if at < known && Entry(theirs[at]).is_there() {
                        private.copied += size;
                        self.copied.push(Page { address, kind })?;
                    } else {
                        private.new += size;
                    }
                }
            }
            page += got as u64;
        }
        let kind = kind.unwrap_or(Kind::Other);
        self.add(mapping, before, kind, private.new, private.copied);
        Ok(())
    }

    fn add(
        &mut self,
        mapping: &Mapping<'_>,
        before: Option<&Mapping<'_>>,
        kind: Kind,
        new: u64,
        copied: u64,
    ) {
        if new + copied > 0 {
            let sum = self
                .mappings
                .entry(name(mapping, before, kind))
                .or_default();
            sum.new += new;
            sum.copied += copied;
        }
    }
}

/// The size of a page.
pub fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

/// What a mapping holds, by the first private page in it and some behind that.
fn kind_of(mapping: &Mapping<'_>, memory: &Memory, first: u64) -> Kind {
    const TRIED: u64 = 8;
    if mapping.name == b"[heap]" {
        return Kind::Malloc;
    }
    if !mapping.is_anonymous() || !mapping.is_writable {
        return Kind::Other;
    }
    let step = ((mapping.end - first) / TRIED).max(POOL);
    let pools = (0..TRIED).map(|i| (first + i * step) & !(POOL - 1));
    let inside = pools.filter(|pool| (mapping.start..mapping.end).contains(pool));
    let mut words = [0; POOL_WORDS];
    let is_arena = inside
        .into_iter()
        .any(|pool| memory.read(pool, &mut words) && is_pool(&words));
    if is_arena {
        Kind::Arena
    } else {
        Kind::Malloc
    }
}

fn name(mapping: &Mapping<'_>, before: Option<&Mapping<'_>>, kind: Kind) -> String {
    let text = |name| String::from_utf8_lossy(name).into_owned();
    match mapping.name {
        _ if kind == Kind::Arena => "python arenas".into(),
        b"[heap]" => "malloc heap".into(),
        b"[stack]" => "stack".into(),
        name if !mapping.is_anonymous() => text(name),
        // A library's zeros follow its data.
        _ => match before {
            Some(library) if library.is_file() && library.end == mapping.start => {
                text(library.name)
            }
            _ => {
                let megabytes = ((mapping.end - mapping.start) >> 20).max(1);
                format!("anonymous, up to {} MB", megabytes.next_power_of_two())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &[u8] = b"\
1000-3000 rw-p 00000000 08:01 5  /lib/a.so\n\
Private_Dirty: 4 kB\n\
3000-9000 rw-p 00000000 00:00 0 \n\
Private_Dirty: 8 kB\n\
10000-20000 rw-p 00000000 00:00 0  [heap]\n\
Private_Clean: 4 kB\n\
Private_Dirty: 12 kB\n\
100000-400000 rw-p 00000000 00:00 0 \n\
Private_Dirty: 100 kB\n\
500000-600000 rw-p 00000000 00:00 0  [stack]\n";

    #[test]
    fn mappings_have_the_names_that_people_know() {
        let survey = Survey::by_smaps(SMAPS);
        let new = |name: &str| survey.mappings[name].new >> 10;
        assert_eq!(new("/lib/a.so"), 12);
        assert_eq!(new("malloc heap"), 16);
        assert_eq!(new("anonymous, up to 4 MB"), 100);
        assert_eq!((survey.private() >> 10, survey.copied_bytes()), (128, 0));
        assert_eq!(survey.mappings.len(), 3);
    }

    #[test]
    fn pages_add_up_to_what_smaps_says() {
        let memory = Memory::own().unwrap();
        // Other tests allocate meanwhile, or fork: for that moment nothing is private.
        let adds_up = || {
            let text = crate::linux::memory::own_mappings().unwrap();
            let by_smaps = Survey::by_smaps(text.as_slice()).private();
            let by_pages = Survey::by_pages(text.as_slice(), &memory, Some(&memory)).unwrap();
            // A process that is its own original has copied all but what is shared.
            let copied = by_pages.copied_bytes();
            let pages = by_pages.copied.as_slice().len() as u64;
            assert_eq!(pages * page_size(), copied);
            let about = |bytes: u64| by_pages.private().abs_diff(bytes) < by_smaps / 10;
            about(by_smaps) && about(copied)
        };
        assert!((0..1000).any(|_| adds_up()));
    }
}
