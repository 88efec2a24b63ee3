//! A comparison that is told to end leaves no process and no file behind.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{without_wrk, Bench};
use pycow_testkit::{
    default_host,
    signal::{self, SIGKILL, SIGTERM},
    until,
};

const APP: &str = "def application(environ, start_response):
    start_response('200 OK', [])
    return [b'hello']
";

fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The command lines that name the folder: uWSGI's, wrk's, and those of who watches over them.
fn commands_of(folder: &Path) -> Vec<String> {
    let lines = in_folder(Path::new("/proc")).into_iter().map(|process| {
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).into_owned()
    });
    let folder = folder.to_str().unwrap();
    lines.filter(|line| line.contains(folder)).collect()
}

#[test]
fn whoever_is_told_to_end_in_the_middle_leaves_nothing() {
    if without_wrk() {
        return;
    }
    for number in [SIGTERM, SIGKILL] {
        let bench = Bench::on(&default_host()).file("wsgi.py", APP);
        let temporary = bench.folder().join("tmp");
        fs::create_dir(&temporary).unwrap();
        let (mut child, _folder) = bench
            .env("TMPDIR", temporary.to_str().unwrap())
            .with("--app wsgi.py --scale 0 --requests 10000000")
            .start();
        until("load", || {
            let commands = commands_of(&temporary);
            let loads = commands.iter().any(|line| line.starts_with("wrk\0"));
            loads.then_some(())
        });
        signal::send(i32::try_from(child.id()).unwrap(), number);
        child.wait().unwrap();
        until("end of all", || {
            commands_of(&temporary).is_empty().then_some(())
        });
        assert_eq!(in_folder(&temporary), Vec::<PathBuf>::new());
    }
}
