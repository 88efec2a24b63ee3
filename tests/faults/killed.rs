//! Processes that are killed under load.

use std::{
    fs::{self, DirEntry},
    io,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use pycow_testkit::{http, signal::SIGKILL, times, until, Instance};

use super::{answered, Fault, Who};

const SIGSEGV: i32 = 11;
const WORKERS: usize = 3;
/// More than there are workers: each of them serves most of the time.
const CLIENTS: usize = 4;

const APP: &str = r#"
import atexit, os, time
atexit.register(os.write, 2, b"a hook\n")
def application(env, start):
    if env["PATH_INFO"] == "/slow":
        time.sleep(0.02)
    start("200 OK", [])
    return [b"hello"]
"#;

/// What is lost when workers are killed one after the other, while clients ask for `path`.
#[derive(Debug, Default)]
struct Losses {
    kills: usize,
    requests: usize,
}

impl Losses {
    fn of(&mut self, who: Who, signal: i32, path: &str, kills: usize) {
        let uwsgi = who
            .on_default(APP)
            .set("processes", WORKERS)
            .set("forkbomb-delay", 0)
            .start();
        assert_eq!(answered(&uwsgi, 20), 20);
        // The master's own, and one of each worker, are there with the first samples.
        until("first samples", || {
            (who == Who::Stock || pagemaps(&uwsgi) > WORKERS).then_some(())
        });
        let before = descriptors(&uwsgi).len();
        let (stop, failed) = (AtomicBool::new(false), AtomicUsize::new(0));
        let client = || {
            while !stop.load(Relaxed) {
                if !http::get(uwsgi.port(), path).is_ok_and(|answer| answer.status == 200) {
                    failed.fetch_add(1, Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            (0..CLIENTS).for_each(|_| drop(scope.spawn(client)));
            for kill in 0..kills {
                let workers = uwsgi.workers();
                uwsgi.kill(workers[kill % workers.len()], signal);
                uwsgi.await_accepting(WORKERS + kill + 1);
            }
            stop.store(true, Relaxed);
        });
        assert_eq!(answered(&uwsgi, 20), 20, "{who:?}");
        // Those of processes that are gone are closed with the next samples.
        until("the descriptors of the dead are closed", || {
            (descriptors(&uwsgi).len() <= before).then_some(())
        });
        assert_eq!(uwsgi.stop().status.code(), Some(0));
        self.kills += kills;
        self.requests += failed.into_inner();
    }
}

/// What those of the master are of.
fn descriptors(uwsgi: &Instance) -> Vec<PathBuf> {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", uwsgi.pid())).expect("the master's");
    let is_of = |entry: io::Result<DirEntry>| fs::read_link(entry.ok()?.path()).ok();
    descriptors.filter_map(is_of).collect()
}

fn pagemaps(uwsgi: &Instance) -> usize {
    let all = descriptors(uwsgi);
    all.iter().filter(|file| file.ends_with("pagemap")).count()
}

/// A killed worker takes the request with it that it was serving, and no other.
#[test]
fn workers_under_load() {
    let mut fault = Fault::new("workers under load get SIGKILL and SIGSEGV");
    // It takes its time.
    let signals = [SIGKILL, SIGSEGV];
    for signal in &signals[..times(0, 2)] {
        // Whether a worker that has little to do is in a request when it is killed, is chance.
        for (path, what) in [("/slow", "busy"), ("/", "mostly idle")] {
            let (mut stock, mut pycow) = (Losses::default(), Losses::default());
            for _ in 0..4 {
                stock.of(Who::Stock, *signal, path, 10);
                pycow.of(Who::Pycow, *signal, path, 10);
            }
            println!("signal {signal}, {what}: stock {stock:?}, pycow {pycow:?}");
            fault.saw(format_args!(
                "signal {signal} to {} {what} workers: requests lost {} in stock, {} with pycow",
                pycow.kills, stock.requests, pycow.requests
            ));
            assert!(pycow.requests <= pycow.kills, "{pycow:?}");
        }
    }
}

/// Workers that have lost their master leave by themselves, each through its hooks.
#[test]
fn the_master() {
    let mut fault = Fault::new("the master gets SIGKILL");
    for who in [Who::Stock, Who::Pycow] {
        let uwsgi = who.on_default(APP).set("processes", 2).start();
        assert_eq!(answered(&uwsgi, 20), 20);
        let workers = uwsgi.workers();
        uwsgi.settle();
        uwsgi.kill(uwsgi.pid(), SIGKILL);
        uwsgi.await_gone(uwsgi.pid());
        for worker in workers {
            uwsgi.await_gone(worker);
        }
        assert!(uwsgi.ends_within(Duration::from_secs(60)), "{who:?}");
        assert_eq!(uwsgi.log().matches("a hook").count(), 2, "{who:?}");
    }
    fault.saw("both workers leave by themselves, their hooks run, as in stock");
}

/// A request past `harakiri` is killed with its worker, and the next one is served.
#[test]
fn harakiri() {
    let mut fault = Fault::new("harakiri");
    const SLOW: &str = r#"
import time
def application(env, start):
    if env["PATH_INFO"] == "/slow":
        time.sleep(1000)
    start("200 OK", [])
    return [b"hello"]
"#;
    for who in [Who::Stock, Who::Pycow] {
        // Longer than what is served by a machine that is busy with other things.
        let uwsgi = who.on_default(SLOW).set("harakiri", 3).start();
        assert!(uwsgi.try_get("/slow").is_err());
        uwsgi.await_accepting(2);
        assert_eq!(answered(&uwsgi, 20), 20, "{who:?}");
        assert!(uwsgi.log().contains("HARAKIRI"), "{who:?}");
        assert_eq!(uwsgi.stop().status.code(), Some(0), "{who:?}");
    }
    fault.saw("the next requests are served, as in stock");
}
