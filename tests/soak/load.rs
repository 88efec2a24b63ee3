//! Signals under load: nothing that a worker has accepted is cut off, and every hook runs.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
};

use pycow_testkit::signal::{SIGHUP, SIGTERM};
use pycow_testkit::{default_host, host_of, http, is_long, one_of_each, times, Flavour, Host};

use super::{has_left, hooks_of, Who};

const APP: &str = r#"
import atexit, os, sys, time

def application(env, start):
    serve()
    start("200 OK", [])
    return [b"whole"]

@atexit.register
def hook():
    os.write(2, b"hook of %d\n" % os.getpid())
"#;

const WAITS: &str = r#"
def serve():
    time.sleep(0.05)
"#;

/// The threads of a worker give the interpreter to each other all the time. Where CPython is a part of uWSGI's own
/// object, they do it through the same call by which uWSGI takes its locks.
const COMPETES: &str = r#"
sys.setswitchinterval(0.0001)

def serve():
    for _ in range(300):
        sum(range(1000))
        time.sleep(0)
"#;

const WORKERS: usize = 4;

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    signals: usize,
    /// Workers that did not leave.
    hung: usize,
    hooks: usize,
    answered: bool,
    /// Sockets stay open in the master while a worker leaves: who is not answered had been accepted.
    cut_off: usize,
}

/// Tells the clients that it is over.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn measure(
    host: &Host,
    who: Who,
    serve: &str,
    signal: i32,
    threads: bool,
    rounds: usize,
) -> Outcome {
    let app = format!("{APP}{serve}");
    let uwsgi = who.on(host).app(&app).set("processes", WORKERS);
    let uwsgi = if threads {
        uwsgi.set("threads", 2)
    } else {
        uwsgi
    };
    let uwsgi = uwsgi.flag("disable-logging").start();
    let port = uwsgi.port();
    let (over, answered, cut_off) = (
        AtomicBool::new(false),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let (mut told, mut hung) = (Vec::new(), 0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    let whole = http::get(port, "/").is_ok_and(|answer| answer.body == "whole");
                    let count = if whole { &answered } else { &cut_off };
                    count.fetch_add(1, Relaxed);
                }
            });
        }
        // Also where a wait below gives up.
        let _over = Over(&over);
        // All at once: the master looks for those that are gone once a second.
        for round in 1..=rounds {
            uwsgi.await_accepting(WORKERS * round);
            let workers = uwsgi.workers();
            for worker in &workers {
                uwsgi.kill(*worker, signal);
            }
            hung += workers
                .iter()
                .filter(|worker| !has_left(&uwsgi, **worker))
                .count();
            told.extend(workers);
        }
    });
    let log = uwsgi.log();
    let hooks = hooks_of(&log, &told);
    if who == Who::Pycow && hooks < told.len() {
        println!("{log}");
    }
    Outcome {
        signals: told.len(),
        hung,
        hooks,
        answered: answered.into_inner() > 0,
        cut_off: cut_off.into_inner(),
    }
}

fn perfect(rounds: usize) -> Outcome {
    Outcome {
        signals: rounds * WORKERS,
        hung: 0,
        hooks: rounds * WORKERS,
        answered: true,
        cut_off: 0,
    }
}

#[test]
fn no_request_is_cut_off_and_every_hook_runs() {
    let rounds = times(2, 250);
    let hosts = if is_long() {
        vec![host_of(Flavour::Pypi).unwrap_or_else(default_host)]
    } else {
        one_of_each()
    };
    for host in &hosts {
        for threads in [false, true] {
            for (name, signal) in [("SIGTERM", SIGTERM), ("SIGHUP", SIGHUP)] {
                let what = format!("{}, {name}, threads {threads}", host.name);
                if is_long() {
                    let stock = measure(host, Who::Stock, WAITS, signal, threads, 25);
                    println!("{what}: stock: {stock:?}");
                }
                let pycow = measure(host, Who::Pycow, WAITS, signal, threads, rounds);
                println!("{what}: pycow: {pycow:?}");
                assert_eq!(pycow, perfect(rounds), "{what}");
            }
        }
    }
}

#[test]
fn threads_that_compete_for_the_interpreter_end_all_the_same() {
    let rounds = times(3, 100);
    for host in one_of_each() {
        for (name, signal) in [("SIGTERM", SIGTERM), ("SIGHUP", SIGHUP)] {
            let what = format!("{}, {name}", host.name);
            let pycow = measure(&host, Who::Pycow, COMPETES, signal, true, rounds);
            println!("{what}: pycow: {pycow:?}");
            assert_eq!(pycow, perfect(rounds), "{what}");
        }
    }
}
