//! Files of /proc that tell of memory.

use std::{fs::File, os::fd::OwnedFd};

use super::{scratch, shape, texts};
use crate::{
    mappings,
    pagemap::{Entry, Pages},
    smaps::Usage,
};

pub(super) fn smaps_texts() -> Vec<Vec<u8>> {
    texts(&[
        include_str!("../../corpus/smaps/rollup-linux-6.18"),
        include_str!("../../corpus/smaps/mappings-linux-6.18"),
        include_str!("../../corpus/smaps/rollup-linux-4.19"),
    ])
}

/// Sums only grow, whatever a line says.
pub(super) fn smaps(input: &[u8]) -> u64 {
    let mut usage = Usage::default();
    for line in input.split(|&c| c == b'\n') {
        let before = usage;
        usage.add_line(line);
        let grew = [
            before.shared <= usage.shared,
            before.private <= usage.private,
            before.pss <= usage.pss,
            before.ksm <= usage.ksm,
        ];
        assert_eq!(grew, [true; 4], "{before:?} {usage:?}");
    }
    let Usage {
        shared,
        private,
        pss,
        ksm,
    } = usage;
    shape([shared, private, pss, ksm].map(|sum| sum.checked_ilog2()))
}

/// A mapping has a line of its own, does not end before it begins, and its name is within that line.
pub(super) fn mappings(input: &[u8]) -> u64 {
    let (lines, mut found) = (input.split(|&c| c == b'\n').count(), 0);
    let mut kinds = 0u8;
    for mapping in mappings::each(input) {
        found += 1;
        assert!(mapping.start <= mapping.end, "{mapping:?}");
        assert!(!mapping.name.contains(&b'\n'), "{mapping:?}");
        assert!(
            !(mapping.is_file() && mapping.is_anonymous()),
            "{mapping:?}"
        );
        kinds |= u8::from(mapping.is_file()) | u8::from(mapping.is_shared) << 1;
    }
    assert!(found <= lines);
    shape((found.checked_ilog2(), kinds))
}

/// Every kind of page that Linux tells of (Documentation/admin-guide/mm/pagemap.rst).
pub(super) fn pagemap_entries() -> Vec<u8> {
    let entries = [
        0x8080_0000_0000_0000u64,
        0x8180_0000_0000_0000,
        0xa000_0000_0000_0000,
        0,
        0x4000_0000_0000_0c02,
    ];
    entries.into_iter().flat_map(u64::to_ne_bytes).collect()
}

/// What is read are the words of the file, whole ones, as many as there are; a private page is there.
pub(super) fn pagemap(input: &[u8]) -> u64 {
    let file = scratch(input);
    let pages = Pages::from(OwnedFd::from(File::open(file).expect("it is there")));
    let whole: Vec<u64> = input
        .chunks_exact(8)
        .map(|word| u64::from_ne_bytes(word.try_into().expect("8 bytes")))
        .collect();
    let mut read = [0; 64];
    // Page numbers from anywhere in the file, behind its end, and the last that an address can have.
    let last = whole.len() as u64;
    for page in [0, 1, last / 2, last, last + 1, u64::MAX >> 12] {
        for room in [0, 1, read.len()] {
            let count = pages.entries(page, &mut read[..room]);
            let there = whole.get(page as usize..).unwrap_or_default();
            assert_eq!(read[..count], there[..room.min(there.len())]);
        }
    }
    let told = |entry: &u64| (Entry(*entry).is_there(), Entry(*entry).is_private());
    assert!(whole
        .iter()
        .map(told)
        .all(|(there, private)| there || !private));
    let private = whole.iter().filter(|entry| told(entry).1).count();
    shape((whole.len().checked_ilog2(), private.checked_ilog2()))
}
