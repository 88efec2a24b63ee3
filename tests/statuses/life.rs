//! The same life of a uWSGI without pycow and with it, as seen from outside.

use pycow_testkit::{default_host, Instance, Uwsgi};

const APP: &str = r#"
import atexit, os, threading

def application(env, start):
    if env["PATH_INFO"] == "/raise":
        raise ValueError("on purpose")
    if env["PATH_INFO"] == "/grow":
        global ballast
        ballast = b"x" * (100 << 20)
    start("200 OK", [])
    return [b"%d" % os.getpid()]

# A worker that leaves has something to do.
atexit.register(threading.Event().wait, 0.01)
"#;

/// What the log tells of lives and ends.
const TELLING: [&str; 18] = [
    "Respawned uWSGI worker",
    "spawned uWSGI worker",
    "killed successfully",
    "buried after",
    "DAMN !",
    "OOPS !",
    "inconsistent state",
    "restoring worker",
    "cheaped",
    "cheap mode",
    "The work of process",
    "Gracefully killing worker",
    "received...killing workers",
    "graceful shutdown triggered",
    "gracefully killing workers",
    "(RE)spawned uWSGI master process",
    "monitored exception",
    "goodbye to uWSGI",
];

/// A uWSGI's life as seen from outside.
#[derive(Debug, PartialEq)]
pub struct Life {
    /// The telling lines, pids and times replaced; sorted, for processes overtake each other.
    pub log: Vec<String>,
    /// Each worker's exit status that was looked at.
    pub statuses: Vec<i32>,
    /// The status of the whole.
    pub end: Option<i32>,
}

impl Life {
    pub fn tells(&self, text: &str, times: usize) {
        let lines = self.log.iter().filter(|line| line.contains(text));
        assert_eq!(lines.count(), times, "{text:?} in {:#?}", self.log);
    }
}

/// Lives the same life without pycow and with it.
pub fn both(prepare: impl Fn(Uwsgi) -> Uwsgi, live: impl Fn(Instance) -> Seen) -> Life {
    let [stock, ours] = [false, true].map(|pycow| {
        let uwsgi = prepare(Uwsgi::on(&default_host()).app(APP));
        let uwsgi = if pycow { uwsgi.with_pycow() } else { uwsgi };
        let Seen { uwsgi, statuses } = live(uwsgi.start());
        let finished = uwsgi.finish();
        let farewells = finished.log.matches(" leaves after ").count();
        assert_eq!(farewells > 0, pycow, "{farewells} farewells");
        Life {
            log: telling(&finished.log),
            statuses,
            end: finished.status.code(),
        }
    });
    assert_eq!(ours, stock);
    ours
}

/// A uWSGI that was told to end, and what was seen before.
pub struct Seen {
    pub uwsgi: Instance,
    pub statuses: Vec<i32>,
}

impl From<Instance> for Seen {
    fn from(uwsgi: Instance) -> Self {
        let statuses = Vec::new();
        Self { uwsgi, statuses }
    }
}

fn telling(log: &str) -> Vec<String> {
    let lines = log
        .lines()
        .filter(|line| TELLING.iter().any(|text| line.contains(text)));
    let mut lines: Vec<String> = lines.map(without_pids_and_times).collect();
    lines.sort();
    lines
}

fn without_pids_and_times(line: &str) -> String {
    // "Mon Nov 23 10:54:44 2026 - graceful shutdown triggered..."
    let line = line.split_once(" 20").map_or(line, |(_, rest)| {
        rest.split_once(" - ").map_or(line, |(_, text)| text)
    });
    let mut words: Vec<&str> = line.split(' ').collect();
    for i in 1..words.len() {
        let varies = ["(pid:", "pid:", "process", "after"].contains(&words[i - 1]);
        if varies && words[i].starts_with(|c: char| c.is_ascii_digit()) {
            words[i] = "N";
        }
    }
    words.join(" ")
}
