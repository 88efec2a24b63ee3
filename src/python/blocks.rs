//! Objects as they lie in memory, told from the words alone: for whoever looks at pages, not at
//! references. Nothing here follows a pointer; words are read by whoever asks.
//!
//! An object begins with its count and its class (Include/object.h); a class has its flags and sizes at
//! the same places in every version with a GIL (Include/cpython/object.h, `PyTypeObject`).

use std::ptr::NonNull;

use super::{
    interpreter::{Gil, Python},
    reference::{PyErr, PyRef},
};

/// How many words of a class [`Class::read`] looks at.
pub const CLASS_WORDS: usize = 22;
/// How many words of a pool of pymalloc [`is_pool`] looks at.
pub const POOL_WORDS: usize = 6;
/// A pool begins at a multiple of this (Include/internal/pycore_obmalloc.h; 4 kB up to 3.9).
pub const POOL: u64 = 16 * 1024;

/// What every class is an object of, and the class of code objects: their addresses.
#[derive(Clone, Copy, Debug)]
pub struct Roots {
    /// `type`
    pub class: u64,
    /// `types.CodeType`
    pub code: u64,
}

impl Roots {
    /// Those of this interpreter.
    pub fn find(python: &Python) -> Option<Self> {
        let address = |name| Some(python.symbols().address(name)?.addr().get() as u64);
        Some(Self {
            class: address(c"PyType_Type")?,
            code: address(c"PyCode_Type")?,
        })
    }
}

/// A word that the count of a live object could be: not 0, no pointer. (3.14 keeps flags at the top.)
pub fn is_count(word: u64) -> bool {
    word as u32 != 0 && word >> 32 & 0xffff == 0
}

/// The words are those of a pool of pymalloc: `maxnextoffset` follows from `szidx`.
pub fn is_pool(words: &[u64; POOL_WORDS]) -> bool {
    let class = words[4] >> 32;
    let last = words[5] >> 32;
    let size = (class + 1) * 16;
    class < 64 && (last + size == POOL || last + size == 4096)
}

/// What a class says of its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// The class of the class.
    pub metaclass: u64,
    flags: u64,
    basic: u64,
    item: u64,
}

impl Class {
    /// The class whose words these are, if they can be those of one that is ready and alive.
    pub fn read(words: &[u64; CLASS_WORDS]) -> Option<Self> {
        const READY: u64 = 1 << 12;
        let class = Self {
            metaclass: words[1],
            flags: words[21],
            basic: words[4],
            item: words[5],
        };
        let is_one = is_count(words[0])
            && class.flags & READY != 0
            && (16..1 << 20).contains(&class.basic)
            && class.item < 1 << 16;
        is_one.then_some(class)
    }

    /// Its objects are classes.
    pub fn makes_classes(self) -> bool {
        self.flags & 1 << 31 != 0
    }

    /// Its objects have the collector's two words before them.
    pub fn is_collected(self) -> bool {
        self.flags & 1 << 14 != 0
    }

    /// How many words an object has at least, of which the third is given.
    pub fn words(self, third: u64) -> usize {
        const TUPLE: u64 = 1 << 26;
        const BYTES: u64 = 1 << 27;
        const STR: u64 = 1 << 28;
        let length = third.min(1 << 20);
        let kind = self.flags & (TUPLE | BYTES | STR);
        let bytes = match (kind, self.basic) {
            (TUPLE, basic) => basic + 8 * length,
            (BYTES, basic) => basic + length,
            // The size that `str` tells is that of a text which lies elsewhere; nearly all are ASCII, with
            // less of a head and the text behind it (Include/cpython/unicodeobject.h: 3.12 and newer, older).
            (STR, 64) => 40 + length + 1,
            (STR, 80) => 48 + length + 1,
            (_, basic) => basic,
        };
        bytes.div_ceil(8) as usize
    }
}

/// Names classes by their addresses.
pub struct Namer<'a> {
    gil: &'a Gil<'a>,
    module: PyRef<'a>,
    name: PyRef<'a>,
}

impl<'a> Namer<'a> {
    /// `type.__module__` and `type.__qualname__`, which run no code of a class or its metaclass.
    pub fn new(gil: &'a Gil<'a>) -> Result<Self, PyErr> {
        let names = gil
            .import(c"builtins")?
            .attribute(c"type")?
            .attribute(c"__dict__")?;
        let get = |name| names.call_method(c"__getitem__", &[&gil.text(name)?]);
        Ok(Self {
            gil,
            module: get(c"__module__")?,
            name: get(c"__qualname__")?,
        })
    }

    /// `module.Class`. `read` reads the words at that address as they are now, under the GIL: what is
    /// no class any more has no name.
    pub fn name(
        &self,
        roots: Roots,
        address: u64,
        read: impl Fn(u64) -> Option<[u64; CLASS_WORDS]>,
    ) -> Option<String> {
        is_class(roots, address, read)?;
        let object = NonNull::new(std::ptr::with_exposed_provenance_mut(address as usize))?;
        // `borrowed` takes a reference of its own: the words say a class that is ready and whose count is
        // not 0, the GIL is held, and what ends a class sets its count to 0 first.
        let class = self.gil.borrowed(object.as_ptr())?;
        let text = |what: &PyRef<'_>| what.call_method(c"__get__", &[&class]).ok()?.text();
        let name = text(&self.name)?;
        Some(match text(&self.module) {
            Some(module) if module != "builtins" => format!("{module}.{name}"),
            _ => name,
        })
    }
}

/// The class at that address, if there is one: its metaclass is `type`, or one whose class that is.
pub fn is_class(
    roots: Roots,
    address: u64,
    read: impl Fn(u64) -> Option<[u64; CLASS_WORDS]>,
) -> Option<Class> {
    let class = Class::read(&read(address)?)?;
    if class.metaclass != roots.class {
        let metaclass = Class::read(&read(class.metaclass)?)?;
        (metaclass.metaclass == roots.class && metaclass.makes_classes()).then_some(())?;
    }
    Some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of(metaclass: u64, flags: u64) -> [u64; CLASS_WORDS] {
        let mut words = [0; CLASS_WORDS];
        (words[0], words[1], words[4], words[21]) = (3, metaclass, 56, flags | 1 << 12);
        words
    }

    #[test]
    fn a_class_is_one_by_its_metaclass() {
        let roots = Roots {
            class: 0x1000,
            code: 0x2000,
        };
        let memory = |address| {
            Some(match address {
                0x1000 => class_of(0x1000, 1 << 31),
                0x3000 => class_of(0x1000, 1 << 31),
                0x4000 => class_of(0x3000, 1 << 14),
                0x5000 => class_of(0x4000, 0),
                0x6000 => [0; CLASS_WORDS],
                _ => return None,
            })
        };
        let is = |address| is_class(roots, address, memory).is_some();
        assert!(is(0x1000) && is(0x3000) && is(0x4000));
        assert!(!is(0x5000) && !is(0x6000) && !is(0x7000));
        assert!(is_class(roots, 0x4000, memory).unwrap().is_collected());
    }

    #[test]
    fn an_object_is_no_larger_than_it_is() {
        let size = |flags: u64, basic: u64, third: u64| {
            let mut words = class_of(0x1000, flags);
            words[4] = basic;
            Class::read(&words).unwrap().words(third)
        };
        assert_eq!(size(0, 56, 99), 7);
        assert_eq!(size(1 << 26, 24, 3), 6);
        assert_eq!(size(1 << 27, 33, 7), 5);
        // Six letters, of which the neighbour may begin after 48 bytes.
        assert_eq!((size(1 << 28, 64, 6), size(1 << 28, 80, 6)), (6, 7));
        // One derived from it has them elsewhere.
        assert_eq!(size(1 << 28, 72, 6), 9);
    }

    #[test]
    fn counts_are_no_pointers() {
        for count in [1, 2, 0xffff_ffff, 0xc000_0000, 1 << 48 | 3 << 30] {
            assert!(is_count(count), "{count:x}");
        }
        for other in [0, 0x7f12_3456_7890, 0x5612_3456_7890, u64::MAX] {
            assert!(!is_count(other), "{other:x}");
        }
    }

    #[test]
    fn a_pool_is_told_by_its_size_class() {
        let pool = |class: u64, last: u64| [1, 2, 3, 4, class << 32, last << 32 | 64];
        assert!(is_pool(&pool(1, 16_384 - 32)) && is_pool(&pool(31, 4096 - 512)));
        assert!(!is_pool(&[0; POOL_WORDS]) && !is_pool(&pool(1, 16_384)));
    }
}
