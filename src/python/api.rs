//! The functions of the running CPython, found by name, their signatures checked while compiling.

use std::ffi::{c_char, c_int, c_long, c_void};

use pyo3_ffi::{
    PyFrameObject, PyGILState_STATE, PyInterpreterState, PyMethodDef, PyObject, PyThreadState,
    PyTypeObject,
};

/// Declares a struct with a field for every function, looked up by its own name. Those of the stable
/// ABI are compared with pyo3-ffi's declaration, which leaves no undefined symbol behind.
macro_rules! api {
    (
        $(#[$about:meta])*
        $api:ident:
        stable { $($stable:ident: fn($($arg:ty),*) $(-> $answer:ty)?;)* }
        unstable { $($(#[$doc:meta])* $unstable:ident: fn($($uarg:ty),*) $(-> $uanswer:ty)?;)* }
        optional { $($(#[$odoc:meta])* $optional:ident: fn($($oarg:ty),*) $(-> $oanswer:ty)?;)* }
    ) => {
        $(#[$about])*
        #[allow(non_snake_case, reason = "the names are CPython's")]
        pub(in crate::python) struct $api {
            $(pub $stable: unsafe extern "C" fn($($arg),*) $(-> $answer)?,)*
            $($(#[$doc])* pub $unstable: unsafe extern "C" fn($($uarg),*) $(-> $uanswer)?,)*
            $($(#[$odoc])* pub $optional: Option<unsafe extern "C" fn($($oarg),*) $(-> $oanswer)?>,)*
        }

        $(const _: unsafe extern "C" fn($($arg),*) $(-> $answer)? = pyo3_ffi::$stable;)*

        impl $api {
            /// Looks up every function. Fails with the first that must be there and is not.
            pub fn find(
                symbols: $crate::symbols::Symbols,
            ) -> Result<Self, $crate::python::api::Missing> {
                use std::{ffi::c_void, mem, ptr};
                use $crate::python::api::{c_name, Missing};
                let optional = |name: &'static str| {
                    symbols.address(&c_name(name)).map_or(ptr::null_mut(), ptr::NonNull::as_ptr)
                };
                let needed = |name: &'static str| {
                    let address = optional(name);
                    if address.is_null() { Err(Missing(name)) } else { Ok(address) }
                };
                // SAFETY: each address is that of the function of this name, whose signature is
                // compared above with pyo3-ffi's, or stands below with its source. A null pointer
                // is the `None` of an optional function.
                unsafe {
                    Ok(Self {
                        $($stable: mem::transmute::<*mut c_void, unsafe extern "C" fn($($arg),*) $(-> $answer)?>(needed(stringify!($stable))?),)*
                        $($unstable: mem::transmute::<*mut c_void, unsafe extern "C" fn($($uarg),*) $(-> $uanswer)?>(needed(stringify!($unstable))?),)*
                        $($optional: mem::transmute::<*mut c_void, Option<unsafe extern "C" fn($($oarg),*) $(-> $oanswer)?>>(optional(stringify!($optional))),)*
                    })
                }
            }
        }
    };
}

/// Called for every tracked object; 1 to go on.
pub(super) type OnObject = unsafe extern "C" fn(*mut PyObject, *mut c_void) -> c_int;

/// A hook of PEP 578.
pub(super) type AuditHook =
    unsafe extern "C" fn(*const c_char, *mut PyObject, *mut c_void) -> c_int;

pub(in crate::python) use api;

api! {
    /// What pycow calls of CPython. To be called with the GIL held, but for `Py_GetVersion`,
    /// `Py_IsInitialized`, `PyGILState_Ensure` and those that say which thread state is whose.
    Api:
    stable {
        Py_GetVersion: fn() -> *const c_char;
        Py_IsInitialized: fn() -> c_int;
        PyOS_BeforeFork: fn();
        PyOS_AfterFork_Parent: fn();
        PyOS_AfterFork_Child: fn();
        PyGILState_Ensure: fn() -> PyGILState_STATE;
        PyGILState_Release: fn(PyGILState_STATE);
        PyGILState_GetThisThreadState: fn() -> *mut PyThreadState;
        Py_IncRef: fn(*mut PyObject);
        Py_DecRef: fn(*mut PyObject);
        PyImport_ImportModule: fn(*const c_char) -> *mut PyObject;
        PyImport_GetModuleDict: fn() -> *mut PyObject;
        PyDict_New: fn() -> *mut PyObject;
        PyDict_GetItemString: fn(*mut PyObject, *const c_char) -> *mut PyObject;
        PyObject_GetAttrString: fn(*mut PyObject, *const c_char) -> *mut PyObject;
        PyObject_CallObject: fn(*mut PyObject, *mut PyObject) -> *mut PyObject;
        PyType_IsSubtype: fn(*mut PyTypeObject, *mut PyTypeObject) -> c_int;
        PyList_New: fn(isize) -> *mut PyObject;
        PyDict_SetItemString: fn(*mut PyObject, *const c_char, *mut PyObject) -> c_int;
        PyObject_Str: fn(*mut PyObject) -> *mut PyObject;
        PyTuple_New: fn(isize) -> *mut PyObject;
        PyTuple_SetItem: fn(*mut PyObject, isize, *mut PyObject) -> c_int;
        PyTuple_GetItem: fn(*mut PyObject, isize) -> *mut PyObject;
        PyTuple_Size: fn(*mut PyObject) -> isize;
        PyList_Size: fn(*mut PyObject) -> isize;
        PyList_GetItem: fn(*mut PyObject, isize) -> *mut PyObject;
        PyList_Append: fn(*mut PyObject, *mut PyObject) -> c_int;
        PyLong_FromLong: fn(c_long) -> *mut PyObject;
        PyLong_AsLong: fn(*mut PyObject) -> c_long;
        PyUnicode_FromString: fn(*const c_char) -> *mut PyObject;
        PyUnicode_CompareWithASCIIString: fn(*mut PyObject, *const c_char) -> c_int;
        PyUnicode_AsUTF8String: fn(*mut PyObject) -> *mut PyObject;
        PyBytes_Size: fn(*mut PyObject) -> isize;
        PyBytes_AsString: fn(*mut PyObject) -> *mut c_char;
        PySys_GetObject: fn(*const c_char) -> *mut PyObject;
        PyErr_Occurred: fn() -> *mut PyObject;
        PyErr_Fetch: fn(*mut *mut PyObject, *mut *mut PyObject, *mut *mut PyObject);
        PyErr_NormalizeException: fn(*mut *mut PyObject, *mut *mut PyObject, *mut *mut PyObject);
        PyErr_WriteUnraisable: fn(*mut PyObject);
        PyGC_Collect: fn() -> isize;
        PyObject_GC_Track: fn(*mut c_void);
        PyObject_GC_UnTrack: fn(*mut c_void);
        PyEval_GetFrame: fn() -> *mut PyFrameObject;
        PyThreadState_New: fn(*mut PyInterpreterState) -> *mut PyThreadState;
        PyThreadState_Swap: fn(*mut PyThreadState) -> *mut PyThreadState;
        PyThreadState_Clear: fn(*mut PyThreadState);
        PyThreadState_Delete: fn(*mut PyThreadState);
        PyEval_SaveThread: fn() -> *mut PyThreadState;
        PyEval_RestoreThread: fn(*mut PyThreadState);
        PyEval_AcquireThread: fn(*mut PyThreadState);
        PyEval_ReleaseThread: fn(*mut PyThreadState);
    }
    unstable {
        /// Include/methodobject.h, in every version.
        PyCFunction_NewEx: fn(*mut PyMethodDef, *mut PyObject, *mut PyObject) -> *mut PyObject;
        /// Include/cpython/pystate.h, since 3.7.
        PyInterpreterState_Main: fn() -> *mut PyInterpreterState;
        /// Include/cpython/pystate.h, in every version.
        PyInterpreterState_Head: fn() -> *mut PyInterpreterState;
        /// Include/cpython/pystate.h, in every version.
        PyInterpreterState_Next: fn(*mut PyInterpreterState) -> *mut PyInterpreterState;
    }
    optional {
        /// Include/pystate.h, since 3.9; where it is absent, interpreters share one collector.
        PyInterpreterState_Get: fn() -> *mut PyInterpreterState;
        /// Include/pystate.h, since 3.8.
        PyInterpreterState_GetDict: fn(*mut PyInterpreterState) -> *mut PyObject;
        /// Include/cpython/objimpl.h, since 3.12. Neither it nor its callback allocates Python objects.
        PyUnstable_GC_VisitObjects: fn(OnObject, *mut c_void);
        /// Include/cpython/pystate.h, up to 3.12. Asks for the current thread state, with or without the GIL.
        _PyThreadState_UncheckedGet: fn() -> *mut PyThreadState;
        /// Include/cpython/sysmodule.h, since 3.8.
        PySys_AddAuditHook: fn(AuditHook, *mut c_void) -> c_int;
    }
}

/// A function that this CPython does not export.
#[derive(Debug, thiserror::Error)]
#[error("this Python does not export {0}")]
pub struct Missing(pub(super) &'static str);

/// The name as C has it.
pub(in crate::python) fn c_name(name: &str) -> std::ffi::CString {
    std::ffi::CString::new(name).expect("a Rust identifier has no NUL")
}
