//! Open files whose text is not written yet, and temporary files: what the end of their objects would
//! have saved.

use std::{
    ffi::{c_int, c_void, CStr},
    ptr,
};

use pyo3_ffi::PyObject;

use super::{
    interpreter::Gil,
    reference::{PyErr, PyRef},
};
use crate::guard::guard;

const SOURCE: &str = concat!(include_str!("files.py"), "\0");
/// Where the functions are kept in each interpreter's own dict.
const KEY: &CStr = c"pycow.files";

/// Before the heap is frozen: after that nobody shows the files that are there now. CPython's collector
/// does not before 3.12, and `PyUnstable_GC_VisitObjects` not in every release since (not in 3.12.1 and
/// 3.13.0).
pub fn remember(gil: &Gil<'_>) {
    log_err(function(gil, c"remember").and_then(|remember| remember.call(&[])));
}

/// Compiles what [`save`] needs, so that a process that leaves does not have to.
pub fn prepare(gil: &Gil<'_>) {
    log_err(function(gil, c"save"));
}

/// Has files saved as the last of the atexit functions: those run in the reverse order of registration,
/// and no application is loaded yet.
pub fn save_at_exit(gil: &Gil<'_>) {
    let save = function(gil, c"save");
    log_err(save.and_then(|save| gil.import(c"atexit")?.call_method(c"register", &[&save])));
}

/// Writes out the files of the current interpreter, and unlinks what tempfile would have.
pub fn save(gil: &Gil<'_>) {
    log_err(function(gil, c"save").and_then(|save| match found(gil)? {
        Some(files) => save.call(&[&files]),
        None => save.call(&[]),
    }));
}

fn log_err<T>(outcome: Result<T, PyErr>) {
    if let Err(raised) = outcome {
        log::error!("open files: {raised}");
    }
}

/// A function of files.py in the current interpreter.
fn function<'a>(gil: &Gil<'a>, name: &CStr) -> Result<PyRef<'a>, PyErr> {
    let names = match gil.own_dict().and_then(|dict| dict.item(KEY)) {
        Some(names) => names,
        None => {
            let names = gil.dict()?;
            let source = CStr::from_bytes_with_nul(SOURCE.as_bytes()).unwrap_or_default();
            let builtins = gil.import(c"builtins")?;
            builtins.call_method(c"exec", &[&gil.text(source)?, &names])?;
            if let Some(dict) = gil.own_dict() {
                dict.set_item(KEY, &names)?;
            }
            names
        }
    };
    names
        .item(name)
        .ok_or_else(|| PyErr("files.py lost a function".into()))
}

/// What [`look`] collects.
struct Search<'a, 'g> {
    gil: &'a Gil<'g>,
    /// `_io._IOBase`, and tempfile's two classes where that is imported.
    classes: Vec<PyRef<'g>>,
    /// The class that was looked at last, and whether its objects matter.
    last: (*mut pyo3_ffi::PyTypeObject, bool),
    found: Vec<*mut PyObject>,
}

/// The files among all objects, without touching any other's count; `None` before 3.12.
fn found<'g>(gil: &Gil<'g>) -> Result<Option<PyRef<'g>>, PyErr> {
    let Some(visit) = gil.api.PyUnstable_GC_VisitObjects else {
        return Ok(None);
    };
    let mut classes = vec![gil.import(c"_io")?.attribute(c"_IOBase")?];
    if let Some(tempfile) = gil.imported(c"tempfile") {
        for name in [c"_TemporaryFileCloser", c"_TemporaryFileWrapper"] {
            classes.extend(tempfile.attribute(name).ok());
        }
    }
    let mut search = Search {
        gil,
        classes,
        last: (ptr::null_mut(), false),
        found: Vec::new(),
    };
    // SAFETY: the GIL is held; `look` takes the search and allocates no Python object.
    unsafe { visit(look, (&raw mut search).cast()) };
    // SAFETY: the GIL is held; a new reference or NULL.
    let list = gil.owned(unsafe { (gil.api.PyList_New)(0) })?;
    for file in search.found {
        // SAFETY: the GIL is held, and nothing was dropped since the object was found alive.
        unsafe { (gil.api.PyList_Append)(list.as_ptr(), file) };
    }
    Ok(Some(list))
}

unsafe extern "C" fn look(object: *mut PyObject, search: *mut c_void) -> c_int {
    guard(0, || {
        // SAFETY: the pointer that `found` gave; nobody else uses the search meanwhile.
        let search = unsafe { &mut *search.cast::<Search<'_, '_>>() };
        // SAFETY: a live object; its class is its second word.
        let class = unsafe { (*object).ob_type };
        if search.last.0 != class {
            let derives = |from: &PyRef<'_>| {
                // SAFETY: two live classes; the GIL is held.
                unsafe { (search.gil.api.PyType_IsSubtype)(class, from.as_ptr().cast()) != 0 }
            };
            search.last = (class, search.classes.iter().any(derives));
        }
        if search.last.1 {
            search.found.push(object);
        }
        1
    })
}
