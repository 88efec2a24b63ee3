//! What is not safe to inherit (`pycow-fork-check`), named before the fork in words that an operator
//! can act on: threads, connections, databases, event loops, random generators, subprocesses.

use std::{
    ffi::CStr,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::report;
use crate::{
    linux::inventory::Inventory,
    python::{
        interpreter::Gil,
        interpreters,
        reference::PyErr,
        script::{Script, Source},
    },
};

/// The option that asks for this.
pub const OPTION: &str = "pycow-fork-check";

/// What was there before applications were loaded, and right after. Static, as uWSGI's callbacks
/// around their load have no argument to carry it.
static BEFORE: Mutex<Inventory> = Mutex::new(Inventory::new());
static AFTER: Mutex<Inventory> = Mutex::new(Inventory::new());

/// Applications are about to be loaded: what is open now is uWSGI's.
pub fn applications_load() {
    *lock(&BEFORE) = Inventory::now();
}

/// All of them are loaded: what is opened from now on is uWSGI's.
pub fn applications_are_loaded() {
    *lock(&AFTER) = Inventory::now();
}

/// What was there when applications were about to be loaded.
pub fn before_applications() -> MutexGuard<'static, Inventory> {
    lock(&BEFORE)
}

/// What came with the applications.
pub fn came_with_applications() -> Inventory {
    mem::take(&mut *lock(&AFTER)).without(&before_applications())
}

fn lock(place: &'static Mutex<Inventory>) -> MutexGuard<'static, Inventory> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

const SOURCES: [Source; 7] = [
    (c"pycow/report.py", include_str!("report.py")),
    (c"pycow/objects.py", include_str!("objects.py")),
    (
        c"pycow/descriptors.py",
        include_str!("check/descriptors.py"),
    ),
    (c"pycow/owners.py", include_str!("check/owners.py")),
    (c"pycow/advice.py", include_str!("check/advice.py")),
    (c"pycow/names.py", include_str!("check/names.py")),
    (c"pycow/state.py", include_str!("check/state.py")),
];

/// Names those of `fresh` that must not be inherited, each in a line behind `option`.
///
/// What its library makes anew in a child is not named; some do so by a fork hook of Python's
/// (`os.register_at_fork`), so whether those are run is told by `hooks`. To be called with the main
/// interpreter's state current.
pub fn name(gil: &Gil<'_>, option: &str, fresh: &Inventory, hooks: bool) {
    let hooks = if hooks { "1" } else { "0" };
    if let Err(raised) = try_name(gil, option, fresh, hooks) {
        log::error!("{option}: {raised}");
    }
}

/// Names what has neither a thread nor a descriptor of its own.
pub fn name_state(gil: &Gil<'_>, option: &str) {
    interpreters::all(gil, |gil, _| match call(gil, c"name_state", &[]) {
        Ok(lines) => report::log(option, &lines),
        Err(raised) => log::error!("{option}: {raised}"),
    });
}

fn try_name(gil: &Gil<'_>, option: &str, fresh: &Inventory, hooks: &str) -> Result<(), PyErr> {
    name_threads(gil, option, fresh, hooks)?;
    if fresh.descriptors.is_empty() {
        return Ok(());
    }
    let numbers = words(fresh.descriptors.keys());
    // The owner may live in any interpreter.
    let mut owners = String::new();
    interpreters::all(gil, |gil, _| {
        if let Ok(found) = call(gil, c"owners", &[&numbers]) {
            owners = format!("{owners}{found}\n");
        }
    });
    let lines = fresh.descriptors.iter();
    let lines: Vec<String> = lines.map(|(n, target)| format!("{n}\t{target}")).collect();
    let lines = call(
        gil,
        c"name_descriptors",
        &[&lines.join("\n"), &owners, hooks],
    )?;
    report::log(option, &lines);
    Ok(())
}

fn name_threads(gil: &Gil<'_>, option: &str, fresh: &Inventory, hooks: &str) -> Result<(), PyErr> {
    let mut left = words(&fresh.threads);
    if left.is_empty() {
        return Ok(());
    }
    let mut outcome = Ok(());
    interpreters::all(gil, |gil, _| {
        match call(gil, c"name_threads", &[&left, hooks]) {
            Ok(lines) => {
                let (lines, rest) = without_strangers(&lines);
                report::log(option, lines);
                left = rest.into();
            }
            Err(raised) => outcome = Err(raised),
        }
    });
    report::log(option, &call(gil, c"name_native", &[&left, hooks])?);
    outcome
}

/// What is to be logged, and the numbers of threads that are none of that interpreter's: the last line,
/// behind `N` and a tab.
fn without_strangers(answer: &str) -> (&str, &str) {
    answer.rsplit_once("N\t").unwrap_or((answer, ""))
}

fn words<'a>(numbers: impl IntoIterator<Item = &'a i32>) -> String {
    let words: Vec<String> = numbers.into_iter().map(i32::to_string).collect();
    words.join(" ")
}

fn call(gil: &Gil<'_>, function: &CStr, arguments: &[&str]) -> Result<String, PyErr> {
    Script::load(gil, &SOURCES)?.call(function, arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_others_come_last() {
        let answer = "W\tthread MAIN\tof x\nN\t12 13";
        assert_eq!(
            without_strangers(answer),
            ("W\tthread MAIN\tof x\n", "12 13")
        );
        assert_eq!(without_strangers("N\t"), ("", ""));
        assert_eq!(without_strangers("W\tall"), ("W\tall", ""));
        assert_eq!(words(&[7, 12]), "7 12");
    }
}
