//! Memory that pycow shares with its hosts or reads of theirs, compared member by member with the
//! headers of every host found, so that none is forgotten.

mod cpython;
mod uwsgi;

use std::{fs, path::Path, process::Command};

/// Compiles a C text; an error is what the compiler said.
fn compile(text: &str, arguments: &[&str]) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("layout.c");
    fs::write(&file, text).unwrap();
    let output = Command::new("cc")
        .args(["-std=gnu11", "-c", "-o", "/dev/null"])
        .args(arguments)
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).ok_or(said)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
