//! The functions of the running CPython, found by name, their signatures checked while compiling.

use std::{
    ffi::{c_char, c_int, c_long, c_void},
    fmt,
};

use pyo3_ffi::{PyFrameObject, PyGILState_STATE, PyInterpreterState, PyObject, PyThreadState};

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
                symbol: impl Fn(&std::ffi::CStr) -> *mut std::ffi::c_void,
            ) -> Result<Self, $crate::python::api::Missing> {
                use std::{ffi::c_void, mem};
                use $crate::python::api::{c_name, Missing};
                let needed = |name: &'static str| {
                    let address = symbol(&c_name(name));
                    if address.is_null() { Err(Missing(name)) } else { Ok(address) }
                };
                // SAFETY: each address is that of the function of this name, whose signature is
                // compared above with pyo3-ffi's, or stands below with its source. A null pointer
                // is the `None` of an optional function.
                unsafe {
                    Ok(Self {
                        $($stable: mem::transmute::<*mut c_void, unsafe extern "C" fn($($arg),*) $(-> $answer)?>(needed(stringify!($stable))?),)*
                        $($unstable: mem::transmute::<*mut c_void, unsafe extern "C" fn($($uarg),*) $(-> $uanswer)?>(needed(stringify!($unstable))?),)*
                        $($optional: mem::transmute::<*mut c_void, Option<unsafe extern "C" fn($($oarg),*) $(-> $oanswer)?>>(symbol(&c_name(stringify!($optional)))),)*
                    })
                }
            }
        }
    };
}

/// A hook of PEP 578.
pub(super) type AuditHook =
    unsafe extern "C" fn(*const c_char, *mut PyObject, *mut c_void) -> c_int;

pub(in crate::python) use api;

api! {
    /// What pycow calls of CPython. To be called with the GIL held, but for `Py_GetVersion` and
    /// `PyGILState_Ensure`.
    Api:
    stable {
        Py_GetVersion: fn() -> *const c_char;
        PyGILState_Ensure: fn() -> PyGILState_STATE;
        PyGILState_Release: fn(PyGILState_STATE);
        Py_IncRef: fn(*mut PyObject);
        Py_DecRef: fn(*mut PyObject);
        PyImport_ImportModule: fn(*const c_char) -> *mut PyObject;
        PyImport_GetModuleDict: fn() -> *mut PyObject;
        PyDict_New: fn() -> *mut PyObject;
        PyDict_GetItemString: fn(*mut PyObject, *const c_char) -> *mut PyObject;
        PyObject_GetAttrString: fn(*mut PyObject, *const c_char) -> *mut PyObject;
        PyObject_CallObject: fn(*mut PyObject, *mut PyObject) -> *mut PyObject;
        PyObject_IsTrue: fn(*mut PyObject) -> c_int;
        PyObject_Str: fn(*mut PyObject) -> *mut PyObject;
        PyTuple_New: fn(isize) -> *mut PyObject;
        PyTuple_SetItem: fn(*mut PyObject, isize, *mut PyObject) -> c_int;
        PyTuple_GetItem: fn(*mut PyObject, isize) -> *mut PyObject;
        PyTuple_Size: fn(*mut PyObject) -> isize;
        PyLong_FromLong: fn(c_long) -> *mut PyObject;
        PyLong_AsLong: fn(*mut PyObject) -> c_long;
        PyUnicode_FromString: fn(*const c_char) -> *mut PyObject;
        PyUnicode_AsUTF8String: fn(*mut PyObject) -> *mut PyObject;
        PyBytes_Size: fn(*mut PyObject) -> isize;
        PyBytes_AsString: fn(*mut PyObject) -> *mut c_char;
        PySys_GetObject: fn(*const c_char) -> *mut PyObject;
        PyErr_Occurred: fn() -> *mut PyObject;
        PyErr_Fetch: fn(*mut *mut PyObject, *mut *mut PyObject, *mut *mut PyObject);
        PyErr_NormalizeException: fn(*mut *mut PyObject, *mut *mut PyObject, *mut *mut PyObject);
        PyErr_WriteUnraisable: fn(*mut PyObject);
        PyEval_GetFrame: fn() -> *mut PyFrameObject;
        PyThreadState_New: fn(*mut PyInterpreterState) -> *mut PyThreadState;
        PyThreadState_Swap: fn(*mut PyThreadState) -> *mut PyThreadState;
        PyThreadState_Clear: fn(*mut PyThreadState);
        PyThreadState_Delete: fn(*mut PyThreadState);
    }
    unstable {
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
        /// Include/cpython/sysmodule.h, since 3.8.
        PySys_AddAuditHook: fn(AuditHook, *mut c_void) -> c_int;
    }
}

/// A function that this CPython does not export.
#[derive(Debug)]
pub struct Missing(pub(super) &'static str);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this Python does not export {}", self.0)
    }
}

/// The name as C has it.
pub(in crate::python) fn c_name(name: &str) -> std::ffi::CString {
    std::ffi::CString::new(name).expect("a Rust identifier has no NUL")
}
