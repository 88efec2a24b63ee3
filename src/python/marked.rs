//! Immortal objects, which outlive every lifetime.

use std::{
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering},
};

use pyo3_ffi::PyObject;

use super::{interpreter::Gil, refcount::RefcountLayout};

/// An object that was made immortal: it outlives every lifetime, as long as its mark stays in place.
pub struct Marked(NonNull<PyObject>);

impl Marked {
    /// # Safety
    /// The address of an object that was marked in this process or before it was forked; Python was not
    /// finalized since.
    pub unsafe fn at(address: usize) -> Self {
        let object = ptr::with_exposed_provenance_mut(address);
        // SAFETY: the address of an object is not 0.
        Self(unsafe { NonNull::new_unchecked(object) })
    }

    fn first_word(&self) -> &AtomicU64 {
        // SAFETY: a live object begins with that word. Others may write it, without tearing it.
        unsafe { self.0.cast::<AtomicU64>().as_ref() }
    }

    /// The first word, read with or without the GIL.
    pub fn word(&self) -> u64 {
        self.first_word().load(Ordering::Relaxed)
    }

    /// Marks it again. Answers by how much the count had moved.
    pub fn put_back(&self, _: &Gil<'_>, layout: RefcountLayout) -> i32 {
        let word = self.word();
        self.first_word()
            .store(layout.marked(word), Ordering::Relaxed);
        layout.distance(word)
    }

    /// The name of its class, with the module's.
    pub fn class_name(&self, gil: &Gil<'_>) -> String {
        let text = |name| {
            // SAFETY: the class is the second word of a live object, which keeps it alive.
            let class = unsafe { self.0.cast::<*mut PyObject>().add(1).read() };
            // SAFETY: as above; the GIL is held.
            unsafe { gil.attribute_of(class, name) }.ok()?.text()
        };
        let name = text(c"__qualname__").unwrap_or_default();
        match text(c"__module__") {
            Some(module) if module != "builtins" => format!("{module}.{name}"),
            _ => name,
        }
    }
}
