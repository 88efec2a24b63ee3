//! What the application serves before the fork, workers inherit; what goes wrong there is a warning.

mod callables;
mod closing;
mod frameworks;
mod trouble;

use pycow_testkit::{default_host, Uwsgi};

/// Keeps what it was asked, and by whom; `/seen` tells.
const APP: &str = r#"
import os
from wsgiref.validate import validator
master, seen, closed = os.getpid(), [], []

class Body(list):
    def close(self):
        closed.append(len(seen))

def plain(env, start):
    asked = (env["wsgi.url_scheme"], env["HTTP_HOST"], env["SCRIPT_NAME"] + env["PATH_INFO"],
             env["QUERY_STRING"], env.get("pycow.warmup"), os.getpid() == master)
    if env["PATH_INFO"] != "/seen":
        seen.append(asked)
    start("200 OK", [("Content-Type", "text/plain")])
    return Body([repr((seen, closed)).encode()])

application = plain
"#;

fn warmed(targets: &[&str]) -> Uwsgi {
    let uwsgi = Uwsgi::on(&default_host()).app(APP).with_pycow();
    targets
        .iter()
        .fold(uwsgi, |uwsgi, target| uwsgi.set("pycow-warmup", target))
}

/// In an ini uWSGI takes `%` for the begin of a name, and `%%` for itself.
#[test]
fn each_target_is_served_twice_before_anything_is_frozen() {
    let uwsgi = warmed(&["/", "https://shop.example:8443/d%%C3%%A9?page=2"]).set("processes", 2);
    let uwsgi = uwsgi.start();
    let path = "('http', 'localhost', '/', '', True, True)";
    let url = "('https', 'shop.example:8443', '/dÃ©', 'page=2', True, True)";
    let expected = format!("([{path}, {path}, {url}, {url}], [1, 2, 3, 4])");
    assert_eq!(uwsgi.get("/seen").body, expected);
    let log = uwsgi.log();
    let said = log
        .find("[pycow] pycow-warmup: served 2 targets in ")
        .unwrap();
    assert!(log[said..].contains(" s: 4 of 200\n"), "{log}");
    assert!(said < log.find("[pycow] froze ").unwrap());
    assert!(!log.contains("[pycow] WARNING"), "{log}");
}

#[test]
fn without_the_option_nothing_is_served() {
    let uwsgi = warmed(&[]).start();
    assert_eq!(uwsgi.get("/seen").body, "([], [])");
    assert!(!uwsgi.log().contains("pycow-warmup"));
}

#[test]
fn rounds_are_as_many_as_are_asked_for() {
    let uwsgi = warmed(&["/"]).set("pycow-warmup-rounds", 5).start();
    assert!(uwsgi.get("/seen").body.ends_with("[1, 2, 3, 4, 5])"));
}

#[test]
fn a_file_names_many_and_a_function_gets_the_callable() {
    let uwsgi = warmed(&["@paths.txt"])
        .file("paths.txt", "# two pages\n/a\n\n/b\nwarming:everything\n")
        .file(
            "warming.py",
            "import os\ndef everything(app):\n    os.write(2, b'called with %a\\n' % app.__name__)\n",
        );
    let uwsgi = uwsgi.start();
    uwsgi.await_log_times("called with 'plain'", 2);
    uwsgi.await_log("served 3 targets in ");
    assert!(uwsgi.get("/seen").body.ends_with("[1, 2, 3, 4])"));
}

#[test]
fn the_environ_is_complete() {
    // The reference checker of PEP 3333 refuses what is missing or of a wrong type.
    let app = APP.replace("application = plain", "application = validator(plain)");
    let uwsgi = warmed(&["/"]).app(&app).start();
    assert!(uwsgi.get("/seen").body.ends_with("[1, 2])"));
    assert!(!uwsgi.log().contains("[pycow] WARNING"));
}

#[test]
fn it_has_every_key_that_a_request_has() {
    let app = r#"
warm = set()
def application(env, start):
    if "pycow.warmup" in env:
        warm.update(env)
    start("200 OK", [])
    return [repr((sorted(set(env) - warm), sorted(warm - set(env)))).encode()]
"#;
    let uwsgi = warmed(&["/"]).app(app).start();
    let answer = uwsgi.get("/").body;
    assert!(answer.starts_with("([], ["), "{answer}");
}

#[test]
fn with_lazy_apps_each_worker_is_warm_before_its_first_request() {
    let uwsgi = warmed(&["/"]).flag("lazy-apps").set("processes", 2).start();
    uwsgi.await_log_times("pycow-warmup: served 1 target in ", 2);
    assert!(uwsgi.get("/seen").body.ends_with("[1, 2])"));
    assert_eq!(uwsgi.log().matches("pycow-warmup: served").count(), 2);
}

#[test]
fn wrong_values_are_refused_by_one_line() {
    let wrong = [
        ("pycow-warmup", "index.html", "a path that begins with /"),
        ("pycow-warmup", "@missing.txt", "a readable file"),
        ("pycow-warmup-rounds", "0", "a whole number, 1 to 1000"),
        ("pycow-warmup-timeout", "0", "1 to 86400"),
        ("pycow-fork-check", "perhaps", "true or false"),
    ];
    for (option, value, allowed) in wrong {
        let finished = warmed(&[]).set(option, value).run();
        assert_eq!(finished.status.code(), Some(1), "{option} = {value}");
        let said =
            format!("[pycow] ERROR: invalid value \"{value}\" for option {option}, allowed: ");
        let line = finished.log.lines().find(|line| line.starts_with(&said));
        assert!(line.is_some_and(|line| line.contains(allowed)), "{line:?}");
    }
}
