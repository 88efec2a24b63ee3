//! The functions of `gc` that change its policy, replaced where the interpreter looks when it calls
//! them: in the module's table of methods. So whoever holds such a function, also by
//! `from gc import enable` before pycow came, calls the replacement, in every interpreter.

use std::{
    ffi::{c_int, CStr},
    fmt, ptr,
    sync::{
        atomic::{AtomicBool, Ordering},
        OnceLock,
    },
};

use pyo3_ffi::{PyMethodDef, PyObject, PyTypeObject, METH_NOARGS, METH_VARARGS};

use super::{
    interpreter::{Gil, Python},
    reference::PyErr,
};
use crate::guard::guard;

/// A function that is asked about before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `gc.enable`
    Enable,
    /// `gc.set_threshold`
    SetThreshold,
    /// `gc.unfreeze`
    Unfreeze,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enable => "gc.enable",
            Self::SetThreshold => "gc.set_threshold",
            Self::Unfreeze => "gc.unfreeze",
        })
    }
}

/// Says whether a call is to have its effect. Asked under the GIL, in the interpreter of the caller.
pub type MayRun = fn(&Gil<'_>, Method) -> bool;

/// Why the functions could not be replaced. Nothing was changed.
#[derive(Debug)]
pub enum NotReplaced {
    /// A `Py_TRACE_REFS` build, whose objects are laid out differently.
    TraceRefs,
    /// The functions are not what is expected.
    Unknown,
    /// Python raised.
    Raised(PyErr),
}

impl fmt::Display for NotReplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TraceRefs => f.write_str("it does not work with a Py_TRACE_REFS build of Python"),
            Self::Unknown => f.write_str("this Python's gc module is not known"),
            Self::Raised(raised) => raised.fmt(f),
        }
    }
}

impl std::error::Error for NotReplaced {}

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

/// What stood in the table.
struct Replaced {
    python: &'static Python,
    may_run: MayRun,
    enable: Function,
    set_threshold: Function,
    unfreeze: Function,
}

impl Replaced {
    fn original(&self, method: Method) -> Function {
        match method {
            Method::Enable => self.enable,
            Method::SetThreshold => self.set_threshold,
            Method::Unfreeze => self.unfreeze,
        }
    }
}

/// Static, as CPython gives a function of a module no argument of ours.
static REPLACED: OnceLock<Replaced> = OnceLock::new();
/// pycow itself is calling. Read and written under the GIL.
static PYCOW_CALLS: AtomicBool = AtomicBool::new(false);

/// Puts the replacements in place, in the master before any application is loaded: from now on they
/// ask `may_run`, and answer `None` without doing anything where it says no.
pub fn replace_all(
    gil: &Gil<'_>,
    python: &'static Python,
    may_run: MayRun,
) -> Result<(), NotReplaced> {
    if gil.sys(c"getobjects").is_some() {
        return Err(NotReplaced::TraceRefs);
    }
    let row = |name, convention| {
        method(gil, name, convention)
            .map_err(NotReplaced::Raised)?
            .ok_or(NotReplaced::Unknown)
    };
    let enable = row(c"enable", METH_NOARGS)?;
    let set_threshold = row(c"set_threshold", METH_VARARGS)?;
    let unfreeze = row(c"unfreeze", METH_NOARGS)?;
    REPLACED.get_or_init(|| Replaced {
        python,
        may_run,
        enable: replace(enable, asked_enable),
        set_threshold: replace(set_threshold, asked_set_threshold),
        unfreeze: replace(unfreeze, asked_unfreeze),
    });
    Ok(())
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
    convention: c_int,
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

unsafe extern "C" fn asked_enable(module: *mut PyObject, none: *mut PyObject) -> *mut PyObject {
    // SAFETY: Python called with what the original takes.
    unsafe { ask(Method::Enable, module, none) }
}

unsafe extern "C" fn asked_set_threshold(
    module: *mut PyObject,
    arguments: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as in `asked_enable`.
    unsafe { ask(Method::SetThreshold, module, arguments) }
}

unsafe extern "C" fn asked_unfreeze(module: *mut PyObject, none: *mut PyObject) -> *mut PyObject {
    // SAFETY: as in `asked_enable`.
    unsafe { ask(Method::Unfreeze, module, none) }
}

/// Calls the original if pycow called or the call is to have its effect.
///
/// # Safety
/// Called by Python with `module` and `arguments`, the GIL held.
unsafe fn ask(method: Method, module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    let Some(replaced) = REPLACED.get() else {
        // The replacement stands in the table a moment before the originals are stored: nobody
        // can call in between, as that moment is within one call from uWSGI's only thread.
        return ptr::null_mut();
    };
    let ours = PYCOW_CALLS.load(Ordering::Relaxed);
    let may_run = ours
        || guard(true, || {
            // SAFETY: Python called, so the GIL is held.
            unsafe {
                replaced
                    .python
                    .assume_gil(|gil| (replaced.may_run)(gil, method))
            }
        });
    if may_run {
        // SAFETY: the caller's promise.
        return unsafe { replaced.original(method)(module, arguments) };
    }
    // SAFETY: the GIL is held.
    unsafe { replaced.python.assume_gil(|gil| gil.none()) }
}
