//! Sub-interpreters: uWSGI makes one for every application after the first, unless told
//! `single-interpreter`. Since CPython 3.9 each has a collector of its own.

use std::{
    ffi::{c_char, c_int, c_void, CStr},
    ptr,
    sync::{
        atomic::{AtomicBool, AtomicPtr, Ordering},
        OnceLock,
    },
};

use pyo3_ffi::{PyInterpreterState, PyObject};

use super::interpreter::{Gil, Python};
use crate::guard::guard;

/// Runs `body` once for every collector, in its interpreter: `body(gil, is_main)`.
///
/// To be called with the main interpreter's thread state current, while no other thread makes or
/// ends interpreters: before the fork, and in a child before it serves.
pub fn each(gil: &Gil<'_>, mut body: impl FnMut(&Gil<'_>, bool)) {
    if gil.api.PyInterpreterState_Get.is_some() {
        all(gil, body);
    } else {
        body(gil, true); // before 3.9: one collector for all
    }
}

/// Runs `body` in every interpreter: in the main one first, then from the youngest to the oldest.
///
/// To be called as [`each`] is.
pub fn all(gil: &Gil<'_>, mut body: impl FnMut(&Gil<'_>, bool)) {
    body(gil, true);
    let api = gil.api;
    // SAFETY: the GIL is held, so the list stands still.
    let (main, mut next) = unsafe {
        (
            (api.PyInterpreterState_Main)(),
            (api.PyInterpreterState_Head)(),
        )
    };
    while !next.is_null() {
        if next != main {
            within(gil, next, &mut body);
        }
        // SAFETY: as above; `body` does not end interpreters.
        next = unsafe { (api.PyInterpreterState_Next)(next) };
    }
}

/// How many interpreters there are.
pub fn count(gil: &Gil<'_>) -> usize {
    let api = gil.api;
    // SAFETY: the GIL is held, so the list stands still.
    let mut next = unsafe { (api.PyInterpreterState_Head)() };
    let mut count = 0;
    while !next.is_null() {
        count += 1;
        // SAFETY: as above.
        next = unsafe { (api.PyInterpreterState_Next)(next) };
    }
    count
}

/// Runs `body` in a sub-interpreter, under a thread state of its own for the time of the call.
fn within(
    gil: &Gil<'_>,
    interpreter: *mut PyInterpreterState,
    body: &mut impl FnMut(&Gil<'_>, bool),
) {
    let api = gil.api;
    // SAFETY: the GIL is held and the interpreter is alive. The new state is current from the first
    // swap to the second, is cleared while it is, and is deleted when it is no more.
    unsafe {
        let state = (api.PyThreadState_New)(interpreter);
        if state.is_null() {
            return;
        }
        let main = (api.PyThreadState_Swap)(state);
        body(gil, false);
        (api.PyThreadState_Clear)(state);
        (api.PyThreadState_Swap)(main);
        (api.PyThreadState_Delete)(state);
    }
}

/// Runs `body` in every interpreter but the main one, as one does who has just come in: the GIL is
/// let go, and taken there.
///
/// Who waits for the GIL leaves a request in the own interpreter (3.9 to 3.11: `gil_drop_request`) until
/// it is next taken there. In a child the one who waited is not there, and whoever lets go of the GIL at
/// such a request waits for somebody to take it. To be called in a child, in its only thread, with the
/// main interpreter's thread state current.
pub fn take_over(gil: &Gil<'_>, mut body: impl FnMut(&Gil<'_>)) {
    let api = gil.api;
    // SAFETY: there is no other thread, so the list stands still, with or without the GIL. The new state
    // is current from Acquire to Release, is cleared while it is, and deleted when it is no more.
    unsafe {
        let main = (api.PyInterpreterState_Main)();
        let mut next = (api.PyInterpreterState_Head)();
        while !next.is_null() {
            let state = if next == main {
                ptr::null_mut()
            } else {
                (api.PyThreadState_New)(next)
            };
            if !state.is_null() {
                let own = (api.PyEval_SaveThread)();
                (api.PyEval_AcquireThread)(state);
                body(gil);
                (api.PyThreadState_Clear)(state);
                (api.PyEval_ReleaseThread)(state);
                (api.PyEval_RestoreThread)(own);
                (api.PyThreadState_Delete)(state);
            }
            next = (api.PyInterpreterState_Next)(next);
        }
    }
}

/// What is done in a new interpreter; whether it could be done.
pub type OnNew = fn(&Gil<'_>) -> bool;

static ON_NEW: OnceLock<(&'static Python, OnNew)> = OnceLock::new();
/// Set for good once applications are no longer loaded.
static IDLE: AtomicBool = AtomicBool::new(false);
static INSIDE: AtomicBool = AtomicBool::new(false);
static LAST: AtomicPtr<PyInterpreterState> = AtomicPtr::new(ptr::null_mut());

/// From now on `on_new` runs in an interpreter that it has not seen, at the first import there that
/// finds it able to: before the first line of an application. It answers whether it succeeded.
///
/// CPython says nothing when an interpreter is born; an audit hook (PEP 578) sees its imports.
/// Such a hook cannot be taken away again: it is installed only where a second application is
/// about to be loaded, and [`stop_watching`] makes it answer at once.
pub fn watch(gil: &Gil<'_>, python: &'static Python, on_new: OnNew) {
    let (Some(add), Some(get)) = (gil.api.PySys_AddAuditHook, gil.api.PyInterpreterState_Get)
    else {
        // Before 3.9 all interpreters share one collector: its policy holds for new ones, too.
        return;
    };
    IDLE.store(false, Ordering::Relaxed);
    if ON_NEW.set((python, on_new)).is_ok() {
        // SAFETY: the GIL is held.
        LAST.store(unsafe { get() }, Ordering::Relaxed);
        // SAFETY: the hook lives as long as this plugin, which uWSGI never unloads.
        unsafe { add(audit, ptr::null_mut()) };
    }
}

/// The hook of [`watch`] has nothing to do any more.
pub fn stop_watching() {
    IDLE.store(true, Ordering::Relaxed);
}

unsafe extern "C" fn audit(event: *const c_char, _: *mut PyObject, _: *mut c_void) -> c_int {
    if IDLE.load(Ordering::Relaxed) {
        return 0;
    }
    // SAFETY: CPython gives a NUL-terminated name.
    if unsafe { CStr::from_ptr(event) } == c"import" {
        guard((), imported);
    }
    0
}

/// An import begins: it has a thread state and holds the GIL.
fn imported() {
    let Some((python, on_new)) = ON_NEW.get() else {
        return;
    };
    // SAFETY: Python called the hook.
    unsafe {
        python.assume_gil(|gil| {
            let Some(get) = gil.api.PyInterpreterState_Get else {
                return;
            };
            let current = get();
            // `on_new` imports, too.
            if current == LAST.load(Ordering::Relaxed) || INSIDE.swap(true, Ordering::Relaxed) {
                return;
            }
            if current == (gil.api.PyInterpreterState_Main)() || on_new(gil) {
                LAST.store(current, Ordering::Relaxed);
            }
            INSIDE.store(false, Ordering::Relaxed);
        })
    }
}
