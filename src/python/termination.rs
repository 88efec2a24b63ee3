//! A place in Python code at which a process may leave: a bytecode boundary of its main thread.
//!
//! The handlers of `signal.signal` run there, and inside of blocking calls that a signal interrupts
//! (PEP 475). CPython calls a C function as readily as a Python one.

use std::{cell::UnsafeCell, ffi::c_int, ptr, sync::OnceLock};

use pyo3_ffi::{PyMethodDef, PyMethodDefPointer, PyObject, METH_VARARGS};

use super::{
    interpreter::{Gil, Python},
    reference::PyErr,
};
use crate::guard::guard;

/// What is done at a boundary after the signal of that number.
pub type AtBoundary = fn(c_int);

/// What a handler of CPython's gets no argument to carry.
static AT_BOUNDARY: OnceLock<(&'static Python, AtBoundary)> = OnceLock::new();

struct Definition(UnsafeCell<PyMethodDef>);

// SAFETY: CPython only reads the row, with the GIL held.
unsafe impl Sync for Definition {}

static DEFINITION: Definition = Definition(UnsafeCell::new(PyMethodDef {
    ml_name: c"leave".as_ptr(),
    ml_meth: PyMethodDefPointer {
        PyCFunction: handler,
    },
    ml_flags: METH_VARARGS,
    ml_doc: ptr::null(),
}));

/// Has CPython run `at_boundary` at the next bytecode boundary after each of these signals, with its number.
/// It fails outside of the main thread.
pub fn install(
    gil: &Gil<'_>,
    python: &'static Python,
    signals: &[c_int],
    at_boundary: AtBoundary,
) -> Result<(), PyErr> {
    AT_BOUNDARY.get_or_init(|| (python, at_boundary));
    // SAFETY: the GIL is held; the row lives for good; a new reference or NULL.
    let function = gil.owned(unsafe {
        (gil.api.PyCFunction_NewEx)(DEFINITION.0.get(), ptr::null_mut(), ptr::null_mut())
    })?;
    let module = gil.import(c"signal")?;
    for &signal in signals {
        module.call_method(c"signal", &[&gil.int(signal)?, &function])?;
    }
    Ok(())
}

/// `handler(signal, frame)`
unsafe extern "C" fn handler(_self: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    guard(ptr::null_mut(), || {
        let Some((python, at_boundary)) = AT_BOUNDARY.get() else {
            return ptr::null_mut();
        };
        // SAFETY: Python called.
        unsafe {
            python.assume_gil(|gil| {
                at_boundary(signal(gil, arguments));
                gil.none()
            })
        }
    })
}

/// The first of the arguments; 0, which is no signal, for what is none.
fn signal(gil: &Gil<'_>, arguments: *mut PyObject) -> c_int {
    let arguments = gil.borrowed(arguments).map(|all| all.items());
    let first = arguments
        .as_deref()
        .and_then(|all| all.first()?.as_i64().ok());
    first
        .and_then(|number| c_int::try_from(number).ok())
        .unwrap_or(0)
}
