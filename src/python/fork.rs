//! A fork as CPython wants it (`os.fork`, Modules/posixmodule.c): the GIL is held, and the interpreter
//! is told before and after, on both sides.
//!
//! The statics carry what began before the fork to what ends after it: C calls the two sides without
//! an argument, and there is one fork at a time, as the GIL is held.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use pyo3_ffi::PyGILState_STATE;

use super::{
    interpreter::{Gil, Python},
    interpreters,
};

/// What is to be undone after the fork.
static HELD: AtomicU8 = AtomicU8::new(NOTHING);
const NOTHING: u8 = 0;
/// The GIL was taken; this thread did not hold it before.
const TAKEN: u8 = 1;
/// This thread held the GIL already.
const NESTED: u8 = 2;
/// A bit: there are several interpreters.
const SEVERAL: u8 = 4;

/// Right before a fork, in the thread that forks. Nothing happens where Python is not up.
pub fn before(python: &Python) {
    if !python.is_up() {
        return;
    }
    // SAFETY: the interpreter is up. The state is given back by `in_parent` or `in_child`.
    let state = unsafe { (python.api.PyGILState_Ensure)() };
    let mut held = match state {
        PyGILState_STATE::PyGILState_UNLOCKED => TAKEN,
        PyGILState_STATE::PyGILState_LOCKED => NESTED,
    };
    let gil = Gil::held(&python.api);
    if interpreters::count(&gil) > 1 {
        held |= SEVERAL;
        import_lock(&gil, c"acquire_lock");
    } else {
        // SAFETY: the GIL is held.
        unsafe { (python.api.PyOS_BeforeFork)() };
    }
    HELD.store(held, Relaxed);
}

/// Right after it, in the process that forked, or that failed to.
pub fn in_parent(python: &Python) {
    after(python, |gil, several| {
        if several {
            import_lock(gil, c"release_lock");
        } else {
            // SAFETY: the GIL is held; PyOS_BeforeFork was called.
            unsafe { (gil.api.PyOS_AfterFork_Parent)() };
        }
    });
}

/// In the child, before it runs Python. Further calls do nothing.
pub fn in_child(python: &Python) {
    after(python, |gil, several| {
        if several {
            // PyOS_AfterFork_Child deletes every interpreter but the main one (Python/pylifecycle.c,
            // `_PyInterpreterState_DeleteExceptMain`): uWSGI's applications live in the others.
            import_lock(gil, c"release_lock");
            if let Some(threading) = gil.imported(c"threading") {
                // Threads of the parent are not there: nobody may wait for them.
                let _ = threading.call_method(c"_after_fork", &[]);
            }
        } else {
            // SAFETY: the GIL is held, by the thread that called PyOS_BeforeFork.
            unsafe { (gil.api.PyOS_AfterFork_Child)() };
        }
    });
}

fn after(python: &Python, body: impl FnOnce(&Gil<'_>, bool)) {
    let held = HELD.swap(NOTHING, Relaxed);
    if held == NOTHING {
        return;
    }
    body(&Gil::held(&python.api), held & SEVERAL != 0);
    let state = if held & TAKEN != 0 {
        PyGILState_STATE::PyGILState_UNLOCKED
    } else {
        PyGILState_STATE::PyGILState_LOCKED
    };
    // SAFETY: the state that `before` got on this thread.
    unsafe { (python.api.PyGILState_Release)(state) };
}

/// The lock under which modules are imported: a thread that holds it at the fork would hold it for
/// ever in the child.
fn import_lock(gil: &Gil<'_>, what: &std::ffi::CStr) {
    let imported = gil
        .import(c"_imp")
        .and_then(|imp| imp.call_method(what, &[]));
    if let Err(raised) = imported {
        log::error!("the import lock: {raised}");
    }
}
