//! A function in `gc.callbacks`: CPython calls it before and after every collection.
//!
//! The list is each interpreter's own; so is the function, which knows the number of its interpreter.

use std::{
    ffi::{c_char, c_int},
    ptr,
    sync::{
        atomic::{AtomicPtr, Ordering::Relaxed},
        OnceLock,
    },
};

use pyo3_ffi::{PyMethodDef, PyMethodDefPointer, PyObject, METH_VARARGS};

use super::{
    interpreter::{Gil, Python},
    reference::{PyErr, PyRef},
};
use crate::guard::guard;

/// How many interpreters can be watched.
pub const INTERPRETERS: usize = 16;

/// What CPython says of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It begins.
    Start,
    /// It is over.
    Stop {
        /// The oldest generation that was looked at.
        generation: usize,
        /// Objects that nobody could reach any more.
        found: u64,
    },
}

/// Called in the interpreter of that number, in the midst of whatever allocates there: it must not
/// run Python code.
pub type OnCollection = fn(&Gil<'_>, usize, Phase);

/// Static, as CPython passes the number of the interpreter and no more.
static ON_COLLECTION: OnceLock<(&'static Python, OnCollection)> = OnceLock::new();

/// The function of each interpreter, by its number; NULL where there is none yet. Written under the
/// GIL. Inherited by children, as the objects are.
static FUNCTIONS: [AtomicPtr<PyObject>; INTERPRETERS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; INTERPRETERS];

/// The row that every function is made of: CPython keeps its address.
#[repr(transparent)]
struct Row(PyMethodDef);

// SAFETY: never written.
unsafe impl Sync for Row {}

static ROW: Row = Row(PyMethodDef {
    ml_name: c"pycow_collection".as_ptr(),
    ml_meth: PyMethodDefPointer {
        PyCFunction: called,
    },
    ml_flags: METH_VARARGS,
    ml_doc: ptr::null::<c_char>(),
});

/// Has `on_collection` called for every collection of the current interpreter, once, and returns the
/// interpreter's number; `None` if there are too many. The first `on_collection` is that of all.
pub fn watch(
    gil: &Gil<'_>,
    python: &'static Python,
    on_collection: OnCollection,
) -> Result<Option<usize>, PyErr> {
    if let Some(number) = watched(gil)? {
        return Ok(Some(number));
    }
    ON_COLLECTION.get_or_init(|| (python, on_collection));
    let Some(number) = FUNCTIONS.iter().position(|f| f.load(Relaxed).is_null()) else {
        return Ok(None);
    };
    let own = gil.int(number as c_int)?;
    let row = (&raw const ROW.0).cast_mut();
    // SAFETY: the GIL is held; the row is static and is only read; a new reference or NULL.
    let function =
        gil.owned(unsafe { (gil.api.PyCFunction_NewEx)(row, own.as_ptr(), ptr::null_mut()) })?;
    // SAFETY: the GIL is held; -1 with an exception if that is no list.
    let appended = unsafe { (gil.api.PyList_Append)(list(gil)?.as_ptr(), function.as_ptr()) };
    if appended < 0 {
        return Err(gil.raised());
    }
    // The reference is kept for good: so nobody else ever gets this address.
    FUNCTIONS[number].store(function.into_ptr(), Relaxed);
    Ok(Some(number))
}

/// The number of the current interpreter if its collections are watched: an application may have
/// emptied the list.
pub fn watched(gil: &Gil<'_>) -> Result<Option<usize>, PyErr> {
    let list = list(gil)?;
    // SAFETY: the GIL is held; -1 with an exception if that is no list.
    let size = unsafe { (gil.api.PyList_Size)(list.as_ptr()) };
    if size < 0 {
        return Err(gil.raised());
    }
    Ok((0..size).find_map(|i| {
        // SAFETY: the GIL is held and the place exists; only the address is looked at.
        let item = unsafe { (gil.api.PyList_GetItem)(list.as_ptr(), i) };
        let is = |function: &AtomicPtr<PyObject>| function.load(Relaxed) == item;
        FUNCTIONS.iter().position(is)
    }))
}

fn list<'a>(gil: &Gil<'a>) -> Result<PyRef<'a>, PyErr> {
    // What is imported already is not asked of an application's own `__import__`.
    let module = gil.imported(c"gc").map_or_else(|| gil.import(c"gc"), Ok)?;
    module.attribute(c"callbacks")
}

/// `callback(phase, info)`; what it answers is dropped.
unsafe extern "C" fn called(number: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    let Some((python, on_collection)) = ON_COLLECTION.get() else {
        return ptr::null_mut(); // it is set before the function is made
    };
    // SAFETY: Python called, so the GIL is held.
    unsafe {
        python.assume_gil(|gil| {
            guard((), || {
                if let (Some(number), Some(phase)) = (number_of(gil, number), phase(gil, arguments))
                {
                    on_collection(gil, number, phase);
                }
            });
            // It must not raise: any object will do, and this one is at hand.
            (gil.api.Py_IncRef)(arguments);
        });
    }
    arguments
}

/// The interpreter's number, of the int that was given to its function.
fn number_of(gil: &Gil<'_>, number: *mut PyObject) -> Option<usize> {
    let number = usize::try_from(gil.borrowed(number)?.as_i64().ok()?).ok()?;
    (number < INTERPRETERS).then_some(number)
}

/// What the arguments say; `None` for what a later CPython may say beside.
fn phase(gil: &Gil<'_>, arguments: *mut PyObject) -> Option<Phase> {
    let arguments = gil.borrowed(arguments)?.items();
    let [phase, info] = arguments.as_slice() else {
        return None;
    };
    // SAFETY: the GIL is held; it answers for a str, which CPython passes, and the name ends in NUL.
    let says = |name: *const c_char| unsafe {
        (gil.api.PyUnicode_CompareWithASCIIString)(phase.as_ptr(), name) == 0
    };
    if says(c"start".as_ptr()) {
        return Some(Phase::Start);
    }
    let number = |name| u64::try_from(info.item(name)?.as_i64().ok()?).ok();
    says(c"stop".as_ptr()).then_some(Phase::Stop {
        generation: usize::try_from(number(c"generation")?).ok()?,
        found: number(c"collected")?,
    })
}
