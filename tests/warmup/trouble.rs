//! Whatever goes wrong in the warm-up is one warning with the reason, and the start goes on.

use pycow_testkit::{default_host, proc, Uwsgi};

const APP: &str = r#"
import os, time

def application(env, start):
    path = env["PATH_INFO"]
    warm = env.get("pycow.warmup")
    if warm and path == "/raises":
        raise RuntimeError("no such\nthing")
    if warm and path == "/exits":
        raise SystemExit(3)
    if warm and path == "/sleeps":
        time.sleep(60)
    if warm and path == "/spins":
        while True:
            pass
    if warm and path == "/swallows":
        for _ in range(3):
            try:
                time.sleep(60)
            except BaseException:
                pass
    if warm and path == "/endless":
        start("200 OK", [])
        return iter(lambda: b"more", None)
    if warm and path == "/mute":
        return []
    status = {"/error": "500 Oops", "/host": "400 Bad Request", "/https": "301 Moved"}.get(path)
    start(status or "200 OK", [("Location", "https://localhost/https")])
    return [b"served"]
"#;

#[test]
fn every_failure_is_one_warning_and_the_worker_serves() {
    let slow = "took longer than 3 s (pycow-warmup-timeout)";
    let expected = [
        ("/raises", "RuntimeError: no such thing (./app.py:8)"),
        ("/exits", "SystemExit: 3 (./app.py:10)"),
        ("/sleeps", slow),
        ("/spins", slow),
        ("/swallows", slow),
        ("/endless", slow),
        ("/mute", "Failed: no status was given"),
        ("/error", "answered 500 Oops"),
        ("/host", "answered 400 Bad Request: a URL instead of a path"),
        ("/https", "answered 301 Moved to https: a URL with https://"),
        (
            "warming:missing",
            "ModuleNotFoundError: No module named 'warming'",
        ),
    ];
    let uwsgi = Uwsgi::on(&default_host())
        .file("app.py", APP)
        .set("wsgi-file", "./app.py")
        // The others take less on a machine that is busy with other things, too.
        .set("pycow-warmup-timeout", 3)
        .with_pycow();
    let uwsgi = expected
        .iter()
        .fold(uwsgi, |uwsgi, (target, _)| {
            uwsgi.set("pycow-warmup", target)
        })
        .set("pycow-warmup", "/fine")
        .start();
    assert_eq!(uwsgi.get("/raises").body, "served");
    let log = uwsgi.log();
    for (target, reason) in expected {
        let said = format!("[pycow] WARNING: pycow-warmup: {target} {reason}");
        assert_eq!(log.matches(&said).count(), 1, "{said}\n{log}");
    }
    assert_eq!(log.matches("WARNING: pycow-warmup").count(), expected.len());
    assert!(log.contains("pycow-warmup: served 12 targets in "), "{log}");
    let answers = ": 2 of 200, 1 of 301, 1 of 400, 1 of 500\n";
    assert!(log.contains(answers), "{log}");
    // The time limit leaves no handler behind in the worker.
    const SIGALRM: i32 = 14;
    assert!(!proc::catches(uwsgi.workers()[0], SIGALRM));
    assert!(!proc::catches(uwsgi.pid(), SIGALRM));
}

#[test]
fn a_mount_of_its_own_interpreter_is_bound_between_chunks() {
    let uwsgi = Uwsgi::on(&default_host())
        .file("app.py", APP)
        .file("second.py", APP)
        .set("wsgi-file", "app.py")
        .set("mount", "/second=second.py")
        .flag("manage-script-name")
        .set("pycow-warmup-timeout", 1)
        .set("pycow-warmup", "/second/endless")
        .with_pycow()
        .start();
    assert_eq!(uwsgi.get("/second/x").body, "served");
    uwsgi.await_log("pycow-warmup: /second/endless took longer than 1 s");
}

#[test]
fn the_handler_of_an_application_survives() {
    let app = r#"
import os, signal
signal.signal(signal.SIGALRM, lambda *_: os.write(2, b"the application's own\n"))
def application(env, start):
    if not env.get("pycow.warmup"):
        signal.raise_signal(signal.SIGALRM)
    start("200 OK", [])
    return [str(signal.getitimer(signal.ITIMER_REAL)).encode()]
"#;
    let uwsgi = Uwsgi::on(&default_host()).app(app).with_pycow();
    let uwsgi = uwsgi.set("pycow-warmup", "/").start();
    assert_eq!(uwsgi.get("/").body, "(0.0, 0.0)");
    uwsgi.await_log("the application's own");
}

/// In stock uWSGI these crash, or close descriptor 0, where no request is being served.
#[test]
fn what_belongs_to_a_request_of_uwsgi_has_stand_ins() {
    if !default_host().takes_variables() {
        return;
    }
    let app = r#"
import os, uwsgi
from uwsgi import add_var
said = []
def application(env, start):
    if not env.get("pycow.warmup"):
        add_var("c", "d")
        start("200 OK", [])
        return [repr(said).encode()]
    for call in ("uwsgi.worker_id()", "uwsgi.set_logvar('a', 'b')", "uwsgi.get_logvar('a')",
                 "uwsgi.connection_fd()", "uwsgi.add_var('c', 'd')", "add_var('c', 'd')",
                 "uwsgi.disconnect()", "uwsgi.chunked_read(1)", "bool(os.fstat(0))"):
        try:
            said.append(eval(call))
        except Exception as error:
            said.append(str(error))
    start("200 OK", [])
    return []
"#;
    let expected = "[0, None, None, -1, True, True, None, \
                    'uwsgi.chunked_read: a warm-up request has no client', True]";
    for threads in [1, 2] {
        let uwsgi = Uwsgi::on(&default_host()).app(app).with_pycow();
        let uwsgi = uwsgi.set("threads", threads).set("pycow-warmup", "/");
        let uwsgi = uwsgi.set("pycow-warmup-rounds", 1).start();
        assert_eq!(uwsgi.get("/").body, expected, "{threads}");
    }
}
