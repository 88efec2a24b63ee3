//! The interpreter as the other files see it: the GIL, owned references, and exceptions as text.

use std::{
    ffi::{c_void, CStr},
    fmt,
    mem::ManuallyDrop,
    ptr::{self, NonNull},
};

use pyo3_ffi::PyObject;

use super::api::{Api, Missing};
use crate::process::object as loaded;

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
    linked: Option<loaded::Object>,
}

impl Python {
    /// Finds the CPython that `plugin`, a function of the Python plugin, was linked with, or else
    /// the one of the process. It need not be initialized.
    pub fn find(plugin: usize) -> Result<Self, Unusable> {
        let linked = loaded::Object::containing(plugin);
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
    pub(super) fn symbol(&self, name: &CStr) -> *mut c_void {
        symbol(self.linked, name)
    }

    /// Runs `body` in a function that Python called, which is to say with the GIL held.
    ///
    /// # Safety
    /// The thread holds the GIL.
    pub(super) unsafe fn assume_gil<T>(&self, body: impl FnOnce(&Gil<'_>) -> T) -> T {
        body(&Gil { api: &self.api })
    }
}

fn symbol(linked: Option<loaded::Object>, name: &CStr) -> *mut c_void {
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
    pub fn import(&self, name: &CStr) -> Result<Object<'a>, Raised> {
        // SAFETY: the GIL is held, the name is NUL-terminated; a new reference or NULL.
        self.owned(unsafe { (self.api.PyImport_ImportModule)(name.as_ptr()) })
    }

    /// A module that is imported already.
    pub fn imported(&self, name: &CStr) -> Option<Object<'a>> {
        // SAFETY: the GIL is held; sys.modules, borrowed, and an item of it, borrowed or NULL.
        self.borrowed(unsafe {
            let modules = (self.api.PyImport_GetModuleDict)();
            (self.api.PyDict_GetItemString)(modules, name.as_ptr())
        })
    }

    /// `sys.name`, if there is such a thing and it is not None's like (see [`Object::is_true`]).
    pub fn sys(&self, name: &CStr) -> Option<Object<'a>> {
        // SAFETY: the GIL is held; a borrowed reference or NULL without an exception.
        self.borrowed(unsafe { (self.api.PySys_GetObject)(name.as_ptr()) })
    }

    /// An int.
    pub fn int(&self, value: i32) -> Result<Object<'a>, Raised> {
        // SAFETY: the GIL is held; a new reference or NULL.
        self.owned(unsafe { (self.api.PyLong_FromLong)(value.into()) })
    }

    /// `None`, a new reference for whoever Python called; NULL if there is none to be had.
    pub(super) fn none(&self) -> *mut PyObject {
        let none = self
            .import(c"builtins")
            .and_then(|module| module.attribute(c"None"));
        none.map_or(ptr::null_mut(), Object::into_ptr)
    }

    /// A str.
    pub(super) fn text(&self, text: &CStr) -> Result<Object<'a>, Raised> {
        // SAFETY: the GIL is held, the text is NUL-terminated; a new reference or NULL.
        self.owned(unsafe { (self.api.PyUnicode_FromString)(text.as_ptr()) })
    }

    /// An empty dict.
    pub(super) fn dict(&self) -> Result<Object<'a>, Raised> {
        // SAFETY: the GIL is held; a new reference or NULL.
        self.owned(unsafe { (self.api.PyDict_New)() })
    }

    /// `object.name`
    ///
    /// # Safety
    /// A live object.
    pub(super) unsafe fn attribute_of(
        &self,
        object: *mut PyObject,
        name: &CStr,
    ) -> Result<Object<'a>, Raised> {
        // SAFETY: the caller's promise; the GIL is held; a new reference or NULL.
        self.owned(unsafe { (self.api.PyObject_GetAttrString)(object, name.as_ptr()) })
    }

    /// The frame of the Python code that is running.
    pub fn frame(&self) -> Option<Object<'a>> {
        // SAFETY: the GIL is held; a borrowed reference or NULL without an exception.
        self.borrowed(unsafe { (self.api.PyEval_GetFrame)() }.cast())
    }

    /// A new reference that an API function returned; NULL says that an exception is set.
    pub(super) fn owned(&self, new: *mut PyObject) -> Result<Object<'a>, Raised> {
        match NonNull::new(new) {
            Some(pointer) => Ok(Object {
                api: self.api,
                pointer,
            }),
            None => Err(self.raised()),
        }
    }

    fn borrowed(&self, borrowed: *mut PyObject) -> Option<Object<'a>> {
        let pointer = NonNull::new(borrowed)?;
        // SAFETY: the GIL is held; a valid object, of which the new value owns one reference.
        unsafe { (self.api.Py_IncRef)(borrowed) };
        Some(Object {
            api: self.api,
            pointer,
        })
    }

    /// Takes the exception that is set.
    fn raised(&self) -> Raised {
        let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: the GIL is held; the three become owned references or NULL.
        unsafe {
            (self.api.PyErr_Fetch)(&mut kind, &mut value, &mut trace);
            (self.api.PyErr_NormalizeException)(&mut kind, &mut value, &mut trace);
        }
        let own = |pointer| {
            NonNull::new(pointer).map(|pointer| Object {
                api: self.api,
                pointer,
            })
        };
        let (kind, value, _trace) = (own(kind), own(value), own(trace));
        let name = kind.and_then(|kind| kind.attribute(c"__name__").ok()?.text());
        Raised(format!(
            "{}: {}",
            name.as_deref().unwrap_or("an exception"),
            value.and_then(|value| value.text()).unwrap_or_default()
        ))
    }
}

/// A Python exception, as text.
#[derive(Debug)]
pub struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An owned reference. It cannot outlive the [`Gil`] it was made under.
pub struct Object<'a> {
    api: &'a Api,
    pointer: NonNull<PyObject>,
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        // SAFETY: the GIL is held, as its borrow `'a` lives; this value owns one reference.
        unsafe { (self.api.Py_DecRef)(self.pointer.as_ptr()) };
    }
}

impl<'a> Object<'a> {
    /// The object itself, borrowed.
    pub(super) fn as_ptr(&self) -> *mut PyObject {
        self.pointer.as_ptr()
    }

    /// Gives the reference away.
    fn into_ptr(self) -> *mut PyObject {
        ManuallyDrop::new(self).as_ptr()
    }

    /// The proof under which this reference was made.
    pub(super) fn gil(&self) -> Gil<'a> {
        Gil { api: self.api }
    }

    /// `self.name`
    pub fn attribute(&self, name: &CStr) -> Result<Object<'a>, Raised> {
        // SAFETY: a live object.
        unsafe { self.gil().attribute_of(self.as_ptr(), name) }
    }

    /// One more reference to the same object.
    pub(super) fn another(&self) -> Self {
        // SAFETY: the GIL is held; a live object, of which the new value owns a reference.
        unsafe { (self.api.Py_IncRef)(self.as_ptr()) };
        Self {
            api: self.api,
            pointer: self.pointer,
        }
    }

    /// `self[name]` of a dict, if it is there.
    pub(super) fn item(&self, name: &CStr) -> Option<Object<'a>> {
        // SAFETY: the GIL is held; a borrowed reference or NULL without an exception.
        let item = unsafe { (self.api.PyDict_GetItemString)(self.as_ptr(), name.as_ptr()) };
        self.gil().borrowed(item)
    }

    /// `self(*arguments)`
    pub fn call(&self, arguments: &[&Object<'_>]) -> Result<Object<'a>, Raised> {
        // SAFETY: the GIL is held; a new tuple, or NULL.
        let tuple = self
            .gil()
            .owned(unsafe { (self.api.PyTuple_New)(arguments.len() as isize) })?;
        for (i, argument) in arguments.iter().enumerate() {
            // SAFETY: the tuple is new and has this place; the item's reference, taken here, is
            // given away.
            unsafe {
                (self.api.Py_IncRef)(argument.as_ptr());
                (self.api.PyTuple_SetItem)(tuple.as_ptr(), i as isize, argument.as_ptr());
            }
        }
        // SAFETY: the GIL is held; a new reference or NULL.
        self.gil()
            .owned(unsafe { (self.api.PyObject_CallObject)(self.as_ptr(), tuple.as_ptr()) })
    }

    /// `self.name(*arguments)`
    pub fn call_method(
        &self,
        name: &CStr,
        arguments: &[&Object<'_>],
    ) -> Result<Object<'a>, Raised> {
        self.attribute(name)?.call(arguments)
    }

    /// `self()`; an exception is printed as Python prints one that nobody can catch, which
    /// SystemExit is, too, then.
    pub fn call_or_print(&self) {
        // SAFETY: the GIL is held; no arguments; a new reference or NULL.
        let answer = unsafe { (self.api.PyObject_CallObject)(self.as_ptr(), ptr::null_mut()) };
        match NonNull::new(answer) {
            // SAFETY: the reference is ours to drop.
            Some(answer) => unsafe { (self.api.Py_DecRef)(answer.as_ptr()) },
            // SAFETY: the GIL is held and an exception is set, which this takes.
            None => unsafe { (self.api.PyErr_WriteUnraisable)(self.as_ptr()) },
        }
    }

    /// `bool(self)`; false if it raises.
    pub fn is_true(&self) -> bool {
        // SAFETY: the GIL is held.
        let answer = unsafe { (self.api.PyObject_IsTrue)(self.as_ptr()) };
        if answer < 0 {
            self.gil().raised();
        }
        answer > 0
    }

    /// The value of an int.
    pub fn as_i64(&self) -> Result<i64, Raised> {
        // SAFETY: the GIL is held.
        let value = unsafe { (self.api.PyLong_AsLong)(self.as_ptr()) };
        // SAFETY: the GIL is held; -1 is also a value.
        if value == -1 && !unsafe { (self.api.PyErr_Occurred)() }.is_null() {
            return Err(self.gil().raised());
        }
        Ok(value)
    }

    /// The items of a tuple.
    pub fn items(&self) -> Vec<Object<'a>> {
        let gil = self.gil();
        // SAFETY: the GIL is held; -1 with an exception if this is no tuple.
        let size = unsafe { (self.api.PyTuple_Size)(self.as_ptr()) };
        if size < 0 {
            gil.raised();
        }
        (0..size)
            .filter_map(|i| {
                // SAFETY: the place exists; a borrowed reference, of which one is taken.
                unsafe {
                    let item = (self.api.PyTuple_GetItem)(self.as_ptr(), i);
                    (self.api.Py_IncRef)(item);
                    gil.owned(item).ok()
                }
            })
            .collect()
    }

    /// `str(self)`; `None` if that raises.
    pub fn text(&self) -> Option<String> {
        // SAFETY: the GIL is held; new references or NULL; the bytes live until they are copied.
        unsafe {
            let text = self
                .gil()
                .owned((self.api.PyObject_Str)(self.as_ptr()))
                .ok()?;
            let bytes = self
                .gil()
                .owned((self.api.PyUnicode_AsUTF8String)(text.as_ptr()))
                .ok()?;
            let chars = (self.api.PyBytes_AsString)(bytes.as_ptr());
            Some(CStr::from_ptr(chars).to_string_lossy().into_owned())
        }
    }
}
