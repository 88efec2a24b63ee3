//! A uWSGI with pycow that shows all that pycow publishes, and ways to read it.

use std::{
    io::Read,
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{default_host, Instance, Uwsgi};

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
    let uwsgi = Uwsgi::on(&default_host())
        .app(APP)
        .with_pycow()
        .set("pycow-sample", period);
    ROUTES
        .iter()
        .fold(uwsgi, |uwsgi, route| uwsgi.set("route", route))
}

/// The report as JSON.
///
/// # Panics
/// If what `/json` answers is none.
pub fn json(uwsgi: &Instance) -> Value {
    let answer = uwsgi.get("/json");
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
}

/// What it says of that process, if it does.
///
/// # Panics
/// If it does not list processes.
pub fn process(uwsgi: &Instance, role: &str, id: u64) -> Option<Value> {
    let report = json(uwsgi);
    let processes = report["processes"].as_array().unwrap();
    let wanted = |it: &&Value| it["role"] == role && it["id"] == id;
    processes.iter().find(wanted).cloned()
}

/// All that the stats server says.
///
/// # Panics
/// If nobody listens there, or what it says is no JSON.
pub fn stats(socket: &Path) -> Value {
    let mut text = String::new();
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Asks until there is an answer: a number in shared memory tells nobody that it changed.
///
/// # Panics
/// If there is none within 20 seconds.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(Duration::from_secs(20), what, ask)
}

/// The same, for as long as `limit`.
///
/// # Panics
/// If there is none by then.
pub fn until_within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    const PAUSE: Duration = Duration::from_millis(20);
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < limit, "no {what} within {limit:?}");
        thread::sleep(PAUSE);
    }
}

/// The difference is at most so many percent of the expected number.
pub fn within(percent: f64, got: u64, expected: u64) -> bool {
    got.abs_diff(expected) as f64 <= expected as f64 * percent / 100.0
}
