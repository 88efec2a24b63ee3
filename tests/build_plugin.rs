//! uWSGI's own way to build a plugin, from a checkout.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use pycow_testkit::{checkout, host_of, skip, Flavour, Host, Uwsgi, HELLO};

#[test]
fn uwsgi_builds_a_plugin_that_it_loads() {
    for flavour in [Flavour::Pyuwsgi, Flavour::Pypi, Flavour::Debian] {
        let Some(host) = host_of(flavour) else {
            skip(&format!("no {flavour:?}"));
            continue;
        };
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(&host.uwsgi)
            .arg("--build-plugin")
            .arg(checkout())
            .env("PYTHON", "python3")
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(
            said.contains("pycow plugin built and available in pycow_plugin.so"),
            "{said}"
        );

        let built = folder.path().join("pycow_plugin.so");
        assert!(
            fs::metadata(&built).unwrap().len() > 100_000,
            "it is what cargo built"
        );
        let uwsgi = Uwsgi::on(&host)
            .app(HELLO)
            .set("need-plugin", built.display());
        let uwsgi = uwsgi.flag("strict").set("pycow-gc", "freeze").start();
        assert_eq!(uwsgi.get("/").body, "hello");
        uwsgi.await_log("[pycow] froze ");
    }
}

/// Without what cargo needs, and without cargo: what is missing is said.
#[test]
fn what_it_takes_is_said_where_it_is_missing() {
    let Some(host) = host_of(Flavour::Pypi) else {
        skip("no PyPI");
        return;
    };
    let needs = "cargo could not build pycow: it takes Rust 1.85 or newer, a C compiler and libclang (docs/install.md)\n";
    let none = "pycow is built by cargo (https://rustup.rs): ";
    let broken = "#!/bin/sh\necho 'error: no libclang' >&2; exit 101\n";
    for (cargo, said) in [(Some(broken), needs), (None, none)] {
        let folder = tempfile::tempdir().unwrap();
        let output = build_with(&host, cargo, folder.path()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{errors}");
        let last = errors.split_inclusive('\n').next_back().unwrap();
        assert!(last.starts_with(said), "{errors}");
        assert!(!folder.path().join("pycow_plugin.so").exists());
    }
}

#[test]
fn a_cargo_that_says_nothing_is_heard_of() {
    let Some(host) = host_of(Flavour::Pypi) else {
        skip("no PyPI");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // It goes on once it was heard of.
    let patient = "#!/bin/sh\nread line; exit 101\n";
    let mut building = build_with(&host, Some(patient), folder.path())
        .env("ALIVE_EVERY", "0.1")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(building.stderr.take().unwrap()).lines();
    let heard = lines.find(|line| line.as_ref().unwrap().starts_with("  .. cargo, "));
    assert!(heard.is_some());
    drop(building.stdin.take());
    let last = lines.map(Result::unwrap).last().unwrap();
    assert!(last.starts_with("cargo could not build pycow"), "{last}");
    assert!(!building.wait().unwrap().success());
}

/// `uwsgi --build-plugin` in that folder, where cargo is that script, or none.
fn build_with(host: &Host, cargo: Option<&str>, folder: &Path) -> Command {
    let bin = folder.join("bin");
    fs::create_dir(&bin).unwrap();
    if let Some(script) = cargo {
        let file = bin.join("cargo");
        fs::write(&file, script).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(&host.uwsgi);
    command
        .arg("--build-plugin")
        .arg(checkout())
        .env("PYTHON", host.interpreter.as_ref().unwrap())
        .env("PATH", bin)
        .current_dir(folder);
    command
}
