//! The .deb on a Debian that has nothing but its own uWSGI: installed, upgraded under load, removed.

use std::{fs, path::Path, process::Command, thread};

use pycow_testkit::{checkout, hosts, prepared, signal::SIGHUP, Flavour, Host, Uwsgi, HELLO};

use crate::{dist::artefact, root::Root};

const DEBIAN: &str = "debian-trixie-py3.13";
const INSTALLED: &str = "/usr/lib/uwsgi/plugins/pycow_plugin.so";

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

/// A newer version of the package, with a file that differs.
fn newer(folder: &Path) -> std::path::PathBuf {
    let checkout = checkout();
    let mut content = fs::read(checkout.join("target/dist/x86_64/pycow_plugin.so")).unwrap();
    content.push(0);
    fs::write(folder.join("newer.so"), content).unwrap();
    let status = Command::new(prepared().join("packaging/bin/nfpm"))
        .args([
            "package",
            "--config",
            "packaging/nfpm.yaml",
            "--packager",
            "deb",
            "--target",
        ])
        .arg(folder)
        .env("VERSION", "9.9.9")
        .env("GOARCH", "amd64")
        .env("PLUGIN", folder.join("newer.so"))
        .current_dir(checkout)
        .output()
        .unwrap()
        .status;
    assert!(status.success());
    folder.join("uwsgi-plugin-pycow_9.9.9_amd64.deb")
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

#[test]
fn it_depends_on_uwsgi_alone() {
    let output = Command::new("dpkg-deb")
        .arg("--field")
        .arg(artefact("_amd64.deb"))
        .arg("Depends")
        .output();
    assert_eq!(
        String::from_utf8(output.unwrap().stdout).unwrap().trim(),
        "uwsgi-core"
    );
}

#[test]
fn installed_upgraded_under_load_and_removed() {
    let root = Root::of(DEBIAN);
    let folder = tempfile::tempdir().unwrap();
    let package = artefact("_amd64.deb");
    root.must(&format!(
        "dpkg --install /dist/{}",
        package.file_name().unwrap().display()
    ));

    // Debian's uWSGI finds it by its name.
    let running = uwsgi(&root)
        .set("need-plugin", "pycow")
        .set("pycow-gc", "freeze")
        .start();
    assert_eq!(running.get("/").body, "hello");
    running.await_log("[pycow] froze ");
    let (workers, old) = (running.workers(), mapped(running.pid()));

    let newer = newer(folder.path());
    let served = thread::scope(|scope| {
        let upgrade = scope.spawn(|| root.must(&format!("dpkg --install {}", newer.display())));
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

    root.must("dpkg --remove uwsgi-plugin-pycow");
    assert!(!root.path(INSTALLED).exists());
    for _ in 0..20 {
        assert_eq!(running.get("/").body, "hello");
    }
    assert!(running.stop().status.success());

    // What is to be taken out of the configuration, and that nothing else is.
    let left = uwsgi(&root).set("pycow-gc", "freeze").run();
    assert_eq!(left.status.code(), Some(1));
    assert!(
        left.log
            .contains("[strict-mode] unknown config directive: pycow-gc"),
        "{}",
        left.log
    );
    let needed = uwsgi(&root).set("need-plugin", "pycow").run();
    assert_eq!(needed.status.code(), Some(1));
    assert_eq!(uwsgi(&root).start().get("/").body, "hello");
}
