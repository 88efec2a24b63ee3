//! Processes that are killed under load.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use pycow_testkit::{load, signal::SIGKILL, times};

use super::{answered, Fault, Who};

const SIGSEGV: i32 = 11;
const KILLS: usize = 4;

const APP: &str = r#"
import atexit, os
atexit.register(os.write, 2, b"a hook\n")
def application(env, start):
    start("200 OK", [])
    return [b"hello"]
"#;

/// How many requests failed while workers were killed, one after the other, and what the master has
/// more of descriptors afterwards.
fn killed_under_load(who: Who, signal: i32) -> (usize, i64) {
    let uwsgi = who.on_default(APP).set("processes", 3).start();
    let descriptors = || {
        std::fs::read_dir(format!("/proc/{}/fd", uwsgi.pid()))
            .unwrap()
            .count() as i64
    };
    assert_eq!(answered(&uwsgi, 20), 20);
    let before = descriptors();
    let (stop, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while stop.load(Relaxed) == 0 {
                failed.fetch_add(
                    load::run(uwsgi.port(), |_| "/".into(), 50, 4).errors,
                    Relaxed,
                );
            }
        });
        for kill in 0..KILLS {
            let workers = uwsgi.workers();
            uwsgi.kill(workers[kill % workers.len()], signal);
            uwsgi.await_accepting(3 + kill + 1);
        }
        stop.store(1, Relaxed);
    });
    assert_eq!(answered(&uwsgi, 20), 20, "{who:?}");
    uwsgi.settle();
    let more = descriptors() - before;
    assert_eq!(uwsgi.stop().status.code(), Some(0));
    (failed.into_inner(), more)
}

#[test]
fn workers_under_load() {
    let mut fault = Fault::new("workers under load get SIGKILL and SIGSEGV");
    // It takes its time.
    let signals = [SIGKILL, SIGSEGV];
    for signal in &signals[..times(0, 2)] {
        let (stock, pycow) = (
            killed_under_load(Who::Stock, *signal),
            killed_under_load(Who::Pycow, *signal),
        );
        fault.saw(format_args!(
            "signal {signal}, {KILLS} times: requests lost {} in stock, {} with pycow",
            stock.0, pycow.0
        ));
        // What a killed worker was serving is lost: at most one request each.
        assert!(pycow.0 <= KILLS, "{pycow:?}");
        // The descriptors of processes that are gone are closed with the next samples.
        assert!(pycow.1 <= stock.1 + 3, "stock {stock:?}, pycow {pycow:?}");
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
