//! Workers that are replaced again and again.

use std::fs;

use pycow_testkit::{default_host, is_long, load, proc, times, Instance};

use super::Who;

const APP: &str = r#"
import atexit, os

def application(env, start):
    start("200 OK", [])
    return []

@atexit.register
def hook():
    os.write(2, b"a hook\n")
"#;

const WORKERS: usize = 40;

#[derive(Debug)]
struct Master {
    descriptors: usize,
    threads: usize,
    rss: u64,
}

fn master(uwsgi: &Instance) -> Master {
    let count = |what| {
        let dir = format!("/proc/{}/{what}", uwsgi.pid());
        fs::read_dir(dir).unwrap().count()
    };
    Master {
        descriptors: count("fd"),
        threads: count("task"),
        rss: proc::rollup(uwsgi.pid()).rss,
    }
}

/// What the master has after some recycles, and after many more.
fn recycle(who: Who, recycles: usize) -> (Master, Master) {
    let uwsgi = who.on(&default_host()).app(APP);
    let uwsgi = match who {
        Who::Pycow => uwsgi.set("pycow-sample", 1),
        Who::Stock => uwsgi,
    };
    let uwsgi = uwsgi
        // The master looks for those that are gone once a second.
        .set("processes", WORKERS)
        .set("max-requests", 1)
        .set("min-worker-lifetime", 0)
        .flag("disable-logging")
        .start();
    let run = |requests| {
        let report = load::run(uwsgi.port(), |_| "/".into(), requests, WORKERS);
        assert_eq!(report.errors, 0);
        uwsgi.settle();
        master(&uwsgi)
    };
    let before = run(recycles / 4);
    let after = run(recycles);
    let log = uwsgi.log();
    let hooks = log.lines().filter(|line| *line == "a hook").count();
    let respawns = log.matches("Respawned uWSGI worker").count();
    // One line may still be on its way.
    assert!(
        hooks >= recycles && hooks + WORKERS >= respawns,
        "{hooks} of {respawns}"
    );
    (before, after)
}

#[test]
fn the_master_stays_as_it_is() {
    let recycles = times(200, 10_000);
    if is_long() {
        println!("stock: {:?}", recycle(Who::Stock, recycles));
    }
    let (before, after) = recycle(Who::Pycow, recycles);
    println!("pycow: {before:?}, {recycles} recycles later {after:?}");
    assert_eq!(after.threads, before.threads);
    // It holds two of each worker, which it may have got, or not yet, or still have of the one before.
    assert!(
        after.descriptors <= before.descriptors + 2 * WORKERS,
        "{before:?} {after:?}"
    );
    assert!(after.rss < before.rss + 1_000_000, "{before:?} {after:?}");
}
