//! The interface to objects as memory: their words, their classes' slots.

use std::{
    ffi::{c_int, c_ulong, c_void, CStr},
    marker::PhantomData,
    ptr::NonNull,
};

use pyo3_ffi::{PyObject, PyTypeObject};

use super::{
    api::{api, Missing, OnObject},
    interpreter::{Gil, Python},
    object::{Class, Flags, Ref, Slot},
    refcount::RefcountLayout,
    reference::{PyErr, PyRef},
};

api! {
    /// What the walk needs beside [`Api`](crate::python::api::Api).
    HeapApi:
    stable {
        PyType_GetSlot: fn(*mut PyTypeObject, c_int) -> *mut c_void;
        PyType_GetFlags: fn(*mut PyTypeObject) -> c_ulong;
        PyType_IsSubtype: fn(*mut PyTypeObject, *mut PyTypeObject) -> c_int;
        PyObject_Hash: fn(*mut PyObject) -> isize;
        PyObject_GC_IsTracked: fn(*mut PyObject) -> c_int;
        PyTuple_GetItem: fn(*mut PyObject, isize) -> *mut PyObject;
        PyTuple_Size: fn(*mut PyObject) -> isize;
        PyDict_Next: fn(*mut PyObject, *mut isize, *mut *mut PyObject, *mut *mut PyObject) -> c_int;
    }
    unstable {
        /// Include/cpython/objimpl.h, since 3.12. Neither it nor its callback allocates.
        PyUnstable_GC_VisitObjects: fn(OnObject, *mut c_void);
        /// Include/cpython/object.h, since 3.12.
        PyUnstable_Type_AssignVersionTag: fn(*mut PyTypeObject) -> c_int;
        /// Include/pybuffer.h, in every version; the buffer is a `Py_buffer`.
        PyObject_GetBuffer: fn(*mut PyObject, *mut c_void, c_int) -> c_int;
        /// Include/pybuffer.h, in every version; the buffer is a `Py_buffer`.
        PyBuffer_Release: fn(*mut c_void);
    }
    optional {
        /// Include/cpython/object.h, since 3.14.
        PyUnstable_IsImmortal: fn(*mut PyObject) -> c_int;
    }
}

/// The objects of an interpreter.
pub struct Heap<'gil> {
    pub(super) api: HeapApi,
    layout: RefcountLayout,
    /// `weakref.ref` and the two proxies, `str`, `types.CodeType`, `None`: static, hence alive.
    weak: [*mut PyObject; 3],
    text: *mut PyObject,
    code: *mut PyObject,
    none: *mut PyObject,
    held: PhantomData<&'gil PyObject>,
}

/// Why there is no [`Heap`].
#[derive(Debug)]
pub enum NoHeap {
    /// A function is missing.
    Missing(Missing),
    /// Python raised.
    PyErr(PyErr),
}

impl From<PyErr> for NoHeap {
    fn from(raised: PyErr) -> Self {
        Self::PyErr(raised)
    }
}

impl<'gil> Heap<'gil> {
    /// Finds the functions and classes.
    ///
    /// # Safety
    /// While a [`Ref`] that a walk of this heap gave is in use, no object is freed: the GIL is not
    /// let go and no Python code runs.
    pub unsafe fn hold(
        gil: &'gil Gil<'_>,
        python: &Python,
        layout: RefcountLayout,
    ) -> Result<Self, NoHeap> {
        let api = HeapApi::find(python.symbols()).map_err(NoHeap::Missing)?;
        let class = |module: &CStr, name: &CStr| {
            let class = gil.import(module)?.attribute(name)?;
            Ok::<_, PyErr>(class.as_ptr())
        };
        Ok(Self {
            api,
            layout,
            weak: [
                class(c"weakref", c"ReferenceType")?,
                class(c"weakref", c"ProxyType")?,
                class(c"weakref", c"CallableProxyType")?,
            ],
            text: class(c"builtins", c"str")?,
            code: class(c"types", c"CodeType")?,
            none: class(c"builtins", c"None")?,
            held: PhantomData,
        })
    }

    /// The first word of an object: its count, and flags since 3.14.
    pub fn word(&self, object: Ref<'_>) -> u64 {
        // SAFETY: a live object begins with that word.
        unsafe { object.as_ptr().cast::<u64>().read() }
    }

    /// How many references to the object are counted; a mark is more than 2^31.
    pub fn count(&self, object: Ref<'_>) -> u32 {
        self.word(object) as u32
    }

    /// The object is immortal.
    pub fn is_immortal(&self, object: Ref<'_>) -> bool {
        RefcountLayout::is_marked(self.word(object))
    }

    /// Makes the object immortal.
    pub fn mark(&self, object: Ref<'_>) {
        let marked = self.layout.marked(self.word(object));
        // SAFETY: a live object begins with that word; the GIL is held: nobody else writes it.
        unsafe { object.as_ptr().cast::<u64>().write(marked) };
    }

    /// What the interpreter itself says; `None` before 3.14.
    pub fn agrees(&self, object: Ref<'_>) -> Option<bool> {
        // SAFETY: a live object; the GIL is held.
        self.api
            .PyUnstable_IsImmortal
            .map(|is| unsafe { is(object.as_ptr()) != 0 })
    }

    /// The class of an object, its second word.
    pub fn class_of<'a>(&self, object: Ref<'a>) -> Class<'a> {
        // SAFETY: a live object has that word, never NULL; it keeps its class alive.
        unsafe {
            let class = object.as_ptr().cast::<*mut PyObject>().add(1).read();
            Class(Ref::new(NonNull::new_unchecked(class)))
        }
    }

    /// The object as a class, if it is one.
    pub fn as_class<'a>(&self, object: Ref<'a>) -> Option<Class<'a>> {
        let is = self.flags(self.class_of(object)).classes();
        is.then_some(Class(object))
    }

    /// The objects of this class are weak references.
    pub fn is_weak(&self, class: Class<'_>) -> bool {
        self.weak.iter().any(|&weak| self.is_subtype(class, weak))
    }

    /// The objects of this class are code objects.
    pub fn is_code(&self, class: Class<'_>) -> bool {
        class.0.as_ptr() == self.code
    }

    /// It is `None`.
    pub fn is_none(&self, object: Ref<'_>) -> bool {
        object.as_ptr() == self.none
    }

    /// The class is `str` itself.
    pub fn is_text(&self, class: Class<'_>) -> bool {
        class.0.as_ptr() == self.text
    }

    /// The target of a weak reference that has a callback, from its third and fourth word
    /// (Include/cpython/weakrefobject.h).
    pub fn awaited<'a>(&self, reference: Ref<'a>) -> Option<Ref<'a>> {
        if !self.is_weak(self.class_of(reference)) {
            return None;
        }
        let words = reference.as_ptr().cast::<*mut PyObject>();
        // SAFETY: a live weak reference has these words; its target is alive or None.
        unsafe {
            let (target, callback) = (words.add(2).read(), words.add(3).read());
            let target = NonNull::new(target).filter(|_| !callback.is_null())?;
            Some(Ref::new(target))
        }
    }

    /// The class from which a class was derived first; `None` for `object`.
    pub fn base_of<'a>(&self, class: Class<'a>) -> Option<Class<'a>> {
        let base = NonNull::new(self.slot(class, Slot::Base).cast::<PyObject>())?;
        // SAFETY: a class keeps its base alive.
        Some(Class(unsafe { Ref::new(base) }))
    }

    /// What stands in a slot of a class; NULL where there is nothing.
    pub fn slot(&self, class: Class<'_>, slot: Slot) -> *mut c_void {
        // SAFETY: a live class; the GIL is held.
        unsafe { (self.api.PyType_GetSlot)(class.as_type(), slot as c_int) }
    }

    /// The class has `tp_finalize` (`__del__`, files, sockets, generators) or `tp_del`.
    pub fn has_finalizer(&self, class: Class<'_>) -> bool {
        let has = |slot| !self.slot(class, slot).is_null();
        has(Slot::Finalize) || has(Slot::Del)
    }

    /// The flags of a class.
    pub fn flags(&self, class: Class<'_>) -> Flags {
        // SAFETY: a live class.
        Flags(unsafe { (self.api.PyType_GetFlags)(class.as_type()) })
    }

    /// A class is that other one or derived from it.
    pub fn derives(&self, class: Class<'_>, from: Class<'_>) -> bool {
        self.is_subtype(class, from.0.as_ptr())
    }

    fn is_subtype(&self, class: Class<'_>, from: *mut PyObject) -> bool {
        // SAFETY: two live classes; the GIL is held.
        unsafe { (self.api.PyType_IsSubtype)(class.as_type(), from.cast()) != 0 }
    }

    /// The collector knows the object.
    pub fn is_tracked(&self, object: Ref<'_>) -> bool {
        // SAFETY: a live object; one that cannot be tracked is not.
        unsafe { (self.api.PyObject_GC_IsTracked)(object.as_ptr()) != 0 }
    }

    /// Has a str compute its hash, which it keeps. Any other object is left alone: its hash may run
    /// Python code, or be kept though the object can change (bytes within a BytesIO).
    pub fn fill_hash(&self, object: Ref<'_>) {
        if self.is_text(self.class_of(object)) {
            // SAFETY: a live str, whose hash neither fails nor runs Python code.
            unsafe { (self.api.PyObject_Hash)(object.as_ptr()) };
        }
    }

    /// Has a class choose the tag under which its attributes are cached.
    pub fn fill_version_tag(&self, class: Class<'_>) {
        // SAFETY: a live class; the GIL is held. It answers 0 when it has run out of tags.
        unsafe { (self.api.PyUnstable_Type_AssignVersionTag)(class.as_type()) };
    }

    /// An item of a tuple.
    pub(super) fn item<'a>(&self, tuple: &'a PyRef<'_>, index: usize) -> Option<Ref<'a>> {
        let index = isize::try_from(index).ok()?;
        // SAFETY: the GIL is held; both look at the class first, and -1 and NULL come with an
        // exception only for what is no tuple.
        unsafe {
            if (self.api.PyTuple_Size)(tuple.as_ptr()) <= index {
                return None;
            }
            let item = NonNull::new((self.api.PyTuple_GetItem)(tuple.as_ptr(), index))?;
            Some(Ref::new(item))
        }
    }
}
