//! The collector in workers: its policy, its pace, and what is told of it.

mod counted;
mod pacing;
mod policy;
mod theirs;

use pycow_testkit::{Host, Instance, Uwsgi};

/// A uWSGI with pycow, that application and these options.
fn started(host: &Host, app: &str, options: &[(&str, &str)]) -> Instance {
    let uwsgi = Uwsgi::on(host).app(app).with_pycow();
    let set = |uwsgi: Uwsgi, (key, value): &(&str, &str)| uwsgi.set(key, value);
    options.iter().fold(uwsgi, set).start()
}

/// A uWSGI with pycow, that application, and the same in an interpreter of its own at `/second`.
fn mounted_twice(host: &Host, app: &str) -> Uwsgi {
    let uwsgi = Uwsgi::on(host).app(app).file("second.py", app).with_pycow();
    let second = uwsgi.dir().join("second.py").display().to_string();
    uwsgi
        .set("mount", format!("/second={second}"))
        .flag("manage-script-name")
}

/// What stands behind `name=` in an answer.
fn said<'a>(answer: &'a str, name: &str) -> &'a str {
    let (_, rest) = answer.split_once(&format!("{name}=")).expect(answer);
    rest.split([' ', '.']).next().unwrap()
}

/// The number there, or the first of several.
fn number(answer: &str, name: &str) -> u64 {
    let first = said(answer, name).split(',').next().unwrap();
    first.parse().expect(answer)
}

/// CPython's own thresholds.
fn usual(host: &Host) -> &'static str {
    match host.python {
        (_, ..=12) => "700,10,10",
        _ => "2000,10,10",
    }
}

/// The first of them.
fn usual_first(host: &Host) -> u64 {
    usual(host).split(',').next().unwrap().parse().unwrap()
}
