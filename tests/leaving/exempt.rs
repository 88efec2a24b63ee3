//! Who runs no hooks by uWSGI's own rules runs none with pycow.

use pycow_testkit::signal::SIGTERM;
use pycow_testkit::{default_host, proc};

use super::{farewell, only_worker, said, with_app, Gate, HOOKS};

#[test]
fn a_worker_that_is_busy_past_its_grace_runs_no_hooks() {
    let uwsgi = with_app(
        &default_host(),
        &format!(
            r#"{HOOKS}
def application(env, start):
    say("inside a request")
    open("gate").read(1)
"#
        ),
    );
    let _gate = Gate::in_dir(uwsgi.dir());
    let uwsgi = uwsgi.set("pycow-exit-grace", 1).start();
    let worker = only_worker(&uwsgi);
    std::thread::scope(|scope| {
        // It is cut off.
        scope.spawn(|| uwsgi.try_get("/"));
        uwsgi.await_log("says: inside a request");
        uwsgi.kill(worker, SIGTERM);
        let line = uwsgi.await_log(&format!("(pid {worker}) leaves after "));
        assert!(
            line.ends_with(" MB private, hooks not run: it is busy"),
            "{line}"
        );
        uwsgi.await_gone(worker);
    });
    assert_eq!(said(&uwsgi.log(), worker), ["started", "inside a request"]);
}

#[test]
fn a_worker_in_async_mode_runs_no_hooks() {
    let uwsgi = with_app(&default_host(), HOOKS)
        .set("async", 2)
        .flag("ugreen")
        .start();
    let worker = only_worker(&uwsgi);
    assert_eq!(uwsgi.get("/").body, worker.to_string());
    proc::await_idle(worker);
    let finished = uwsgi.stop();
    let line = farewell(&finished.log, worker);
    assert!(line.contains("leaves after 1 request: "), "{line}");
    assert!(
        line.ends_with(", hooks not run: it is in async mode"),
        "{line}"
    );
    assert_eq!(said(&finished.log, worker), ["started"]);
}

#[test]
fn a_hijacked_worker_runs_no_hooks() {
    let uwsgi = with_app(&default_host(), HOOKS).file(
        "script.py",
        "import os\nos.write(2, b'the script runs\\n')\nopen('gate').read(1)\n",
    );
    let _gate = Gate::in_dir(uwsgi.dir());
    let script = uwsgi.dir().join("script.py");
    let uwsgi = uwsgi.set("pyrun", script.display()).launch();
    uwsgi.await_log("the script runs");
    // It never accepts, and its master may say so later than the script.
    uwsgi.await_log("spawned uWSGI worker 1 (");
    let worker = only_worker(&uwsgi);
    uwsgi.kill(worker, SIGTERM);
    let line = uwsgi.await_log(&format!("(pid {worker}) leaves after "));
    assert!(line.ends_with(", hooks not run: it is hijacked"), "{line}");
    uwsgi.await_gone(worker);
    assert_eq!(said(&uwsgi.log(), worker), ["started"]);
}
