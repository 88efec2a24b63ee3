//! Objects of the interpreter as the other files see them: owned references, and exceptions as text.

use std::{
    ffi::CStr,
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{self, NonNull},
    slice,
};

use pyo3_ffi::PyObject;

use super::api::Api;

/// A Python exception, as text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PyErr(pub(super) String);

/// The proof that this thread holds the GIL, and nobody else's proof.
pub struct Gil<'a> {
    pub(super) api: &'a Api,
    not_send: PhantomData<*mut ()>,
}

impl<'a> Gil<'a> {
    /// To be made only where the GIL is held for `'a`.
    pub(super) fn held(api: &'a Api) -> Self {
        Self {
            api,
            not_send: PhantomData,
        }
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

/// An owned reference. It cannot outlive the [`Gil`] it was made under.
pub struct PyRef<'a> {
    api: &'a Api,
    pointer: NonNull<PyObject>,
}

impl Drop for PyRef<'_> {
    fn drop(&mut self) {
        // SAFETY: the GIL is held, as its borrow `'a` lives; this value owns one reference.
        unsafe { (self.api.Py_DecRef)(self.pointer.as_ptr()) };
    }
}

impl<'a> PyRef<'a> {
    /// Takes over a reference that was taken under the GIL whose functions these are.
    pub(super) fn owning(api: &'a Api, pointer: NonNull<PyObject>) -> Self {
        Self { api, pointer }
    }

    /// The object itself, borrowed.
    pub fn as_ptr(&self) -> *mut PyObject {
        self.pointer.as_ptr()
    }

    /// Gives the reference away.
    pub fn into_ptr(self) -> *mut PyObject {
        ManuallyDrop::new(self).as_ptr()
    }

    /// The proof under which this reference was made.
    pub fn gil(&self) -> Gil<'a> {
        Gil::held(self.api)
    }

    /// `self.name`
    pub fn attribute(&self, name: &CStr) -> Result<PyRef<'a>, PyErr> {
        // SAFETY: a live object.
        unsafe { self.gil().attribute_of(self.as_ptr(), name) }
    }

    /// One more reference to the same object.
    pub fn another(&self) -> Self {
        // SAFETY: the GIL is held; a live object, of which the new value owns a reference.
        unsafe { (self.api.Py_IncRef)(self.as_ptr()) };
        Self {
            api: self.api,
            pointer: self.pointer,
        }
    }

    /// `self[name]` of a dict, if it is there.
    pub fn item(&self, name: &CStr) -> Option<PyRef<'a>> {
        // SAFETY: the GIL is held; a borrowed reference or NULL without an exception.
        let item = unsafe { (self.api.PyDict_GetItemString)(self.as_ptr(), name.as_ptr()) };
        self.gil().borrowed(item)
    }

    /// `self[name] = value` of a dict.
    pub fn set_item(&self, name: &CStr, value: &PyRef<'_>) -> Result<(), PyErr> {
        // SAFETY: the GIL is held; the dict takes a reference of its own. -1: an exception is set.
        let failed = unsafe {
            (self.api.PyDict_SetItemString)(self.as_ptr(), name.as_ptr(), value.as_ptr())
        };
        if failed != 0 {
            return Err(self.gil().raised());
        }
        Ok(())
    }

    /// `self(*arguments)`
    pub fn call(&self, arguments: &[&PyRef<'_>]) -> Result<PyRef<'a>, PyErr> {
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
    pub fn call_method(&self, name: &CStr, arguments: &[&PyRef<'_>]) -> Result<PyRef<'a>, PyErr> {
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

    /// The value of an int.
    pub fn as_i64(&self) -> Result<i64, PyErr> {
        // SAFETY: the GIL is held.
        let value = unsafe { (self.api.PyLong_AsLong)(self.as_ptr()) };
        // SAFETY: the GIL is held; -1 is also a value.
        if value == -1 && !unsafe { (self.api.PyErr_Occurred)() }.is_null() {
            return Err(self.gil().raised());
        }
        Ok(value)
    }

    /// The items of a tuple.
    pub fn items(&self) -> Vec<PyRef<'a>> {
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

    /// The bytes of a bytes object; none of anything else.
    pub fn bytes(&self) -> Vec<u8> {
        // SAFETY: the GIL is held; -1 with an exception if these are no bytes.
        let size = unsafe { (self.api.PyBytes_Size)(self.as_ptr()) };
        let Ok(size) = usize::try_from(size) else {
            self.gil().raised();
            return Vec::new();
        };
        // SAFETY: a bytes object, whose contents do not change as long as it is held.
        unsafe {
            let start = (self.api.PyBytes_AsString)(self.as_ptr());
            slice::from_raw_parts(start.cast::<u8>(), size).to_vec()
        }
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
