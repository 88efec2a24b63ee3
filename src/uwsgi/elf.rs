//! The dynamic section of a loaded object: where its relocations put the addresses of functions.
//!
//! No I/O and no trust: what the section says is looked up in the object's own [`Memory`], and what
//! leads out of it, or does not end, is as if it were not there.

use std::ops::Range;

/// `R_*_JUMP_SLOT` and `R_*_GLOB_DAT` (elf.h).
#[cfg(target_arch = "x86_64")]
pub const KINDS: [u32; 2] = [7, 6];
/// `R_*_JUMP_SLOT` and `R_*_GLOB_DAT` (elf.h).
#[cfg(target_arch = "aarch64")]
pub const KINDS: [u32; 2] = [1026, 1025];

/// `DT_*` of a dynamic section (elf.h).
const PLTRELSZ: u64 = 2;
const STRTAB: u64 = 5;
const SYMTAB: u64 = 6;
const RELA: u64 = 7;
const RELASZ: u64 = 8;
const JMPREL: u64 = 23;

/// Sizes of `Elf64_Dyn`, `Elf64_Rela` and `Elf64_Sym`, in bytes.
const DYN: usize = 16;
const REL: usize = 24;
const SYM: usize = 24;

/// What an object that was loaded into this process has in memory.
pub trait Memory {
    /// The bytes from an address on; `None` if not all of them belong to the object.
    fn read<const N: usize>(&self, address: usize) -> Option<[u8; N]>;
}

/// One loaded object.
pub struct Object<M> {
    memory: M,
    /// What was added to the addresses in its file.
    base: usize,
    dynamic: Range<usize>,
}

impl<M: Memory> Object<M> {
    /// An object loaded at `base` whose dynamic section lies in `dynamic`.
    pub fn new(memory: M, base: usize, dynamic: Range<usize>) -> Self {
        Self {
            memory,
            base,
            dynamic,
        }
    }

    /// Where the loader put the address of that function: whoever writes there stands in the
    /// object's calls of it.
    pub fn slots_of<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let names = self.pointer(SYMTAB).zip(self.pointer(STRTAB));
        let tables = [(JMPREL, PLTRELSZ), (RELA, RELASZ)];
        let relocations = tables
            .into_iter()
            .flat_map(move |(table, size)| self.relocations(table, size));
        relocations
            .filter(move |(_, kind, symbol)| {
                let is_named = |(symbols, strings)| self.is_named(symbols, strings, *symbol, name);
                KINDS.contains(kind) && names.is_some_and(is_named)
            })
            .filter_map(|(offset, ..)| {
                let slot = self.base.checked_add(usize::try_from(offset).ok()?)?;
                (slot % size_of::<usize>() == 0).then_some(slot)
            })
    }

    fn word(&self, address: usize) -> Option<u64> {
        self.memory.read(address).map(u64::from_ne_bytes)
    }

    /// The entry of the dynamic section with that tag.
    fn entry(&self, tag: u64) -> Option<u64> {
        let last = self.dynamic.end.checked_sub(DYN)?;
        let mut at = self.dynamic.start;
        while at <= last {
            match self.word(at)? {
                0 => return None,
                found if found == tag => return self.word(at + 8),
                _ => at += DYN,
            }
        }
        None
    }

    /// An address out of the dynamic section: glibc has added the base, other loaders leave offsets.
    fn pointer(&self, tag: u64) -> Option<usize> {
        let value = usize::try_from(self.entry(tag)?).ok()?;
        if value < self.base {
            self.base.checked_add(value)
        } else {
            Some(value)
        }
    }

    /// Offset, kind and symbol of every relocation of a table, as far as it lies in the object.
    fn relocations(&self, table: u64, size: u64) -> impl Iterator<Item = (u64, u32, u32)> + '_ {
        let place = self.pointer(table).zip(self.entry(size));
        let (start, bytes) = place.unwrap_or((0, 0));
        let count = usize::try_from(bytes).unwrap_or(0) / REL;
        (0..count).map_while(move |index| {
            let at = start.checked_add(index.checked_mul(REL)?)?;
            let (offset, info) = (self.word(at)?, self.word(at.checked_add(8)?)?);
            Some((offset, info as u32, (info >> 32) as u32))
        })
    }

    /// The symbol of that index has that name.
    fn is_named(&self, symbols: usize, strings: usize, index: u32, name: &[u8]) -> bool {
        let compare = || {
            let symbol = symbols.checked_add(usize::try_from(index).ok()?.checked_mul(SYM)?)?;
            let offset = u32::from_ne_bytes(self.memory.read(symbol)?);
            let start = strings.checked_add(usize::try_from(offset).ok()?)?;
            let expected = name.iter().chain(&[0]);
            for (place, byte) in expected.enumerate() {
                if self.memory.read::<1>(start.checked_add(place)?)? != [*byte] {
                    return Some(false);
                }
            }
            Some(true)
        };
        compare() == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes from an address on.
    struct Bytes(usize, Vec<u8>);

    impl Memory for Bytes {
        fn read<const N: usize>(&self, address: usize) -> Option<[u8; N]> {
            let start = address.checked_sub(self.0)?;
            self.1.get(start..start.checked_add(N)?)?.try_into().ok()
        }
    }

    const BASE: usize = 0x1000;

    /// A dynamic section, then a table of relocations, two symbols, their names.
    fn object(dynamic: &[[u64; 2]], relocations: &[[u64; 2]]) -> Object<Bytes> {
        let mut words: Vec<u64> = dynamic.iter().flatten().copied().collect();
        words.resize(16, 0);
        for [offset, info] in relocations {
            words.extend([*offset, *info, 0]);
        }
        words.resize(40, 0);
        // st_name of symbol 0 is 0, that of symbol 1 is 1.
        words.extend([0, 0, 0, 1, 0, 0]);
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.extend(b"\0exit\0");
        let end = BASE + dynamic.len() * DYN;
        Object::new(Bytes(BASE, bytes), BASE, BASE..end)
    }

    const SYMBOLS: [u64; 2] = [SYMTAB, 0x1000 + 40 * 8];
    const STRINGS: [u64; 2] = [STRTAB, 0x1000 + 46 * 8];
    const TABLE: [u64; 2] = [JMPREL, 0x1000 + 16 * 8];
    const END: [u64; 2] = [0, 0];

    fn found(dynamic: &[[u64; 2]], relocations: &[[u64; 2]]) -> Vec<usize> {
        object(dynamic, relocations).slots_of(b"exit").collect()
    }

    fn info(kind: u32, symbol: u64) -> u64 {
        symbol << 32 | u64::from(kind)
    }

    #[test]
    fn slots_are_told_from_other_relocations() {
        let all = [
            [8, info(KINDS[0], 1)],
            [16, info(1, 1)],
            [24, info(KINDS[1], 1)],
            [32, info(KINDS[0], 0)],
        ];
        let dynamic = [TABLE, [PLTRELSZ, 4 * 24], SYMBOLS, STRINGS, END];
        assert_eq!(found(&dynamic, &all), [BASE + 8, BASE + 24]);
        let offsets = [TABLE[0], TABLE[1] - 0x1000];
        let dynamic = [offsets, [PLTRELSZ, 4 * 24], SYMBOLS, STRINGS, END];
        assert_eq!(found(&dynamic, &all), [BASE + 8, BASE + 24]);
    }

    #[test]
    fn what_leads_out_of_the_object_is_not_there() {
        let slot = [8, info(KINDS[0], 1)];
        let whole = [TABLE, [PLTRELSZ, 24], SYMBOLS, STRINGS, END];
        assert_eq!(found(&whole, &[slot]), [BASE + 8]);
        for (place, value) in [
            (0, u64::MAX),
            (0, 0xffff_f000),
            (1, 0),
            (2, u64::MAX - 7),
            (3, 0x9_0000),
        ] {
            let mut broken = whole;
            broken[place][1] = value;
            assert!(found(&broken, &[slot]).is_empty(), "{place}: {value:x}");
        }
        // A table that has no end is read as far as the object goes.
        let endless = [TABLE, [PLTRELSZ, u64::MAX], SYMBOLS, STRINGS, END];
        assert_eq!(found(&endless, &[slot]), [BASE + 8]);
        assert!(found(&whole, &[[8, info(KINDS[0], 0xffff_ffff)]]).is_empty());
        assert!(found(&whole, &[[9, info(KINDS[0], 1)]]).is_empty());
        assert!(found(&whole, &[[u64::MAX - 7, info(KINDS[0], 1)]]).is_empty());
        assert!(found(&[TABLE, SYMBOLS], &[slot]).is_empty());
        assert!(found(&[], &[slot]).is_empty());
    }
}
