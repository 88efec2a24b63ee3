//! Faults, each with uWSGI alone beside it: nothing is lost that would not be lost there, and the next
//! request is served. `make faults` runs all of them, the suite those that take no time.
//!
//! Those that have a page of their own are elsewhere: hooks that hang, raise or fork, a GIL held for
//! ever and a log that nobody reads in `leaving`, a missing /proc in `lines` and `sampler`, a removed
//! folder in `report`, 10,000 recycles in `soak`.

mod descriptors;
mod hooks;
mod killed;
mod log;
mod memory;
mod proc;
mod seccomp;
mod textfile;

use std::{fmt, thread};

use pycow_testkit::{
    default_host, is_long, load,
    signal::SIGTERM,
    skip,
    supported::{tell, Verdict},
    Instance, Uwsgi,
};

/// Who is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Stock,
    Pycow,
}

impl Who {
    fn on_default(self, app: &str) -> Uwsgi {
        let uwsgi = Uwsgi::on(&default_host()).app(app);
        match self {
            Self::Stock => uwsgi,
            // Often, so that it is in the way of what is tried.
            Self::Pycow => uwsgi.with_pycow().set("pycow-sample", 1),
        }
    }
}

/// A fault that is tried: a row of docs/supported.md, if all are.
struct Fault {
    what: &'static str,
    skipped: bool,
    seen: String,
}

impl Fault {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            skipped: false,
            seen: String::new(),
        }
    }

    /// What is worth a cell.
    fn saw(&mut self, what: impl fmt::Display) {
        let comma = if self.seen.is_empty() { "" } else { "; " };
        self.seen += &format!("{comma}{what}");
    }

    fn skip(mut self, why: &str) {
        skip(why);
        self.skipped = true;
        self.saw(why);
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let verdict = match (thread::panicking(), self.skipped) {
            (true, _) => Verdict::No,
            (_, true) => Verdict::Skipped,
            _ => Verdict::Yes,
        };
        if is_long() {
            tell(
                "faults",
                self.what,
                verdict,
                std::slice::from_ref(&self.seen),
            );
        }
    }
}

/// How many of so many requests are answered, from four clients.
fn answered(uwsgi: &Instance, requests: usize) -> usize {
    let report = load::run(uwsgi.port(), |_| "/".into(), requests, 4);
    requests - report.errors
}

/// What a user sees of an instance in trouble.
#[derive(Debug, Default, PartialEq, Eq)]
struct Life {
    /// Of 20 requests, in each of three rounds: at first, after a worker was told to leave, and after
    /// some seconds.
    answered: [usize; 3],
    /// Processes that crashed.
    crashes: usize,
    /// How it ended.
    status: Option<i32>,
}

impl Life {
    /// It serves, a worker is replaced, the master reads memory, it ends. None: it never served.
    fn of(uwsgi: Uwsgi, meanwhile: impl FnOnce(&Instance)) -> Option<(Self, String)> {
        let uwsgi = uwsgi.set("processes", 2).launch();
        if !uwsgi.accepts_within(2, START) {
            return None;
        }
        let first = answered(&uwsgi, 20);
        meanwhile(&uwsgi);
        if let [worker, ..] = uwsgi.workers()[..] {
            // In a request it would leave without hooks where nothing can be timed, as in stock.
            pycow_testkit::proc::await_idle(worker);
            uwsgi.kill(worker, SIGTERM);
        }
        // Where no worker can be forked any more, none comes.
        let _ = uwsgi.accepts_within(3, AGAIN);
        let second = answered(&uwsgi, 20);
        thread::sleep(SAMPLED);
        let third = answered(&uwsgi, 20);
        let finished = uwsgi.stop();
        let signs = [
            "Segmentation Fault",
            "died, killed by signal",
            "internal error",
            "bytes failed",
        ];
        let lines = finished.log.lines();
        let life = Self {
            answered: [first, second, third],
            crashes: lines
                .filter(|line| signs.iter().any(|sign| line.contains(sign)))
                .count(),
            status: finished.status.code(),
        };
        Some((life, finished.log.clone()))
    }

    /// It is no worse than that of uWSGI alone.
    fn is_as_good_as(&self, stock: &Self) -> bool {
        let served = self.answered.iter().zip(&stock.answered);
        served.into_iter().all(|(own, stock)| own >= stock)
            && self.crashes <= stock.crashes
            && self.status == stock.status
    }
}

/// A life of both; where uWSGI alone lives, so it does with pycow. The log with pycow, if so.
fn both(
    what: impl fmt::Display,
    life: impl Fn(Who) -> Option<(Life, String)> + Sync,
) -> Option<String> {
    let (stock, pycow) = thread::scope(|scope| {
        let stock = scope.spawn(|| life(Who::Stock));
        let pycow = life(Who::Pycow);
        (stock.join().expect("uWSGI alone ends"), pycow)
    });
    let Some((stock, stock_log)) = stock else {
        println!("{what}: uWSGI alone does not start");
        return None;
    };
    let Some((pycow, log)) = pycow else {
        panic!("{what}: only uWSGI alone starts: {stock:?}\n{stock_log}");
    };
    println!("{what}: stock {stock:?}, pycow {pycow:?}");
    assert!(
        pycow.is_as_good_as(&stock),
        "{what}: stock {stock:?}, pycow {pycow:?}\n{log}"
    );
    Some(log)
}

/// Within that an instance that starts at all does, on a machine that is busy with other things, too.
const START: std::time::Duration = std::time::Duration::from_secs(60);
/// Within that a worker is replaced.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(20);
/// After that the master has read everybody's memory: nothing tells of it where that fails.
const SAMPLED: std::time::Duration = std::time::Duration::from_millis(2500);
