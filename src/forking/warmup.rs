//! The warm-up (`pycow-warmup`): what the application serves before anything is frozen.
//!
//! A first request imports, compiles and fills caches. Served before the fork, that is inherited.
//! The order is load, collect, warm, freeze: garbage of the load leaves holes that the warm-up
//! fills, while holes right before the fork would be filled by every worker, which copies the pages.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    config::Config,
    linux::disposition::Kept,
    python::{
        gc::Collector,
        interpreter::Gil,
        interpreters,
        reference::PyErr,
        script::{Script, Source},
    },
    uwsgi::host::Host,
};

use super::report;

const SOURCES: [Source; 6] = [
    (c"pycow/report.py", include_str!("report.py")),
    (c"pycow/objects.py", include_str!("objects.py")),
    (c"pycow/apps.py", include_str!("warmup/apps.py")),
    (c"pycow/standins.py", include_str!("warmup/standins.py")),
    (c"pycow/serve.py", include_str!("warmup/serve.py")),
    (c"pycow/close.py", include_str!("warmup/close.py")),
];

/// The option that asks for this.
pub const OPTION: &str = "pycow-warmup";

/// The mounts in the order in which uWSGI loaded them. Static, as it hands them over one by one, in a
/// callback without an argument of ours.
static MOUNTS: Mutex<Vec<Mount>> = Mutex::new(Vec::new());

/// An application of `mount = point=what`, as uWSGI loaded it.
struct Mount {
    /// Where: a path, or a host.
    point: String,
    /// A file, or `module:callable`.
    what: String,
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\t{}", self.point, self.what)
    }
}

/// uWSGI loaded an application of `mount = point=what`.
pub fn mounted(point: &str, what: &str) {
    let (point, what) = (point.into(), what.into());
    lock().push(Mount { point, what });
}

fn lock() -> MutexGuard<'static, Vec<Mount>> {
    MOUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves every target `pycow-warmup-rounds` times, in the interpreter of the application that is
/// mounted there. Whatever fails is one warning, and the start goes on.
///
/// To be called with the main interpreter's state current, on the process's main thread, once all
/// applications are loaded.
pub fn run(config: &Config, host: &Host, gil: &Gil<'_>) {
    if config.gc.freezes() {
        interpreters::each(gil, |gil, _| {
            say(Collector::current(gil).map(|collector| collector.collect()));
        });
    }
    serve(config, host, gil);
}

/// Closes what the libraries in use can open again, in every interpreter.
pub fn close(gil: &Gil<'_>) {
    interpreters::all(gil, |gil, _| {
        say(call(gil, c"close", &[]));
    });
}

fn serve(config: &Config, host: &Host, gil: &Gil<'_>) {
    // The time limit uses this signal, whose handler may be uWSGI's own (`harakiri` without a
    // master), which Python does not know.
    let _alarm = Kept::of(libc::SIGALRM);
    let option = |name| host.text_option(name).unwrap_or_default();
    let mounts: String = lock().iter().map(Mount::to_string).collect();
    let made = option(c"paste") + &option(c"pecan");
    let arguments = [
        mounts.as_str(),
        if host.single_interpreter() { "1" } else { "0" },
        &option(c"module"),
        &option(c"wsgi-file"),
        &option(c"eval"),
        &made,
        &option(c"callable"),
        &config.warmup.join("\n"),
        &config.warmup_rounds.to_string(),
        &config.warmup_timeout.to_string(),
    ];
    let mut sub_interpreters = 0;
    interpreters::all(gil, |_, is_main| sub_interpreters += usize::from(!is_main));
    let mut numbers = numbers(sub_interpreters);
    interpreters::all(gil, |gil, _| {
        let number = numbers.next().unwrap_or_default().to_string();
        let mut all: Vec<&str> = vec![&number];
        all.extend(arguments);
        say(call(gil, c"run", &all));
    });
}

/// Of the interpreters in the order of [`interpreters::all`], the main one first and then from the
/// youngest to the oldest: their numbers by age.
fn numbers(sub_interpreters: usize) -> impl Iterator<Item = usize> {
    std::iter::once(0).chain((1..=sub_interpreters).rev())
}

fn call(gil: &Gil<'_>, function: &std::ffi::CStr, arguments: &[&str]) -> Result<(), PyErr> {
    let lines = Script::load(gil, &SOURCES)?.call(function, arguments)?;
    report::log(OPTION, &lines);
    Ok(())
}

fn say(outcome: Result<(), PyErr>) {
    if let Err(raised) = outcome {
        log::error!("{OPTION}: {raised}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_numbered_by_age() {
        assert_eq!(numbers(0).collect::<Vec<_>>(), [0]);
        assert_eq!(numbers(3).collect::<Vec<_>>(), [0, 3, 2, 1]);
    }
}
