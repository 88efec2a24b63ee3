//! What `Py_FinalizeEx` does before it begins to tear down (CPython, Python/pylifecycle.c).

use std::ffi::CStr;

use super::{
    files,
    interpreter::Gil,
    interpreters,
    reference::{PyErr, PyRef},
};

/// Runs every hook, in the order of uWSGI and CPython: `uwsgi.atexit`, the end of the threads, the
/// atexit functions, the files, the streams. A hook that raises is printed and stops nothing.
pub fn run_hooks(gil: &Gil<'_>) {
    // uwsgi_python_atexit (plugins/python/python_plugin.c) calls this attribute if it is there.
    if let Some(hook) = attribute_of(gil, c"uwsgi", c"atexit") {
        hook.call_or_print();
    }
    // wait_for_thread_shutdown: joins the threads that are not daemons and runs what was given to
    // threading._register_atexit. A program that never imported threading has neither.
    if let Some(shutdown) = attribute_of(gil, c"threading", c"_shutdown") {
        shutdown.call_or_print();
    }
    // Importing atexit costs nothing where no one has: then there is nothing to run.
    if let Some(run) = attribute_of(gil, c"atexit", c"_run_exitfuncs") {
        // Up to 3.9 this prints each exception and then raises the last of them again.
        let _ = run.call(&[]);
    }
    for stream in [c"stdout", c"stderr"] {
        if let Some(flush) = gil
            .sys(stream)
            .and_then(|file| file.attribute(c"flush").ok())
        {
            flush.call_or_print();
        }
    }
    interpreters::each(gil, |gil, _| files::save(gil));
}

fn attribute_of<'a>(gil: &'a Gil<'_>, module: &CStr, name: &CStr) -> Option<PyRef<'a>> {
    gil.imported(module)?.attribute(name).ok()
}

/// Has `signal` print the Python stack of every thread to standard error.
///
/// The module `faulthandler` (since 3.3) does that without the GIL and without allocating.
pub fn print_stacks_on(gil: &Gil<'_>, signal: i32) -> Result<(), PyErr> {
    const STDERR: i32 = 2;
    const ALL_THREADS: i32 = 1;
    let (signal, stderr, all) = (gil.int(signal)?, gil.int(STDERR)?, gil.int(ALL_THREADS)?);
    gil.import(c"faulthandler")?
        .call_method(c"register", &[&signal, &stderr, &all])
        .map(drop)
}
