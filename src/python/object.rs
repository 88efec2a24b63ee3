//! Pointers to live objects and classes, valid while the GIL is held and nothing is freed.

use std::{ffi::c_ulong, marker::PhantomData, ptr::NonNull};

use pyo3_ffi::{PyObject, PyTypeObject};

use super::reference::PyRef;

/// A live object, valid while the GIL is held and nothing is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ref<'gil> {
    object: NonNull<PyObject>,
    held: PhantomData<&'gil PyObject>,
}

/// A live class, as [`Ref`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class<'gil>(pub(super) Ref<'gil>);

impl<'gil> Ref<'gil> {
    /// # Safety
    /// The object lives as long as `'gil`.
    pub(super) unsafe fn new(object: NonNull<PyObject>) -> Self {
        Self {
            object,
            held: PhantomData,
        }
    }

    pub(super) fn as_ptr(self) -> *mut PyObject {
        self.object.as_ptr()
    }

    /// Has its first words on their way into the cache. A hint: without it all is the same.
    pub fn fetch(self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every x86-64 has this instruction, which never faults.
        unsafe {
            use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
            _mm_prefetch::<_MM_HINT_T0>(self.as_ptr().cast());
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: every AArch64 has this instruction, which never faults and writes nothing.
        unsafe {
            std::arch::asm!("prfm pldl1keep, [{}]", in(reg) self.as_ptr(), options(nostack, preserves_flags, readonly));
        }
    }

    /// Where it lies.
    pub fn address(self) -> usize {
        self.as_ptr().expose_provenance()
    }
}

/// An object and a number below 8 in one word, since objects lie at multiples of 8. They are ordered by
/// address, then by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tagged<'gil> {
    word: NonNull<PyObject>,
    held: PhantomData<&'gil PyObject>,
}

const TAGS: usize = 7;

impl<'gil> Ref<'gil> {
    /// With a number, of which the lowest three bits count.
    pub fn tagged(self, tag: u8) -> Tagged<'gil> {
        Tagged {
            word: self
                .object
                .map_addr(|address| address | (usize::from(tag) & TAGS)),
            held: PhantomData,
        }
    }
}

impl<'gil> Tagged<'gil> {
    /// The object.
    pub fn object(self) -> Ref<'gil> {
        let object = self.word.as_ptr().map_addr(|address| address & !TAGS);
        // SAFETY: what `tagged` was given, so it is not NULL and lives as long.
        unsafe { Ref::new(NonNull::new_unchecked(object)) }
    }

    /// The number.
    pub fn tag(self) -> u8 {
        (self.word.addr().get() & TAGS) as u8
    }
}

impl<'gil> Class<'gil> {
    /// The class as the object that it is, too.
    pub fn as_object(self) -> Ref<'gil> {
        self.0
    }

    pub(super) fn as_type(self) -> *mut PyTypeObject {
        self.0.as_ptr().cast()
    }
}

impl PyRef<'_> {
    /// The object that this reference holds.
    pub fn borrow(&self) -> Ref<'_> {
        // SAFETY: this value owns a reference as long as it is borrowed.
        unsafe { Ref::new(NonNull::new_unchecked(self.as_ptr())) }
    }
}

/// A slot of a class (Include/typeslots.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Slot {
    /// Shows an object's memory as a buffer.
    GetBuffer = 1,
    /// The class from which it was derived first.
    Base = 48,
    /// Frees an object.
    Dealloc = 52,
    /// A finalizer of old.
    Del = 53,
    /// Shows what an object refers to.
    Traverse = 71,
    /// The finalizer: `__del__`, the end of a file, of a generator.
    Finalize = 80,
}

/// The flags of a class: `Py_TPFLAGS_DICT_SUBCLASS` and its like (Include/object.h).
#[derive(Clone, Copy)]
pub struct Flags(pub(super) c_ulong);

impl Flags {
    /// Instances are lists.
    pub fn lists(self) -> bool {
        self.0 & 1 << 25 != 0
    }

    /// Instances are tuples.
    pub fn tuples(self) -> bool {
        self.0 & 1 << 26 != 0
    }

    /// Instances are ints, lists, tuples, bytes, strings, dicts or exceptions: data, whatever a subclass adds.
    pub fn data(self) -> bool {
        self.0 & 0x7f << 24 != 0
    }

    /// Instances are dicts.
    pub fn dicts(self) -> bool {
        self.0 & 1 << 29 != 0
    }

    /// Instances are classes.
    pub fn classes(self) -> bool {
        self.0 & 1 << 31 != 0
    }
}
