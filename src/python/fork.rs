//! A fork as CPython wants it (`os.fork`, Modules/posixmodule.c): the GIL is held, and the interpreter
//! is told before and after, on both sides.

use std::{
    ffi::CStr,
    ptr,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        Mutex,
    },
};

use pyo3_ffi::PyGILState_STATE;

use super::{
    interpreter::{Gil, Python},
    interpreter_list::{self, Head},
    interpreters,
};

/// What began before the fork and is to be ended after it: C calls the two sides without an argument.
/// There is one fork at a time, in the thread that holds the GIL.
static BEGUN: Mutex<Option<Begun>> = Mutex::new(None);

struct Begun {
    /// How the GIL was held before.
    state: PyGILState_STATE,
    interpreters: Interpreters,
}

#[derive(Clone, Copy)]
enum Interpreters {
    One,
    /// With where their list begins, unless that was not found: then CPython is not told.
    Several(Option<&'static Head>),
}

/// uWSGI lets its master go on without the GIL (plugins/python/python_plugin.c, `uwsgi_python_master_fixup`).
static LET_GO: AtomicBool = AtomicBool::new(false);

/// The master has just been given its chance to let go of the GIL.
pub fn master_goes_on(python: &Python) {
    LET_GO.store(python.is_up() && is_current(python) == Some(false), Relaxed);
}

/// Whether CPython takes the calling thread for the one that holds the GIL; unknown where it does not say.
fn is_current(python: &Python) -> Option<bool> {
    let current = python.api._PyThreadState_UncheckedGet?;
    // SAFETY: each reads a word, with or without the GIL.
    let (current, own) = unsafe { (current(), (python.api.PyGILState_GetThisThreadState)()) };
    Some(!own.is_null() && current == own)
}

/// The wheel up to 2.0.20 makes its thread state current once more after the first forks, and takes no GIL
/// with it (plugins/pyuwsgi/pyuwsgi.c, `pyuwsgi_setup`): CPython believes that this thread holds the GIL, and
/// so does the child, which then waits for itself.
fn mend_current(python: &Python) {
    if LET_GO.load(Relaxed) && is_current(python) == Some(true) {
        // SAFETY: where CPython says who is current (up to 3.12) this writes that down and does no more
        // (Python/pystate.c). uWSGI's own fork is called by no Python code, which would hold the GIL.
        unsafe { (python.api.PyThreadState_Swap)(ptr::null_mut()) };
    }
}

/// Right before a fork, in the thread that forks. Nothing happens where Python is not up.
pub fn before(python: &Python) {
    if !python.is_up() {
        return;
    }
    mend_current(python);
    // SAFETY: the interpreter is up. The state is given back by `in_parent` or `in_child`.
    let state = unsafe { (python.api.PyGILState_Ensure)() };
    let gil = Gil::held(&python.api);
    let interpreters = if interpreters::count(&gil) == 1 {
        Interpreters::One
    } else {
        others(&gil, |gil| import_lock(gil, c"acquire_lock"));
        Interpreters::Several(interpreter_list::head(&gil, python))
    };
    if interpreters.are_told() {
        // SAFETY: the GIL is held.
        unsafe { (python.api.PyOS_BeforeFork)() };
    }
    if let Ok(mut begun) = BEGUN.lock() {
        *begun = Some(Begun {
            state,
            interpreters,
        });
    }
}

impl Interpreters {
    fn are_told(self) -> bool {
        !matches!(self, Self::Several(None))
    }
}

/// Right after it, in the process that forked, or that failed to.
pub fn in_parent(python: &Python) {
    after(python, |gil, interpreters| {
        if interpreters.are_told() {
            // SAFETY: the GIL is held; PyOS_BeforeFork was called.
            unsafe { (gil.api.PyOS_AfterFork_Parent)() };
        }
        if let Interpreters::Several(_) = interpreters {
            others(gil, |gil| import_lock(gil, c"release_lock"));
        }
    });
}

/// In the child, before it runs Python. Further calls do nothing.
pub fn in_child(python: &Python) {
    after(python, |gil, interpreters| {
        // SAFETY: the GIL is held, by the thread that called PyOS_BeforeFork.
        let told = || unsafe { (gil.api.PyOS_AfterFork_Child)() };
        let told = || with_loop_of_parent(gil, told);
        match interpreters {
            Interpreters::One => told(),
            // It deletes every interpreter that it finds but the main one (Python/pylifecycle.c,
            // `_PyInterpreterState_DeleteExceptMain`): uWSGI's applications live in the others.
            Interpreters::Several(Some(head)) => interpreter_list::with_main_alone(gil, head, told),
            Interpreters::Several(None) => threads_are_gone(gil),
        }
        if let Interpreters::Several(_) = interpreters {
            interpreters::take_over(gil, |gil| {
                import_lock(gil, c"release_lock");
                threads_are_gone(gil);
            });
        }
    });
}

fn after(python: &Python, body: impl FnOnce(&Gil<'_>, Interpreters)) {
    let Some(begun) = BEGUN.lock().ok().and_then(|mut begun| begun.take()) else {
        return;
    };
    body(&Gil::held(&python.api), begun.interpreters);
    // SAFETY: the state that `before` got on this thread.
    unsafe { (python.api.PyGILState_Release)(begun.state) };
}

/// Runs `body` in every interpreter but the main one.
fn others(gil: &Gil<'_>, mut body: impl FnMut(&Gil<'_>)) {
    interpreters::all(gil, |gil, is_main| {
        if !is_main {
            body(gil);
        }
    });
}

/// Threads of the parent are not in this process: nobody may wait for them.
fn threads_are_gone(gil: &Gil<'_>) {
    if let Some(threading) = gil.imported(c"threading") {
        let _ = threading.call_method(c"_after_fork", &[]);
    }
}

/// The event loop that was set in the parent stays set: since 3.12 a fork hook of CPython's forgets it (Lib/asyncio/events.py,
/// `on_fork`), and an application that set one while it was loaded would find none.
fn with_loop_of_parent(gil: &Gil<'_>, told: impl FnOnce()) {
    let policy = gil
        .imported(c"asyncio.events")
        .and_then(|events| events.attribute(c"_event_loop_policy").ok());
    let set = policy.and_then(|policy| Some((policy.attribute(c"_local").ok()?, policy)));
    told();
    if let Some((local, policy)) = set {
        let name = gil.text(c"_local");
        let kept = name.and_then(|name| policy.call_method(c"__setattr__", &[&name, &local]));
        if let Err(raised) = kept {
            log::error!("the event loop: {raised}");
        }
    }
}

/// The lock under which modules are imported: a thread that holds it at the fork would hold it for
/// ever in the child.
fn import_lock(gil: &Gil<'_>, what: &CStr) {
    let imported = gil
        .import(c"_imp")
        .and_then(|imp| imp.call_method(what, &[]));
    if let Err(raised) = imported {
        log::error!("the import lock: {raised}");
    }
}
