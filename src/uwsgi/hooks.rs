//! The Python plugin's callbacks, replaced in its live table; what stood there is kept and called.

use std::{
    ffi::{c_char, c_int},
    sync::OnceLock,
};

use super::{abi::wsgi_request, python_plugin::PythonPlugin};

/// The callbacks that pycow stands before. `None` keeps what uWSGI has.
#[derive(Clone, Copy)]
pub struct Callbacks {
    /// Starts the interpreter.
    pub init: Option<unsafe extern "C" fn() -> c_int>,
    /// Loads one application of `mount = ..`.
    pub mount_app: Option<unsafe extern "C" fn(*mut c_char, *mut c_char) -> c_int>,
    /// The last callback before the first fork (argument 0), and in every mule after it (1).
    pub master_fixup: Option<unsafe extern "C" fn(c_int)>,
    /// The master is about to fork a worker (2.0.21 and newer).
    pub pre_uwsgi_fork: Option<unsafe extern "C" fn()>,
    /// It has: in the master (argument 0) and in the worker (1).
    pub post_uwsgi_fork: Option<unsafe extern "C" fn(c_int)>,
    /// The first moment of a worker, a mule or a spooler. (uWSGI 2.0 calls this of generic plugins
    /// in workers only: core/mule.c, core/spooler.c.)
    pub post_fork: Option<unsafe extern "C" fn()>,
    /// A thread of a worker begins; the argument is its core.
    pub init_thread: Option<unsafe extern "C" fn(c_int)>,
    /// A worker whose applications are loaded.
    pub fixup: Option<unsafe extern "C" fn()>,
    /// A worker that the plugin may take for itself (`pyshell`, `pyrun`).
    pub hijack_worker: Option<unsafe extern "C" fn()>,
    /// A request is over.
    pub after_request: Option<unsafe extern "C" fn(*mut wsgi_request)>,
    /// A process leaves by exit().
    pub atexit: Option<unsafe extern "C" fn()>,
}

static ORIGINAL: OnceLock<Callbacks> = OnceLock::new();

/// Puts `ours` into the table of the Python plugin and keeps what stood there.
///
/// To be called once, in `init` of a generic plugin: the table is complete then and none of these
/// callbacks has been called yet.
pub fn install(python: PythonPlugin, ours: &Callbacks) {
    // SAFETY: the live table; uWSGI runs its only thread, which is inside our `init`.
    let table = unsafe { &mut *python.table.as_ptr() };
    let fork_hooks = python.has_fork_hooks;
    ORIGINAL.get_or_init(|| Callbacks {
        pre_uwsgi_fork: fork_hooks.then_some(table.pre_uwsgi_fork).flatten(),
        post_uwsgi_fork: fork_hooks.then_some(table.post_uwsgi_fork).flatten(),
        init: table.init,
        mount_app: table.mount_app,
        master_fixup: table.master_fixup,
        post_fork: table.post_fork,
        init_thread: table.init_thread,
        fixup: table.fixup,
        hijack_worker: table.hijack_worker,
        after_request: table.after_request,
        atexit: table.atexit,
    });
    table.init = ours.init;
    table.mount_app = ours.mount_app;
    table.master_fixup = ours.master_fixup;
    if fork_hooks {
        table.pre_uwsgi_fork = ours.pre_uwsgi_fork;
        table.post_uwsgi_fork = ours.post_uwsgi_fork;
    }
    table.post_fork = ours.post_fork;
    table.init_thread = ours.init_thread;
    table.fixup = ours.fixup;
    table.hijack_worker = ours.hijack_worker;
    table.after_request = ours.after_request;
    table.atexit = ours.atexit;
}

fn original<F>(of: impl FnOnce(&Callbacks) -> Option<F>) -> Option<F> {
    ORIGINAL.get().and_then(of)
}

/// Calls what stood in the table under `init`; 0 where nothing did.
pub fn original_init() -> c_int {
    // SAFETY: uWSGI's own callback, called in the place and on the thread where uWSGI calls it.
    original(|table| table.init).map_or(0, |init| unsafe { init() })
}

/// Calls what stood in the table under `mount_app`; -1 ("not mine") where nothing did.
///
/// # Safety
/// The arguments are those that uWSGI gave.
pub unsafe fn original_mount_app(mountpoint: *mut c_char, app: *mut c_char) -> c_int {
    // SAFETY: the caller's promise.
    original(|table| table.mount_app).map_or(-1, |mount| unsafe { mount(mountpoint, app) })
}

/// Calls what stood in the table under `master_fixup`.
pub fn original_master_fixup(step: c_int) {
    if let Some(master_fixup) = original(|table| table.master_fixup) {
        // SAFETY: as in `original_init`.
        unsafe { master_fixup(step) }
    }
}

/// Calls what stood in the table under `pre_uwsgi_fork`.
pub fn original_pre_uwsgi_fork() {
    if let Some(pre_uwsgi_fork) = original(|table| table.pre_uwsgi_fork) {
        // SAFETY: as in `original_init`.
        unsafe { pre_uwsgi_fork() }
    }
}

/// Calls what stood in the table under `post_uwsgi_fork`.
pub fn original_post_uwsgi_fork(step: c_int) {
    if let Some(post_uwsgi_fork) = original(|table| table.post_uwsgi_fork) {
        // SAFETY: as in `original_init`.
        unsafe { post_uwsgi_fork(step) }
    }
}

/// Calls what stood in the table under `post_fork`.
pub fn original_post_fork() {
    if let Some(post_fork) = original(|table| table.post_fork) {
        // SAFETY: as in `original_init`.
        unsafe { post_fork() }
    }
}

/// Calls what stood in the table under `init_thread`.
pub fn original_init_thread(core: c_int) {
    if let Some(init_thread) = original(|table| table.init_thread) {
        // SAFETY: as in `original_init`.
        unsafe { init_thread(core) }
    }
}

/// Calls what stood in the table under `fixup`.
pub fn original_fixup() {
    if let Some(fixup) = original(|table| table.fixup) {
        // SAFETY: as in `original_init`.
        unsafe { fixup() }
    }
}

/// Calls what stood in the table under `hijack_worker`. It may never return.
pub fn original_hijack_worker() {
    if let Some(hijack_worker) = original(|table| table.hijack_worker) {
        // SAFETY: as in `original_init`.
        unsafe { hijack_worker() }
    }
}

/// Calls what stood in the table under `after_request`.
///
/// # Safety
/// The argument is the one that uWSGI gave.
pub unsafe fn original_after_request(request: *mut wsgi_request) {
    if let Some(after_request) = original(|table| table.after_request) {
        // SAFETY: the caller's promise.
        unsafe { after_request(request) }
    }
}

/// Calls what stood in the table under `atexit`: all of uWSGI's own leave-taking from Python,
/// `Py_Finalize` included.
pub fn original_atexit() {
    if let Some(atexit) = original(|table| table.atexit) {
        // SAFETY: as in `original_init`.
        unsafe { atexit() }
    }
}
