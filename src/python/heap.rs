//! The interface to objects as memory: their words, their types' slots, their walk.

use std::ffi::{c_int, c_ulong, c_void};

use pyo3_ffi::{traverseproc, PyObject, PyTypeObject};

use super::{
    api::{api, Missing},
    interpreter::Python,
    refcount::RefcountLayout,
};

/// Called for every tracked object; 1 to go on.
pub type OnObject = unsafe extern "C" fn(*mut PyObject, *mut c_void) -> c_int;

api! {
    /// What the walk needs beside [`Api`](crate::python::api::Api).
    HeapApi:
    stable {
        PyType_GetSlot: fn(*mut PyTypeObject, c_int) -> *mut c_void;
        PyType_GetFlags: fn(*mut PyTypeObject) -> c_ulong;
        PyType_IsSubtype: fn(*mut PyTypeObject, *mut PyTypeObject) -> c_int;
        PyObject_Hash: fn(*mut PyObject) -> isize;
        PyObject_GC_IsTracked: fn(*mut PyObject) -> c_int;
        PyDict_Next: fn(*mut PyObject, *mut isize, *mut *mut PyObject, *mut *mut PyObject) -> c_int;
    }
    unstable {
        /// Include/cpython/objimpl.h, since 3.12. Neither it nor its callback allocates.
        PyUnstable_GC_VisitObjects: fn(OnObject, *mut c_void);
        /// Include/cpython/object.h, since 3.12.
        PyUnstable_Type_AssignVersionTag: fn(*mut PyTypeObject) -> c_int;
    }
    optional {
        /// Include/cpython/object.h, since 3.14.
        PyUnstable_IsImmortal: fn(*mut PyObject) -> c_int;
    }
}

const TP_DEL: c_int = 53;
const TP_TRAVERSE: c_int = 71;
const TP_FINALIZE: c_int = 80;

// `Py_TPFLAGS_DICT_SUBCLASS` and its like (Include/object.h).

/// Instances are tuples.
pub const TUPLES: c_ulong = 1 << 26;
/// Instances are bytes objects.
pub const BYTES: c_ulong = 1 << 27;
/// Instances are strings.
pub const STRINGS: c_ulong = 1 << 28;
/// Instances are dicts.
pub const DICTS: c_ulong = 1 << 29;
/// Instances are classes.
pub const CLASSES: c_ulong = 1 << 31;

/// The objects of an interpreter. Everything here needs the GIL and live objects.
pub struct Heap {
    api: HeapApi,
    layout: RefcountLayout,
}

impl Heap {
    /// Finds the functions.
    pub fn find(python: &Python, layout: RefcountLayout) -> Result<Self, Missing> {
        let api = HeapApi::find(python.symbols())?;
        Ok(Self { api, layout })
    }

    /// The first word of an object: its count, and flags since 3.14.
    ///
    /// # Safety
    /// A live object.
    pub unsafe fn word(&self, object: *mut PyObject) -> u64 {
        // SAFETY: an object begins with that word.
        unsafe { object.cast::<u64>().read() }
    }

    /// The object is immortal.
    ///
    /// # Safety
    /// A live object.
    pub unsafe fn is_immortal(&self, object: *mut PyObject) -> bool {
        // SAFETY: the caller's promise.
        RefcountLayout::is_marked(unsafe { self.word(object) })
    }

    /// Makes the object immortal.
    ///
    /// # Safety
    /// A live object, and the GIL is held: nobody else writes that word.
    pub unsafe fn mark(&self, object: *mut PyObject) {
        // SAFETY: the caller's promise.
        unsafe {
            object
                .cast::<u64>()
                .write(self.layout.marked(self.word(object)))
        };
    }

    /// What the interpreter itself says; `None` before 3.14.
    ///
    /// # Safety
    /// A live object; the GIL is held.
    pub unsafe fn agrees(&self, object: *mut PyObject) -> Option<bool> {
        // SAFETY: the caller's promise.
        self.api
            .PyUnstable_IsImmortal
            .map(|is| unsafe { is(object) != 0 })
    }

    /// The class of an object, its second word.
    ///
    /// # Safety
    /// A live object.
    pub unsafe fn class_of(&self, object: *mut PyObject) -> *mut PyObject {
        // SAFETY: the caller's promise.
        unsafe { object.cast::<*mut PyObject>().add(1).read() }
    }

    /// The target and the callback (NULL: none) of a weak reference, its third and fourth word
    /// (Include/cpython/weakrefobject.h).
    ///
    /// # Safety
    /// A live object of the type `weakref.ref` or a subtype.
    pub unsafe fn weak_reference(&self, object: *mut PyObject) -> (*mut PyObject, *mut PyObject) {
        let words = object.cast::<*mut PyObject>();
        // SAFETY: the caller's promise.
        unsafe { (words.add(2).read(), words.add(3).read()) }
    }

    /// `tp_traverse` of a class as it stands there; NULL where there is none.
    ///
    /// # Safety
    /// A live class; the GIL is held.
    pub unsafe fn traverse_slot(&self, class: *mut PyObject) -> *mut c_void {
        // SAFETY: the caller's promise.
        unsafe { (self.api.PyType_GetSlot)(class.cast(), TP_TRAVERSE) }
    }

    /// `tp_traverse` of a class.
    ///
    /// # Safety
    /// A live class; the GIL is held.
    pub unsafe fn traverse(&self, class: *mut PyObject) -> Option<traverseproc> {
        // SAFETY: the slot holds NULL or a function of this type.
        unsafe {
            std::mem::transmute::<*mut c_void, Option<traverseproc>>(self.traverse_slot(class))
        }
    }

    /// The class has `tp_finalize` (`__del__`, files, sockets, generators) or `tp_del`.
    ///
    /// # Safety
    /// A live class; the GIL is held.
    pub unsafe fn has_finalizer(&self, class: *mut PyObject) -> bool {
        // SAFETY: the caller's promise.
        let slot = |slot| unsafe { (self.api.PyType_GetSlot)(class.cast(), slot) };
        !slot(TP_FINALIZE).is_null() || !slot(TP_DEL).is_null()
    }

    /// The flags of a class.
    ///
    /// # Safety
    /// A live class.
    pub unsafe fn flags(&self, class: *mut PyObject) -> c_ulong {
        // SAFETY: the caller's promise.
        unsafe { (self.api.PyType_GetFlags)(class.cast()) }
    }

    /// A class is that other one or derived from it.
    ///
    /// # Safety
    /// Two live classes; the GIL is held.
    pub unsafe fn derives(&self, class: *mut PyObject, from: *mut PyObject) -> bool {
        // SAFETY: the caller's promise.
        unsafe { (self.api.PyType_IsSubtype)(class.cast(), from.cast()) != 0 }
    }

    /// The collector knows the object.
    ///
    /// # Safety
    /// A live object.
    pub unsafe fn is_tracked(&self, object: *mut PyObject) -> bool {
        // SAFETY: the caller's promise; objects that cannot be tracked are not.
        unsafe { (self.api.PyObject_GC_IsTracked)(object) != 0 }
    }

    /// Has a str or bytes object compute its hash, which it keeps.
    ///
    /// # Safety
    /// A live object of exactly that type; the GIL is held.
    pub unsafe fn fill_hash(&self, object: *mut PyObject) {
        // SAFETY: the caller's promise; these types' hash neither fails nor runs Python code.
        unsafe { (self.api.PyObject_Hash)(object) };
    }

    /// Has a class choose the tag under which its attributes are cached.
    ///
    /// # Safety
    /// A live class; the GIL is held.
    pub unsafe fn fill_version_tag(&self, class: *mut PyObject) {
        // SAFETY: the caller's promise; it answers 0 when it has run out of tags.
        unsafe { (self.api.PyUnstable_Type_AssignVersionTag)(class.cast()) };
    }

    /// Keys and values of a dict. (`tp_traverse` leaves out keys that are strings.)
    ///
    /// # Safety
    /// A live dict that `body` does not change; the GIL is held.
    pub unsafe fn each_item(&self, dict: *mut PyObject, mut body: impl FnMut(*mut PyObject)) {
        let (mut position, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the caller's promise; both references are borrowed.
        while unsafe { (self.api.PyDict_Next)(dict, &mut position, &mut key, &mut value) } != 0 {
            body(key);
            body(value);
        }
    }

    /// Calls `on_object` for every object that the collector of this interpreter knows.
    ///
    /// # Safety
    /// `on_object` takes `argument` for what it is and does not allocate Python objects; the GIL is
    /// held.
    pub unsafe fn each_tracked(&self, on_object: OnObject, argument: *mut c_void) {
        // SAFETY: the caller's promise.
        unsafe { (self.api.PyUnstable_GC_VisitObjects)(on_object, argument) };
    }
}
