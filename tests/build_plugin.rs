//! uWSGI's own way to build a plugin, from a checkout.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use pycow_testkit::{checkout, host_of, skip, Flavour, Uwsgi, HELLO};

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
        let (folder, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        if let Some(script) = cargo {
            let file = path.path().join("cargo");
            fs::write(&file, script).unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let output = Command::new(&host.uwsgi)
            .arg("--build-plugin")
            .arg(checkout())
            .env("PYTHON", host.interpreter.as_ref().unwrap())
            .env("PATH", path.path())
            .current_dir(folder.path())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{errors}");
        let last = errors.split_inclusive('\n').next_back().unwrap();
        assert!(last.starts_with(said), "{errors}");
        assert!(!folder.path().join("pycow_plugin.so").exists());
    }
}
