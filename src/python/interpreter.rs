//! The interpreter of this process, and the proof that its GIL is held.

use std::{
    ffi::{c_void, CStr},
    fmt, ptr,
    ptr::NonNull,
};

use pyo3_ffi::PyObject;

use super::{
    api::{Api, Missing},
    reference::{PyErr, PyRef},
};
use crate::linux::loaded::{self, LoadedObject};

/// Why this CPython cannot be used.
#[derive(Debug)]
pub enum Unusable {
    /// It lacks a function.
    Missing(Missing),
    /// It has no GIL, on which everything here relies; its objects are laid out differently, too.
    FreeThreaded,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(missing) => missing.fmt(f),
            Self::FreeThreaded => f.write_str("this Python is a free-threaded build"),
        }
    }
}

/// The CPython of this process.
pub struct Python {
    api: Api,
    /// What the Python plugin was linked with.
    linked: Option<LoadedObject>,
}

impl Python {
    /// Finds the CPython that `plugin`, a function of the Python plugin, was linked with, or else
    /// the one of the process. It need not be initialized.
    pub fn find(plugin: usize) -> Result<Self, Unusable> {
        let linked = LoadedObject::containing(plugin);
        let api = Api::find(|name| symbol(linked, name)).map_err(Unusable::Missing)?;
        let python = Self { api, linked };
        // Such a build says so in its version text: "3.13.0 experimental free-threading build (..".
        if python.version_text().contains("free-threading") {
            return Err(Unusable::FreeThreaded);
        }
        Ok(python)
    }

    /// The version, such as `3.11.7`.
    pub fn version(&self) -> &'static str {
        self.version_text().split(' ').next().unwrap_or_default()
    }

    fn version_text(&self) -> &'static str {
        // SAFETY: may be called before initialization; a constant text.
        let text = unsafe { CStr::from_ptr((self.api.Py_GetVersion)()) };
        text.to_str().unwrap_or_default()
    }

    /// Runs `body` with the GIL held, taking it if this thread does not hold it yet.
    ///
    /// The interpreter must be initialized, and the thread's current state, if it has one, must be
    /// that of the main interpreter: uWSGI sees to that in every callback but requests.
    pub fn with_gil<T>(&self, body: impl FnOnce(&Gil<'_>) -> T) -> T {
        struct Held<'a>(&'a Api, pyo3_ffi::PyGILState_STATE);
        impl Drop for Held<'_> {
            fn drop(&mut self) {
                // SAFETY: the state that Ensure gave on this thread.
                unsafe { (self.0.PyGILState_Release)(self.1) };
            }
        }
        // SAFETY: the interpreter is initialized, says the caller.
        let state = unsafe { (self.api.PyGILState_Ensure)() };
        let _held = Held(&self.api, state);
        body(&Gil { api: &self.api })
    }

    /// The address of one of its functions; NULL where there is none.
    pub fn symbol(&self, name: &CStr) -> *mut c_void {
        symbol(self.linked, name)
    }

    /// Runs `body` in a function that Python called, which is to say with the GIL held.
    ///
    /// # Safety
    /// The thread holds the GIL.
    pub unsafe fn assume_gil<T>(&self, body: impl FnOnce(&Gil<'_>) -> T) -> T {
        body(&Gil { api: &self.api })
    }
}

fn symbol(linked: Option<LoadedObject>, name: &CStr) -> *mut c_void {
    let own = linked.map_or(ptr::null_mut(), |object| object.symbol(name));
    if own.is_null() {
        loaded::global_symbol(name)
    } else {
        own
    }
}

/// The proof that the GIL is held.
pub struct Gil<'a> {
    pub(super) api: &'a Api,
}

impl<'a> Gil<'a> {
    /// Imports a module.
    pub fn import(&self, name: &CStr) -> Result<PyRef<'a>, PyErr> {
        // SAFETY: the GIL is held, the name is NUL-terminated; a new reference or NULL.
        self.owned(unsafe { (self.api.PyImport_ImportModule)(name.as_ptr()) })
    }

    /// A module that is imported already.
    pub fn imported(&self, name: &CStr) -> Option<PyRef<'a>> {
        // SAFETY: the GIL is held; sys.modules, borrowed, and an item of it, borrowed or NULL.
        self.borrowed(unsafe {
            let modules = (self.api.PyImport_GetModuleDict)();
            (self.api.PyDict_GetItemString)(modules, name.as_ptr())
        })
    }

    /// `sys.name`, if there is such a thing and it is not None's like (see [`PyRef::is_true`]).
    pub fn sys(&self, name: &CStr) -> Option<PyRef<'a>> {
        // SAFETY: the GIL is held; a borrowed reference or NULL without an exception.
        self.borrowed(unsafe { (self.api.PySys_GetObject)(name.as_ptr()) })
    }

    /// An int.
    pub fn int(&self, value: i32) -> Result<PyRef<'a>, PyErr> {
        // SAFETY: the GIL is held; a new reference or NULL.
        self.owned(unsafe { (self.api.PyLong_FromLong)(value.into()) })
    }

    /// `None`, a new reference for whoever Python called; NULL if there is none to be had.
    pub fn none(&self) -> *mut PyObject {
        let none = self
            .import(c"builtins")
            .and_then(|module| module.attribute(c"None"));
        none.map_or(ptr::null_mut(), PyRef::into_ptr)
    }

    /// A str.
    pub fn text(&self, text: &CStr) -> Result<PyRef<'a>, PyErr> {
        // SAFETY: the GIL is held, the text is NUL-terminated; a new reference or NULL.
        self.owned(unsafe { (self.api.PyUnicode_FromString)(text.as_ptr()) })
    }

    /// An empty dict.
    pub fn dict(&self) -> Result<PyRef<'a>, PyErr> {
        // SAFETY: the GIL is held; a new reference or NULL.
        self.owned(unsafe { (self.api.PyDict_New)() })
    }

    /// `object.name`
    ///
    /// # Safety
    /// A live object.
    pub unsafe fn attribute_of(
        &self,
        object: *mut PyObject,
        name: &CStr,
    ) -> Result<PyRef<'a>, PyErr> {
        // SAFETY: the caller's promise; the GIL is held; a new reference or NULL.
        self.owned(unsafe { (self.api.PyObject_GetAttrString)(object, name.as_ptr()) })
    }

    /// The frame of the Python code that is running.
    pub fn frame(&self) -> Option<PyRef<'a>> {
        // SAFETY: the GIL is held; a borrowed reference or NULL without an exception.
        self.borrowed(unsafe { (self.api.PyEval_GetFrame)() }.cast())
    }

    /// A new reference that an API function returned; NULL says that an exception is set.
    pub fn owned(&self, new: *mut PyObject) -> Result<PyRef<'a>, PyErr> {
        match NonNull::new(new) {
            Some(pointer) => Ok(PyRef::owning(self.api, pointer)),
            None => Err(self.raised()),
        }
    }

    /// One more reference to what an API function lent; NULL says that there is no such thing.
    pub fn borrowed(&self, borrowed: *mut PyObject) -> Option<PyRef<'a>> {
        let pointer = NonNull::new(borrowed)?;
        // SAFETY: the GIL is held; a valid object, of which the new value owns one reference.
        unsafe { (self.api.Py_IncRef)(borrowed) };
        Some(PyRef::owning(self.api, pointer))
    }

    /// Takes the exception that is set.
    pub fn raised(&self) -> PyErr {
        let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: the GIL is held; the three become owned references or NULL.
        unsafe {
            (self.api.PyErr_Fetch)(&mut kind, &mut value, &mut trace);
            (self.api.PyErr_NormalizeException)(&mut kind, &mut value, &mut trace);
        }
        let own = |pointer| {
            let pointer = NonNull::new(pointer)?;
            Some(PyRef::owning(self.api, pointer))
        };
        let (kind, value, _trace) = (own(kind), own(value), own(trace));
        let name = kind.and_then(|kind| kind.attribute(c"__name__").ok()?.text());
        PyErr(format!(
            "{}: {}",
            name.as_deref().unwrap_or("an exception"),
            value.and_then(|value| value.text()).unwrap_or_default()
        ))
    }
}
