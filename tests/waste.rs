//! What is wasted for want of an option of uWSGI's is said once, with the cure, where it is seen; and nowhere
//! else.

use std::process::Command;

use pycow_testkit::{default_host, one_of_each, skip, Instance, Uwsgi, HELLO};

fn uwsgi(app: &str) -> Uwsgi {
    Uwsgi::on(&default_host()).app(app).with_pycow()
}

/// Stops it, so that all is said that ever will be, and counts.
fn said(uwsgi: Instance, what: &str) -> usize {
    let finished = uwsgi.stop();
    finished.log.matches(what).count()
}

const TABLES: &str = "[pycow] WARNING: the limit of open files is ";

#[test]
fn a_limit_of_open_files_that_makes_large_tables_is_named() {
    let raise = "ulimit -n 1048576 && exec \"$@\"";
    let can = Command::new("sh")
        .args(["-c", "ulimit -n 1048576"])
        .status();
    if !can.is_ok_and(|status| status.success()) {
        return skip("the limit of open files cannot be raised");
    }
    let with_router = || uwsgi(HELLO).set("http", "127.0.0.1:0");
    let routed = with_router().through(raise).start();
    let line = routed.await_log(TABLES);
    let told = "1048576: each process of http has a table of that size, 8 MB: max-fd = 65536 makes it small";
    assert!(line.ends_with(told), "{line}");
    assert_eq!(said(routed, TABLES), 1);
    // The cure, and no router at all.
    let cured = with_router().set("max-fd", 65_536).through(raise).start();
    assert_eq!(said(cured, TABLES), 0);
    assert_eq!(said(uwsgi(HELLO).through(raise).start(), TABLES), 0);
}

#[test]
fn a_usual_limit_of_open_files_is_not_named() {
    let routed = uwsgi(HELLO).set("http", "127.0.0.1:0");
    let routed = routed.through("ulimit -n 1024 && exec \"$@\"").start();
    assert_eq!(said(routed, TABLES), 0);
}

const LAZY: &str = " are its own after loading, as in each of ";

#[test]
fn a_big_heap_in_every_lazy_worker_is_named() {
    let big = format!("heap = [bytes(1000) for _ in range(50_000)]\n{HELLO}");
    let lazy = |app: &str, workers| {
        let uwsgi = uwsgi(app).flag("lazy-apps").set("processes", workers);
        uwsgi.start()
    };
    let two = lazy(&big, 2);
    let line = two.await_log(LAZY);
    let told = "of worker 1 are its own after loading, as in each of 2 workers: without lazy-apps they share";
    assert!(line.contains(told), "{line}");
    assert_eq!(said(two, LAZY), 1);
    assert_eq!(said(lazy(&big, 1), LAZY), 0);
    assert_eq!(said(lazy(HELLO, 2), LAZY), 0);
    let shared = uwsgi(&big).set("processes", 2).start();
    assert_eq!(said(shared, LAZY), 0);
}

/// Starts a thread at the first request.
const THREAD: &str = r#"
import threading
started = []

def application(env, start):
    if not started:
        started.append(threading.Thread(target=threading.Event().wait, daemon=True))
        started[0].start()
    start("200 OK", [])
    return [b"served"]
"#;
const STANDS: &str =
    " has a Python thread that stands still between requests, as enable-threads is not set";

/// uWSGI up to 2.0.26 has to be asked for threads.
#[test]
fn a_thread_that_stands_still_is_named() {
    for host in one_of_each() {
        let serve = |app: &str, option: Option<(&str, &str)>| {
            let uwsgi = Uwsgi::on(&host).app(app).with_pycow().set("processes", 2);
            let uwsgi = option
                .into_iter()
                .fold(uwsgi, |uwsgi, (key, value)| uwsgi.set(key, value));
            let uwsgi = uwsgi.start();
            (0..4).for_each(|_| assert_eq!(uwsgi.get("/").status, 200));
            uwsgi
        };
        let is_named = !host.is_at_least((2, 0, 27));
        let still = serve(THREAD, None);
        if is_named {
            still.await_log(STANDS);
        }
        assert_eq!(said(still, STANDS), usize::from(is_named), "{}", host.name);
        // The cure; one that needs no cure; and no thread.
        let cured = serve(THREAD, Some(("enable-threads", "true")));
        assert_eq!(said(cured, STANDS), 0, "{}", host.name);
        let threads = serve(THREAD, Some(("threads", "2")));
        assert_eq!(said(threads, STANDS), 0, "{}", host.name);
        assert_eq!(said(serve(HELLO, None), STANDS), 0, "{}", host.name);
    }
}

const COPIES: &str = ", each time in an interpreter of its own, ";

#[test]
fn copies_of_one_application_are_named() {
    let mounted = |second: &str| {
        let uwsgi = uwsgi(HELLO).file("other.py", HELLO);
        let place = |name: &str| uwsgi.dir().join(name).display().to_string();
        let (first, second) = (place("app.py"), place(second));
        let uwsgi = uwsgi.set("mount", format!("/a={first}"));
        uwsgi.set("mount", format!("/b={second}"))
    };
    let twice = mounted("app.py").start();
    let line = twice.await_log(COPIES);
    assert!(
        line.contains("app.py is mounted at /a and /b, each time"),
        "{line}"
    );
    assert!(
        line.ends_with(": single-interpreter = true has one for all"),
        "{line}"
    );
    assert_eq!(said(twice, COPIES), 1);
    let one = mounted("app.py").flag("single-interpreter").start();
    assert_eq!(said(one, COPIES), 0);
    assert_eq!(said(mounted("other.py").start(), COPIES), 0);
}
