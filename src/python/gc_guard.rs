//! Overrules code that changes the collector's policy, and names it once.
//!
//! `gc.enable`, `gc.set_threshold` and `gc.unfreeze` are replaced where the interpreter looks when
//! it calls them: in the module's table of methods. So whoever holds such a function, also by
//! `from gc import enable` before pycow came, calls the replacement, in every interpreter.

use std::{
    collections::hash_map::DefaultHasher,
    ffi::CStr,
    hash::{Hash, Hasher},
    ptr,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        OnceLock,
    },
};

use pyo3_ffi::{PyMethodDef, PyObject, PyTypeObject, METH_NOARGS, METH_VARARGS};

use super::{
    interpreter::{Gil, Python},
    reference::PyErr,
};
use crate::guard::guard;

/// `PyCFunctionObject` up to the member needed here (Include/cpython/methodobject.h, the same in
/// every version; a build with `Py_TRACE_REFS` has two pointers before it and is left alone).
#[repr(C)]
struct BuiltinFunction {
    ob_refcnt: isize,
    ob_type: *mut PyTypeObject,
    m_ml: *mut PyMethodDef,
}

/// A function of either calling convention.
type Function = unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> *mut PyObject;

struct Guarded {
    python: &'static Python,
    enable: Function,
    set_threshold: Function,
    unfreeze: Function,
}

static GUARDED: OnceLock<Guarded> = OnceLock::new();
/// No automatic collections are wanted now: while applications load, and for good under `off`.
static COLLECTOR_OFF: AtomicBool = AtomicBool::new(true);
/// pycow itself is calling. Read and written under the GIL.
static PYCOW_CALLS: AtomicBool = AtomicBool::new(false);

/// Puts the replacements in place, in the master before any application is loaded.
pub fn install(gil: &Gil<'_>, python: &'static Python) -> Result<(), PyErr> {
    if gil.sys(c"getobjects").is_some() {
        log::warn!("pycow-gc-guard does not work with a Py_TRACE_REFS build of Python");
        return Ok(());
    }
    let methods = (
        method(gil, c"enable", METH_NOARGS)?,
        method(gil, c"set_threshold", METH_VARARGS)?,
        method(gil, c"unfreeze", METH_NOARGS)?,
    );
    let (Some(enable), Some(set_threshold), Some(unfreeze)) = methods else {
        log::warn!("pycow-gc-guard does not know this Python's gc module: it is off");
        return Ok(());
    };
    GUARDED.get_or_init(|| Guarded {
        python,
        enable: replace(enable, guarded_enable),
        set_threshold: replace(set_threshold, guarded_set_threshold),
        unfreeze: replace(unfreeze, guarded_unfreeze),
    });
    Ok(())
}

/// From now on collections are wanted: code may switch the collector on again, not change it.
pub fn collector_on() {
    COLLECTOR_OFF.store(false, Ordering::Relaxed);
}

/// Runs `body`, in which the functions of `gc` do what they say.
pub fn as_pycow<T>(body: impl FnOnce() -> T) -> T {
    PYCOW_CALLS.store(true, Ordering::Relaxed);
    let answer = body();
    PYCOW_CALLS.store(false, Ordering::Relaxed);
    answer
}

/// The row of `gc.name` in the table of methods; `None` if it is not what is expected there.
fn method(
    gil: &Gil<'_>,
    name: &CStr,
    convention: std::ffi::c_int,
) -> Result<Option<&'static mut PyMethodDef>, PyErr> {
    let function = gil.import(c"gc")?.attribute(name)?;
    let kind = function
        .attribute(c"__class__")?
        .attribute(c"__name__")?
        .text();
    if kind.as_deref() != Some("builtin_function_or_method") {
        return Ok(None);
    }
    // SAFETY: a builtin function, in a build without Py_TRACE_REFS: `m_ml` points to its row, which
    // lives as long as the interpreter, in writable memory (Modules/gcmodule.c: not const).
    let row = unsafe { &mut *(*function.as_ptr().cast::<BuiltinFunction>()).m_ml };
    // SAFETY: a row has a NUL-terminated name.
    let same = unsafe { CStr::from_ptr(row.ml_name) } == name;
    Ok((same && row.ml_flags == convention).then_some(row))
}

fn replace(row: &mut PyMethodDef, with: Function) -> Function {
    // SAFETY: both conventions pass two pointers, and the row had a function of that kind.
    unsafe {
        let address = (&raw mut row.ml_meth).cast::<Function>();
        ptr::replace(address, with)
    }
}

unsafe extern "C" fn guarded_enable(module: *mut PyObject, none: *mut PyObject) -> *mut PyObject {
    // Where collections are wanted, this only undoes a gc.disable().
    let allowed = !COLLECTOR_OFF.load(Ordering::Relaxed);
    // SAFETY: Python called with what the original takes.
    unsafe { overrule("enable", allowed, |guarded| guarded.enable, module, none) }
}

unsafe extern "C" fn guarded_set_threshold(
    module: *mut PyObject,
    arguments: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as in `guarded_enable`.
    unsafe {
        overrule(
            "set_threshold",
            false,
            |guarded| guarded.set_threshold,
            module,
            arguments,
        )
    }
}

unsafe extern "C" fn guarded_unfreeze(module: *mut PyObject, none: *mut PyObject) -> *mut PyObject {
    // SAFETY: as in `guarded_enable`.
    unsafe { overrule("unfreeze", false, |guarded| guarded.unfreeze, module, none) }
}

/// Calls the original if pycow called or the call is allowed; else names the caller and does nothing.
///
/// # Safety
/// Called by Python with `module` and `arguments`, the GIL held.
unsafe fn overrule(
    name: &str,
    allowed: bool,
    original: fn(&Guarded) -> Function,
    module: *mut PyObject,
    arguments: *mut PyObject,
) -> *mut PyObject {
    let Some(guarded) = GUARDED.get() else {
        // The replacement stands in the table a moment before the originals are stored: nobody
        // can call in between, as that moment is within one call from uWSGI's only thread.
        return ptr::null_mut();
    };
    if allowed || PYCOW_CALLS.load(Ordering::Relaxed) {
        // SAFETY: the caller's promise.
        return unsafe { original(guarded)(module, arguments) };
    }
    guard((), || {
        // SAFETY: Python called, so the GIL is held.
        unsafe { guarded.python.assume_gil(|gil| name_once(gil, name)) }
    });
    // SAFETY: the GIL is held.
    unsafe { guarded.python.assume_gil(|gil| gil.none()) }
}

fn name_once(gil: &Gil<'_>, function: &str) {
    let frame = gil.frame();
    let line = frame
        .as_ref()
        .and_then(|frame| frame.attribute(c"f_lineno").ok()?.text());
    let file = frame.as_ref().and_then(|frame| {
        let code = frame.attribute(c"f_code").ok()?;
        code.attribute(c"co_filename").ok()?.text()
    });
    let file = file.as_deref().unwrap_or("unknown");
    let line = line.as_deref().unwrap_or("0");
    let mut hasher = DefaultHasher::new();
    (function, file, line).hash(&mut hasher);
    if SEEN.insert(hasher.finish()) {
        log::warn!("gc.{function}() at {file}:{line} is overruled (pycow-gc-guard)");
    }
}

/// Callers that were named. Without a lock: a fork may happen at any time in another thread.
struct Seen([AtomicU64; 64]);

static SEEN: Seen = Seen([const { AtomicU64::new(0) }; 64]);

impl Seen {
    /// True if it was not there yet. When the table is full, nothing is new any more.
    fn insert(&self, hash: u64) -> bool {
        let hash = hash.max(1);
        for place in &self.0 {
            match place.compare_exchange(0, hash, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(there) if there == hash => return false,
                Err(_) => {}
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_new_once() {
        let seen = Seen([const { AtomicU64::new(0) }; 64]);
        assert!(seen.insert(5));
        assert!(!seen.insert(5));
        assert!((100..163).all(|hash| seen.insert(hash)));
        assert!(!seen.insert(999), "a full table names nobody");
    }
}
