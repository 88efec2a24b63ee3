//! Libraries of C that an application loads.

use std::{env, fs, path::Path, process::Command};

/// Compiles that source into `library.so` of the folder, for the processor that uWSGI runs on:
/// by `$PYCOW_CC`, a compiler with its first arguments, where that is an emulated one.
///
/// # Panics
/// If it does not compile.
pub fn compile_library(dir: &Path, source: &str) {
    let file = dir.join("library.c");
    fs::write(&file, source).expect("the folder can be written");
    let told = env::var("PYCOW_CC").unwrap_or_else(|_| "cc".into());
    let mut words = told.split(' ');
    let status = Command::new(words.next().unwrap_or_default())
        .args(words)
        .args(["-shared", "-fPIC", "-o"])
        .args([dir.join("library.so"), file])
        .status();
    assert!(status.expect("a C compiler").success());
}
