//! The wheel in a fresh virtual environment, beside every way in which PyPI has uWSGI.

use std::{fs, path::Path, process::Command};

use pycow_testkit::{host_of, skip, Flavour, Host, Uwsgi, HELLO};

use crate::dist::artefact;

/// What a command says that must succeed.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
    text.trim().to_owned()
}

/// A fresh virtual environment of that host's Python with the wheel in it.
fn environment(host: &Host, folder: &Path) -> std::path::PathBuf {
    let venv = folder.join("venv");
    let python = host.interpreter.as_ref().unwrap();
    said(Command::new(python).args(["-m", "venv"]).arg(&venv));
    let pip = ["-m", "pip", "install", "--no-index", "--no-deps"];
    said(
        Command::new(venv.join("bin/python"))
            .args(pip)
            .arg(artefact("_x86_64.whl")),
    );
    venv.join("bin")
}

#[test]
fn it_is_used_by_what_pycow_prints() {
    for flavour in [Flavour::Pyuwsgi, Flavour::Pypi] {
        let Some(host) = host_of(flavour) else {
            skip(&format!("no {flavour:?}"));
            continue;
        };
        let folder = tempfile::tempdir().unwrap();
        let bin = environment(&host, folder.path());
        let plugin = said(&mut Command::new(bin.join("pycow")));
        assert_eq!(
            plugin,
            said(Command::new(bin.join("python")).args(["-m", "uwsgi_pycow"]))
        );
        let versions = said(
            Command::new(bin.join("pycow"))
                .args(["version", "--uwsgi"])
                .arg(&host.uwsgi),
        );
        for needed in [
            concat!("pycow ", env!("CARGO_PKG_VERSION")),
            "uWSGI 2.0.",
            "CPython 3.",
        ] {
            assert!(versions.contains(needed), "{versions}");
        }

        let uwsgi = Uwsgi::on(&host).app(HELLO);
        let running = uwsgi.set("need-plugin", &plugin).start();
        assert_eq!(running.get("/").body, "hello");
        running.await_log("[pycow] froze ");
        assert!(running.stop().status.success());

        // The environment variable that uWSGI reads like an option.
        let running = Uwsgi::on(&host)
            .app(HELLO)
            .env("UWSGI_PLUGIN", &plugin)
            .start();
        assert_eq!(running.get("/").body, "hello");
        running.await_log("[pycow] froze ");
    }
}

#[test]
fn it_serves_no_other_platform_than_it_says() {
    let listing = said(
        Command::new("python3")
            .args(["-m", "zipfile", "--list"])
            .arg(artefact("_x86_64.whl")),
    );
    let objects = listing.lines().filter(|line| line.contains(".so ")).count();
    assert_eq!(objects, 1, "{listing}");
    let name = artefact("_x86_64.whl");
    let name = name.file_name().unwrap().to_str().unwrap();
    let expected = format!(
        "uwsgi_pycow-{}-py3-none-manylinux_2_17_x86_64.whl",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(name, expected);
}

#[test]
fn an_install_beside_a_running_instance_disturbs_nobody() {
    let Some(host) = host_of(Flavour::Pypi) else {
        return skip("no uWSGI from PyPI");
    };
    let uwsgi = Uwsgi::on(&host).app(HELLO);
    let bin = environment(&host, uwsgi.dir());
    let folder = uwsgi.dir().join("plugins");
    fs::create_dir(&folder).unwrap();
    let target = folder.join("pycow_plugin.so");
    // An older one: the same but for a byte at its end.
    let plugin = said(&mut Command::new(bin.join("pycow")));
    let mut older = fs::read(plugin).unwrap();
    older.push(0);
    fs::write(&target, older).unwrap();
    let running = uwsgi
        .set("need-plugin", target.display())
        .set("processes", 2)
        .start();
    let workers = running.workers();
    let told = said(Command::new(bin.join("pycow")).arg("install").arg(&folder));
    assert!(told.contains("instead of "), "{told}");
    for _ in 0..20 {
        assert_eq!(running.get("/").body, "hello");
    }
    assert_eq!(running.workers(), workers);
    running.signal(pycow_testkit::signal::SIGHUP);
    running.await_accepting(4);
    assert_eq!(running.get("/").body, "hello");
    let maps = fs::read_to_string(format!("/proc/{}/maps", running.pid())).unwrap();
    let mapped = maps
        .lines()
        .find(|line| line.ends_with("plugins/pycow_plugin.so"));
    assert!(mapped.is_some(), "the new file is in use: {maps}");
}
