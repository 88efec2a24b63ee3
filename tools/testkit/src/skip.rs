//! Tests that cannot run here: noted, so that nobody takes them for passed.

use std::{env, fs, path::PathBuf, thread};

use crate::host::target;

/// Notes that the running test, or a part of it, does not run here, and why.
///
/// `make test` lists the notes at its end, `make matrix` those of each host (`$PYCOW_SKIPPED`). Under `CI=true` it fails if one is not in `tests/skips.txt`.
/// Call it on the test's own thread: the note is named after it.
///
/// # Panics
/// If the note cannot be written.
pub fn skip(reason: &str) {
    let thread = thread::current();
    let program = env::current_exe().expect("the test's own path");
    let program = program.file_stem().unwrap_or_default().to_string_lossy();
    // cargo appends a hash.
    let program = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
    let name = format!("{program}::{}", thread.name().unwrap_or("unknown"));
    println!("skipped: {name}: {reason}");
    let notes =
        env::var_os("PYCOW_SKIPPED").map_or_else(|| target().join("skipped"), PathBuf::from);
    let note = notes.join(&name);
    fs::create_dir_all(&notes)
        .and_then(|()| fs::write(&note, format!("{reason}\n")))
        .unwrap_or_else(|error| panic!("{}: {error}", note.display()));
}
