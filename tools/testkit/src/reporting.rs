//! A uWSGI with pycow that shows all that pycow publishes, and ways to read it.

use std::{io::Read, os::unix::net::UnixStream, path::Path};

use serde_json::Value;

pub use crate::until::until;
use crate::{default_host, Flavour, Instance, Uwsgi};

/// A heap of some 40 MB; `/touch` writes to a part of it, `/rpc` answers what uwsgi.rpc does.
pub const APP: &str = r#"
import uwsgi
heap = [bytearray(4096) for _ in range(10000)]

def application(env, start):
    if env["PATH_INFO"] == "/rpc":
        start("200 OK", [("Content-Type", "text/plain; version=0.0.4")])
        return [uwsgi.rpc(None, b"pycow.prometheus")]
    if env["PATH_INFO"] == "/touch":
        for page in heap[:3000]:
            page[0] = 1
    start("200 OK", [])
    return [b"done"]
"#;

/// The two lines of the README, and one for the JSON.
const ROUTES: [&str; 3] = [
    "^/metrics$ addheader:Content-Type: text/plain; version=0.0.4; charset=utf-8",
    "^/metrics$ rpc:pycow.prometheus",
    "^/json$ rpc:pycow.json",
];

/// A uWSGI with pycow that answers `/metrics` and `/json`, and samples every `period` seconds.
pub fn reporting(period: u32) -> Uwsgi {
    let host = default_host();
    let uwsgi = Uwsgi::on(&host);
    // Built in elsewhere.
    let uwsgi = match host.flavour {
        Flavour::Debian => uwsgi.set("plugin", "rpc"),
        _ => uwsgi,
    };
    let uwsgi = uwsgi.app(APP).with_pycow().set("pycow-sample", period);
    ROUTES
        .iter()
        .fold(uwsgi, |uwsgi, route| uwsgi.set("route", route))
}

/// The report as JSON, as it is now.
///
/// # Panics
/// If what `/json` answers is none.
pub fn json(uwsgi: &Instance) -> Value {
    let answer = uwsgi.get("/json");
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
}

/// What it says of that process, if it does: a process is listed from its first sample on.
///
/// # Panics
/// If it does not list processes.
pub fn process(uwsgi: &Instance, role: &str, id: u64) -> Option<Value> {
    let report = json(uwsgi);
    let processes = report["processes"].as_array().unwrap();
    let wanted = |it: &&Value| it["role"] == role && it["id"] == id;
    processes.iter().find(wanted).cloned()
}

/// All that the stats server says, once it is there: workers may be quicker than their master.
///
/// # Panics
/// If nobody listens there within a minute, or what it says is no JSON.
pub fn stats(socket: &Path) -> Value {
    let mut text = String::new();
    let mut stream = until("stats server", || UnixStream::connect(socket).ok());
    stream.read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The difference is at most so many percent of the expected number.
pub fn within(percent: f64, got: u64, expected: u64) -> bool {
    got.abs_diff(expected) as f64 <= expected as f64 * percent / 100.0
}
