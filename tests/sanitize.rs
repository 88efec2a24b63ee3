//! `make sanitize`: a whole life of an instance under valgrind's memcheck - start, requests, a worker
//! recycled, a reload, the end - with pycow and without. What only pycow has is an error.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    time::Duration,
};

use pycow_testkit::{host_of, signal::SIGHUP, skip, Finished, Flavour, Host, Uwsgi};

/// valgrind makes everything 20 to 50 times slower.
const LIMIT: Duration = Duration::from_secs(180);
const WORKERS: usize = 2;
/// So that workers are recycled.
const REQUESTS: usize = 5;

/// Something to freeze, to mark, to collect and to run at exit.
const APP: &str = "
import atexit, collections, gc, weakref
class Node:
    def __init__(self, name): self.name, self.me = name, self
nodes = [Node(str(number)) for number in range(2000)]
tables = {node.name: [node, (node.name, 1.5, b'x'), collections.OrderedDict(a=node)] for node in nodes}
watched = weakref.ref(nodes[0], lambda reference: None)
file = open('written', 'a')
atexit.register(lambda: file.write('left\\n'))
def application(env, start):
    garbage = [Node('garbage') for _ in range(50)]
    found = [tables[str(number)][1] for number in range(0, 2000, 7)]
    start('200 OK', [])
    return [b'hello']
";

/// An error as valgrind tells it, without addresses: what, and the functions it was in.
type Error = Vec<String>;

fn errors(log: &str) -> BTreeSet<Error> {
    let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in log.lines() {
        let own = line
            .strip_prefix("==")
            .and_then(|rest| rest.split_once("=="));
        if let Some((pid, text)) = own.filter(|(pid, _)| pid.parse::<u32>().is_ok()) {
            lines.entry(pid).or_default().push(text.trim());
        }
    }
    let mut errors = BTreeSet::new();
    for of_process in lines.values() {
        for block in of_process.split(|line| line.is_empty()) {
            let is_frame = |line: &&str| line.starts_with("at 0x") || line.starts_with("by 0x");
            let frames = block.iter().copied().filter(is_frame);
            let frames = frames.map(|frame| frame.split_once(": ").map_or(frame, |(_, name)| name));
            let error: Error = block
                .iter()
                .take(1)
                .copied()
                .chain(frames)
                .map(str::to_owned)
                .collect();
            if error.len() > 1 {
                errors.insert(error);
            }
        }
    }
    errors
}

/// Every process of a life that valgrind watched to its end.
fn summaries(log: &str) -> usize {
    log.matches("ERROR SUMMARY: ").count()
}

fn live(host: &Host, pycow: &[(&str, &str)]) -> Finished {
    let mut uwsgi = Uwsgi::on(host).app(APP);
    if !pycow.is_empty() {
        uwsgi = uwsgi.with_pycow();
    }
    for (option, value) in pycow {
        uwsgi = uwsgi.set(option, value);
    }
    let uwsgi = uwsgi
        .set("processes", WORKERS)
        .set("max-requests", 1_000_000)
        // Objects that Python keeps in arenas of its own are no business of memcheck.
        .env("PYTHONMALLOC", "malloc")
        .through("exec valgrind --quiet --trace-children=yes --num-callers=40 --error-limit=no -s \"$@\"")
        .launch();
    let accepting = |times| {
        uwsgi
            .ready(times, LIMIT)
            .unwrap_or_else(|error| panic!("{error}"))
    };
    accepting(WORKERS);
    for _ in 0..4 * REQUESTS {
        // A worker that is replaced may let go of one that waits for it.
        let _ = uwsgi.try_get("/");
    }
    uwsgi.kill(uwsgi.workers()[0], SIGHUP);
    uwsgi.await_accepting(WORKERS + 1);
    let so_far = uwsgi
        .log()
        .lines()
        .filter(|line| line.ends_with("testkit: a worker accepts"))
        .count();
    uwsgi.signal(SIGHUP);
    uwsgi.await_accepting(so_far + WORKERS);
    assert_eq!(uwsgi.get("/").body, "hello");
    uwsgi.stop()
}

#[test]
fn memcheck_finds_nothing_that_stock_uwsgi_has_not() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return skip("no valgrind");
    }
    let Some(host) = host_of(Flavour::Pypi) else {
        return skip("no uWSGI from PyPI");
    };
    let hosts = pycow_testkit::hosts();
    // Where objects can be immortal.
    let newer = hosts
        .iter()
        .find(|one| one.flavour == Flavour::Pypi && one.python >= (3, 12));
    let host = newer.unwrap_or(&host);
    let stock = live(host, &[]);
    assert!(stock.status.success());
    let known = errors(&stock.log);
    println!(
        "stock: {} processes, {} errors",
        summaries(&stock.log),
        known.len()
    );
    let lives: [(&str, &[(&str, &str)]); 4] = [
        (
            "freeze",
            &[
                ("pycow-sample", "1"),
                ("pycow-gc-guard", "true"),
                ("pycow-gc-threshold", "auto"),
            ],
        ),
        (
            "immortal",
            &[("pycow-gc", "immortal"), ("pycow-warmup", "/")],
        ),
        ("off, full", &[("pycow-gc", "off"), ("pycow-exit", "full")]),
        (
            "keep, host",
            &[
                ("pycow-gc", "keep"),
                ("pycow-fork", "host"),
                ("pycow-textfile", "/tmp/pycow-sanitize.prom"),
            ],
        ),
    ];
    for (name, options) in lives {
        let finished = live(host, options);
        assert!(finished.status.success());
        let summaries = summaries(&finished.log);
        let new: Vec<Error> = errors(&finished.log).difference(&known).cloned().collect();
        println!(
            "{name}: {summaries} processes, {} errors of its own",
            new.len()
        );
        assert!(
            summaries > 2 * WORKERS,
            "{summaries} processes were watched"
        );
        assert!(new.is_empty(), "{name}: {new:#?}");
    }
}
