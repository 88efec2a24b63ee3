//! The interpreter of this process, and the proof that its GIL is held.

use std::{ffi::CStr, ptr};

use pyo3_ffi::PyObject;

pub use super::reference::Gil;
use super::{
    api::{Api, Missing},
    reference::{PyErr, PyRef},
};
use crate::symbols::Symbols;

/// Why this CPython cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// It lacks a function.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// It has no GIL, on which everything here relies; its objects are laid out differently, too.
    #[error("this Python is a free-threaded build")]
    FreeThreaded,
}

/// The CPython of this process, initialized or not.
pub struct Python {
    pub(super) api: Api,
    symbols: Symbols,
}

impl Python {
    /// The CPython among `symbols`: those of what the Python plugin was linked with.
    pub fn find(symbols: Symbols) -> Result<Self, PythonError> {
        let api = Api::find(symbols)?;
        let python = Self { api, symbols };
        // Such a build says so in its version text: "3.13.0 experimental free-threading build (..".
        if python.version_text().contains("free-threading") {
            return Err(PythonError::FreeThreaded);
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

    /// It was initialized and not finalized since. May be called at any time.
    pub fn is_up(&self) -> bool {
        // SAFETY: reads a flag; may be called at any time.
        unsafe { (self.api.Py_IsInitialized)() != 0 }
    }

    /// Runs `body` with the GIL held, taking it if this thread does not hold it yet. None before the
    /// interpreter is initialized and once it is finalized.
    ///
    /// Runs in the main interpreter, or in the one whose thread state is current.
    pub fn with_gil<T>(&self, body: impl FnOnce(&Gil<'_>) -> T) -> Option<T> {
        struct Held<'a>(&'a Api, pyo3_ffi::PyGILState_STATE);
        impl Drop for Held<'_> {
            fn drop(&mut self) {
                // A hook may have finalized the interpreter.
                // SAFETY: the state that Ensure gave on this thread, in an interpreter that is up.
                unsafe {
                    if (self.0.Py_IsInitialized)() != 0 {
                        (self.0.PyGILState_Release)(self.1);
                    }
                }
            }
        }
        if !self.is_up() {
            return None;
        }
        // SAFETY: the interpreter is initialized.
        let state = unsafe { (self.api.PyGILState_Ensure)() };
        let _held = Held(&self.api, state);
        Some(body(&Gil::held(&self.api)))
    }

    /// Where its functions are.
    pub(super) fn symbols(&self) -> Symbols {
        self.symbols
    }

    /// Runs `body` in a function that Python called, which is to say with the GIL held.
    ///
    /// # Safety
    /// The thread holds the GIL.
    pub(super) unsafe fn assume_gil<T>(&self, body: impl FnOnce(&Gil<'_>) -> T) -> T {
        body(&Gil::held(&self.api))
    }
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

    /// `sys.name`, if there is such a thing.
    pub fn sys(&self, name: &CStr) -> Option<PyRef<'a>> {
        // SAFETY: the GIL is held; a borrowed reference or NULL without an exception.
        self.borrowed(unsafe { (self.api.PySys_GetObject)(name.as_ptr()) })
    }

    /// The dict that the current interpreter keeps for whoever extends it (on 3.8, which does not tell
    /// the current one, the main interpreter's).
    pub fn own_dict(&self) -> Option<PyRef<'a>> {
        let dict = self.api.PyInterpreterState_GetDict?;
        let get = self
            .api
            .PyInterpreterState_Get
            .unwrap_or(self.api.PyInterpreterState_Main);
        // SAFETY: the GIL is held; a borrowed reference or NULL without an exception.
        self.borrowed(unsafe { dict(get()) })
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

    /// The frame of the Python code that is running.
    pub fn frame(&self) -> Option<PyRef<'a>> {
        // SAFETY: the GIL is held; a borrowed reference or NULL without an exception.
        self.borrowed(unsafe { (self.api.PyEval_GetFrame)() }.cast())
    }
}
