//! What uWSGI tells of its workers' lives and ends is the same with pycow and without.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write,
    time::{Duration, Instant},
};

use pycow_testkit::signal::{SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGSTOP, SIGTERM};
use pycow_testkit::{default_host, proc, Instance, Uwsgi};

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
struct Life {
    /// The telling lines, pids and times replaced; sorted, for processes overtake each other.
    log: Vec<String>,
    /// Each worker's exit status that was looked at.
    statuses: Vec<i32>,
    /// The status of the whole.
    end: Option<i32>,
}

impl Life {
    fn tells(&self, text: &str, times: usize) {
        let lines = self.log.iter().filter(|line| line.contains(text));
        assert_eq!(lines.count(), times, "{text:?} in {:#?}", self.log);
    }
}

/// Lives the same life without pycow and with it.
fn both(prepare: impl Fn(Uwsgi) -> Uwsgi, live: impl Fn(Instance) -> Seen) -> Life {
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
struct Seen {
    uwsgi: Instance,
    statuses: Vec<i32>,
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

fn end(uwsgi: Instance) -> Seen {
    uwsgi.signal(SIGTERM);
    uwsgi.into()
}

fn first_worker(uwsgi: &Instance) -> i32 {
    uwsgi.await_log("spawned uWSGI worker 1 (");
    uwsgi.workers()[0]
}

/// Tells the worker to leave by a signal and reads its exit status, which only the master learns:
/// it is held until the status was read from the zombie.
fn status_at(uwsgi: &Instance, worker: i32, signal: i32) -> i32 {
    uwsgi.signal(SIGSTOP);
    uwsgi.kill(worker, signal);
    uwsgi.await_gone(worker);
    let stat = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap();
    uwsgi.signal(SIGCONT);
    // proc(5): field 52, counted from the state, which is field 3.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split_whitespace().nth(49).unwrap().parse().unwrap()
}

/// Asks until the answer comes from a worker that is none of these.
fn answer_from_another(uwsgi: &Instance, pids: &BTreeSet<i32>) -> i32 {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < deadline, "nobody else answers");
        let answer = uwsgi.try_get("/");
        let pid = answer.ok().and_then(|answer| answer.body.parse().ok());
        if let Some(pid) = pid.filter(|pid| !pids.contains(pid)) {
            return pid;
        }
    }
}

#[test]
fn a_worker_told_to_leave_by_a_signal() {
    let life = both(
        |uwsgi| uwsgi,
        |uwsgi| {
            let mut statuses = Vec::new();
            for (accepting, signal) in [(2, SIGTERM), (3, SIGINT), (4, SIGHUP), (5, SIGKILL)] {
                let worker = first_worker(&uwsgi);
                statuses.push(status_at(&uwsgi, worker, signal));
                uwsgi.await_accepting(accepting);
                // The master may say so later than its worker accepts.
                uwsgi.await_log_times("Respawned uWSGI worker 1", accepting - 1);
                assert_eq!(uwsgi.get("/").body, first_worker(&uwsgi).to_string());
                proc::await_idle(first_worker(&uwsgi));
            }
            uwsgi.signal(SIGTERM);
            Seen { uwsgi, statuses }
        },
    );
    // UWSGI_END_CODE, UWSGI_RELOAD_CODE; the last was killed.
    assert_eq!(life.statuses, [30 << 8, 30 << 8, 17 << 8, SIGKILL]);
    life.tells("DAMN ! worker 1 (pid: N died :( trying respawn", 2);
    life.tells("died, killed by signal 9 :( trying respawn", 1);
    life.tells("Gracefully killing worker 1", 1);
    life.tells("Respawned uWSGI worker 1", 4);
}

#[test]
fn a_worker_that_has_served_its_requests() {
    let life = both(
        |uwsgi| uwsgi.set("max-requests", 2).set("min-worker-lifetime", 0),
        |uwsgi| {
            for accepting in [2, 3] {
                uwsgi.get("/");
                uwsgi.get("/");
                uwsgi.await_accepting(accepting);
            }
            end(uwsgi)
        },
    );
    life.tells("The work of process N is done. Seeya!", 2);
    life.tells("worker 1 killed successfully", 2);
    life.tells("Respawned uWSGI worker 1", 2);
    life.tells("DAMN", 0);
}

#[test]
fn a_worker_that_has_grown_too_large() {
    let life = both(
        |uwsgi| uwsgi.set("reload-on-rss", 90).set("min-worker-lifetime", 0),
        |uwsgi| {
            uwsgi.get("/");
            uwsgi.get("/grow");
            uwsgi.await_accepting(2);
            end(uwsgi)
        },
    );
    life.tells("The work of process N is done. Seeya!", 1);
    life.tells("worker 1 killed successfully", 1);
    life.tells("Respawned uWSGI worker 1", 1);
}

#[test]
fn a_worker_that_leaves_at_an_exception() {
    let life = both(
        |uwsgi| uwsgi.flag("reload-on-exception"),
        |uwsgi| {
            // It is cut off: the worker leaves from inside the request.
            let _ = uwsgi.try_get("/raise");
            uwsgi.await_accepting(2);
            end(uwsgi)
        },
    );
    life.tells("... monitored exception detected, respawning worker 1", 1);
}

#[test]
fn a_graceful_reload_of_all() {
    let life = both(
        |uwsgi| uwsgi.set("processes", 2),
        |uwsgi| {
            uwsgi.await_log_times("spawned uWSGI worker ", 2);
            let before = BTreeSet::from_iter(uwsgi.workers());
            uwsgi.signal(SIGHUP);
            uwsgi.await_accepting(4);
            answer_from_another(&uwsgi, &before);
            uwsgi.workers().into_iter().for_each(proc::await_idle);
            end(uwsgi)
        },
    );
    life.tells("Gracefully killing worker", 2);
    life.tells("gracefully (RE)spawned uWSGI master process", 1);
    life.tells("buried after", 4);
    life.tells("goodbye to uWSGI", 1);
}

#[test]
fn one_worker_after_the_other() {
    let life = both(
        |uwsgi| uwsgi.set("processes", 2).set("master-fifo", "fifo"),
        |uwsgi| {
            uwsgi.await_log_times("spawned uWSGI worker ", 2);
            let before = BTreeSet::from_iter(uwsgi.workers());
            command(&uwsgi, "c");
            uwsgi.await_accepting(4);
            answer_from_another(&uwsgi, &before);
            uwsgi.workers().into_iter().for_each(proc::await_idle);
            end(uwsgi)
        },
    );
    life.tells("Gracefully killing worker", 2);
    life.tells("killed successfully", 2);
    life.tells("Respawned uWSGI worker", 2);
}

#[test]
fn a_worker_that_is_not_needed() {
    let life = both(
        |uwsgi| {
            let uwsgi = uwsgi.set("processes", 3).set("cheaper", 1);
            uwsgi.set("cheaper-initial", 2)
        },
        |uwsgi| {
            // The oldest goes.
            uwsgi.await_log("uWSGI worker 1 cheaped.");
            end(uwsgi)
        },
    );
    life.tells("worker 1 killed successfully", 1);
    life.tells("uWSGI worker 1 cheaped.", 1);
    life.tells("worker 2 buried", 1);
}

#[test]
fn the_end_of_all_brutal_and_graceful() {
    for (letter, told, of_each) in [
        ("Q", "received...killing workers", "buried after"),
        (
            "q",
            "graceful shutdown triggered",
            "Gracefully killing worker",
        ),
    ] {
        let life = both(
            |uwsgi| uwsgi.set("processes", 2).set("master-fifo", "fifo"),
            |uwsgi| {
                command(&uwsgi, letter);
                uwsgi.into()
            },
        );
        life.tells(told, 1);
        life.tells(of_each, 2);
        assert_eq!(life.end, Some(0), "{letter}");
    }
}

/// Writes to the master's FIFO, once it is there: workers may be quicker than their master.
fn command(uwsgi: &Instance, letter: &str) {
    let path = uwsgi.dir().join("fifo");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < deadline, "no FIFO");
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut fifo = OpenOptions::new().write(true).open(path).unwrap();
    fifo.write_all(letter.as_bytes()).unwrap();
}
