//! What the running uWSGI says of itself: its header, and its loaded object.

use std::ops::Range;

use super::shape;
use crate::{
    elf::{Memory, Object},
    header,
};

pub(super) const OUR_HEADER: &str = include_str!("../../../uwsgi-headers/plugin.h");

/// What is taken for compatible has our members, in our order.
pub(super) fn header(input: &[u8]) -> u64 {
    let theirs = String::from_utf8_lossy(input);
    let answer = header::compatible(OUR_HEADER, &theirs);
    if let Ok(members) = &answer {
        let ours = header::members(OUR_HEADER, "uwsgi_plugin").expect("ours");
        let hosts = header::members(&theirs, "uwsgi_plugin").expect("theirs");
        assert_eq!(*members, hosts.len());
        let common = ours.len().min(hosts.len());
        assert_eq!(ours[..common], hosts[..common]);
        let through = ours.iter().position(|member| member.contains("(*atexit)"));
        assert!(through.is_some_and(|last| last < common));
        let row = |text| header::members(text, "uwsgi_option");
        assert_eq!(row(OUR_HEADER), row(&theirs));
    }
    // The name of a member is no new path.
    let kind = answer.map_err(|error| std::mem::discriminant(&error));
    shape(format!("{kind:?}"))
}

/// Where the object of the next target would have been loaded.
const BASE: usize = 0x10_0000;
/// Its dynamic section.
const DYNAMIC: Range<usize> = BASE..BASE + 8 * 16;

struct Bytes<'a>(&'a [u8]);

impl Memory for Bytes<'_> {
    fn read<const N: usize>(&self, address: usize) -> Option<[u8; N]> {
        let start = address.checked_sub(BASE)?;
        self.0.get(start..start.checked_add(N)?)?.try_into().ok()
    }
}

/// A dynamic section, two tables of relocations, symbols and their names.
pub(super) fn loaded_object() -> Vec<u8> {
    let at = |word: u64| BASE as u64 + word * 8;
    let kind = u64::from(crate::elf::KINDS[0]);
    let mut words = Vec::new();
    for [tag, value] in [
        [23, at(16)],
        [2, 48],
        [7, at(22)],
        [8, 24],
        [6, at(25)],
        [5, at(31)],
        [0, 0],
        [0, 0],
    ] {
        words.extend([tag, value]);
    }
    for [offset, info] in [[8, 1 << 32 | kind], [16, kind], [24, 1 << 32 | 1]] {
        words.extend([offset, info, 0]);
    }
    words.extend([0, 0, 0, 1, 0, 0]);
    let mut bytes: Vec<u8> = words
        .iter()
        .flat_map(|word: &u64| word.to_ne_bytes())
        .collect();
    bytes.extend(b"\0exit\0abort\0");
    bytes
}

/// Slots are whole words.
pub(super) fn relocations(input: &[u8]) -> u64 {
    let object = Object::new(Bytes(input), BASE, DYNAMIC);
    let mut found = 0u64;
    for slot in object.slots_of(b"exit") {
        assert_eq!(slot % size_of::<usize>(), 0);
        found += 1;
    }
    assert!(found <= 2 * input.len() as u64 / 24 + 2);
    shape(found)
}
