//! The guest takes nothing for itself: a text file that has become impossible, names that an
//! application uses, room that others need.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use pycow_testkit::reporting::{json, reporting, until};
use pycow_testkit::signal::SIGHUP;
use pycow_testkit::{default_host, one_of_each, Host, Instance, Uwsgi, HELLO};

/// Reloads it, and waits until what comes after has begun to accept.
fn reload(uwsgi: &Instance, accepted: usize) {
    uwsgi.settle();
    uwsgi.signal(SIGHUP);
    uwsgi.await_accepting(accepted + 1);
}

#[test]
fn a_text_file_that_has_become_unwritable_is_a_warning_on_reload() {
    for host in one_of_each().into_iter().filter(Host::reloads) {
        let uwsgi = Uwsgi::on(&host)
            .app(HELLO)
            .with_pycow()
            .set("pycow-sample", 1);
        let (dir, moved) = (uwsgi.dir().join("metrics"), uwsgi.dir().join("moved"));
        fs::create_dir(&dir).unwrap();
        let file = dir.join("pycow.prom");
        let uwsgi = uwsgi.set("pycow-textfile", file.display()).start();
        until("text file", || file.exists().then_some(()));
        fs::rename(&dir, &moved).unwrap();
        reload(&uwsgi, 1);
        assert_eq!(uwsgi.get("/").body, "hello", "{}", host.name);
        let line = uwsgi.await_log("for option pycow-textfile, allowed: ");
        assert!(
            line.starts_with("[pycow] WARNING: ") && line.ends_with(": ignored"),
            "{line}"
        );
        assert!(uwsgi.stop().status.success());
    }
}

#[test]
fn at_a_first_start_it_is_refused() {
    let uwsgi = Uwsgi::on(&default_host()).app(HELLO).with_pycow();
    let finished = uwsgi.set("pycow-textfile", "/nowhere/pycow.prom").run();
    assert_eq!(finished.status.code(), Some(1));
    assert!(
        finished
            .log
            .contains("for option pycow-textfile, allowed: "),
        "no line"
    );
}

#[test]
fn a_wrong_value_is_a_warning_on_reload() {
    for host in one_of_each().into_iter().filter(Host::reloads) {
        let uwsgi = Uwsgi::on(&host).app(HELLO).with_pycow().start();
        let ini = uwsgi.dir().join("uwsgi.ini");
        let text = fs::read_to_string(&ini).unwrap();
        fs::write(&ini, format!("{text}pycow-gc = nonsense\n")).unwrap();
        reload(&uwsgi, 1);
        assert_eq!(uwsgi.get("/").body, "hello", "{}", host.name);
        let line = uwsgi.await_log("for option pycow-gc, allowed: ");
        assert!(
            line.contains("[pycow] WARNING: invalid value \"nonsense\"")
                && line.ends_with(": ignored"),
            "{line}"
        );
        assert!(uwsgi.stop().status.success());
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn everybody_may_read_the_text_file_whatever_the_umask() {
    for umask in ["000", "077"] {
        let uwsgi = reporting(1).set("umask", umask);
        let file = uwsgi.dir().join("pycow.prom");
        let _uwsgi = uwsgi.set("pycow-textfile", file.display()).start();
        until("text file", || file.exists().then_some(()));
        assert_eq!(mode(&file), 0o644, "{umask}");
    }
}

#[test]
fn an_application_has_its_log_variables_to_itself() {
    if !default_host().takes_variables() {
        return;
    }
    const APP: &str = r#"
import uwsgi

def application(env, start):
    for name in "shared", "private", "pss":
        uwsgi.set_logvar(name, "the application's")
    start("200 OK", [])
    return []
"#;
    for host in one_of_each() {
        let uwsgi = Uwsgi::on(&host).app(APP).with_pycow();
        let uwsgi = uwsgi
            .set(
                "log-format",
                "%(shared), %(private), %(pss), %(pycow.private)",
            )
            .start();
        uwsgi.get("/");
        let line = uwsgi.await_log("the application's, the application's, the application's, ");
        let (_, ours) = line.rsplit_once(", ").unwrap();
        assert!(ours.parse::<u64>().is_ok(), "{line}");
    }
}

#[test]
fn too_little_room_for_rpc_functions_is_said() {
    let uwsgi = Uwsgi::on(&default_host()).app(HELLO).with_pycow();
    let uwsgi = uwsgi.set("rpc-max", 1).start();
    uwsgi.await_log("[pycow] WARNING: uWSGI does not take pycow.");
    assert_eq!(uwsgi.get("/").body, "hello");
}

/// By `f` on its FIFO a master forks a second one, which shares what the first has.
#[test]
fn two_masters_keep_the_text_file_whole() {
    let uwsgi = reporting(1);
    let (file, fifo) = (uwsgi.dir().join("pycow.prom"), uwsgi.dir().join("fifo"));
    let uwsgi = uwsgi
        .set("pycow-textfile", file.display())
        .set("master-fifo", fifo.display())
        .start();
    until("text file", || file.exists().then_some(()));
    uwsgi.settle();
    uwsgi.command("f");
    uwsgi.await_accepting(2);
    // Both go on writing it: whatever is there is whole.
    let mut seen = HashSet::new();
    until("three versions", || {
        let metadata = fs::metadata(&file).ok()?;
        let text = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            text.is_empty() || text.ends_with('\n') && text.starts_with('#'),
            "{text}"
        );
        // The number of a file that is gone may be given to the next.
        seen.insert((metadata.ino(), metadata.mtime_nsec()));
        (seen.len() >= 3).then_some(())
    });
    assert!(json(&uwsgi)["processes"].as_array().is_some());
}

/// The master that reads has dropped what it may by then.
#[test]
fn with_drop_after_apps_the_text_file_is_written() {
    if !pycow_testkit::is_root() {
        return pycow_testkit::skip("not root");
    }
    let uwsgi = reporting(1);
    let dir = uwsgi.dir().join("open");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    let file = dir.join("pycow.prom");
    let uwsgi = uwsgi
        .set("uid", "nobody")
        .flag("drop-after-apps")
        .set("pycow-textfile", file.display())
        .start();
    let private = || {
        let text = fs::read_to_string(&file).ok()?;
        // By cause, once that is known.
        text.contains("uwsgi_worker_private_bytes{instance=\"pycow\",worker_id=\"1\"")
            .then_some(())
    };
    until("worker in the file", private);
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    until("newer file", || {
        (fs::metadata(&file).ok()?.modified().ok()? > before).then_some(())
    });
    assert!(!uwsgi.log().contains("[pycow] ERROR"));
}
