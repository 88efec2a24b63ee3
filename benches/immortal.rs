//! The immortal heap in figures: what the walk costs, also where objects share much, what rules cost
//! catalogues, what the check of the marks costs, and a soak.

mod common;

use std::time::Instant;

use common::{pythons, say_where, step, Runs};
use pycow_testkit::{immortal, load, proc, Host, Instance, Uwsgi};

/// The application, see there.
const APP: &str = include_str!("workload/app.py");
/// How often the walk is measured.
const WALKS: usize = 5;
const SOAK: usize = 200_000;
const SOAK_WORKERS: usize = 4;

fn main() {
    let start = Instant::now();
    for host in pythons("3.12,3.13,3.14") {
        say_where(&host);
        walk(&host, start);
        grid(&host, start);
        shared(&host, start);
        catalogue(&host, start);
        soak(&host, start);
    }
}

/// Nanoseconds and bytes for an object, on a heap of 1,000,000 records.
fn walk(host: &Host, start: Instant) {
    step(start, "the walk over 1,000,000 records");
    let run = |gc| preloaded(host, gc, 1_000_000, 1);
    let frozen = run("freeze");
    let left = |uwsgi: &Instance| proc::status(uwsgi.pid(), "VmRSS");
    let walked = || {
        let uwsgi = run("immortal");
        let line = uwsgi.await_log(" objects immortal; left mortal: ");
        let (objects, seconds) = outcome(&line);
        (uwsgi, objects, seconds * 1e9 / objects)
    };
    let mut times: Vec<f64> = (1..WALKS).map(|_| walked().2).collect();
    let (immortal, objects, time) = walked();
    times.push(time);
    println!(
        "{objects:.0} objects, {} ns each, rules and proof included (goal: 80)",
        Runs::new(times).show(0)
    );
    println!(
        "{:.1} bytes an object while it runs (goal: 24); the master then has {:+.1} MB against freeze\n",
        notes(&immortal) / objects,
        (left(&immortal) as f64 - left(&frozen) as f64) / 1_048_576.0,
    );
}

/// The bytes that the master needed for its walk and gave back.
fn notes(uwsgi: &Instance) -> f64 {
    let status = |name| proc::status(uwsgi.pid(), name);
    (status("VmHWM") - status("VmRSS")) as f64
}

/// The same where objects refer to each other as much as notes are taken of: each node has 7 neighbours.
fn grid(host: &Host, start: Instant) {
    step(start, "notes of a grid of 500 times 500 nodes");
    let app = "class Node: pass\n\
               def near(i, j): return (i, j - 1), (i, j + 1), (i - 1, j), (i + 1, j), (i - 1, j - 1), (i - 1, j + 1), (i + 1, j + 1)\n\
               grid = [[Node() for _ in range(500)] for _ in range(500)]\n\
               for i in range(500):\n    for j in range(500):\n        \
               for k, (x, y) in enumerate(near(i, j)): setattr(grid[i][j], 'n%d' % k, grid[x % 500][y % 500])\n\
               def application(env, start):\n    start('200 OK', [])\n    return []\n";
    let uwsgi = immortal::uwsgi(host, app).start();
    let froze = uwsgi.await_log(" objects before the fork");
    let objects = number_before(&froze, " objects before the fork");
    println!(
        "{:.1} bytes an object that the collector knows (goal: 24)
",
        notes(&uwsgi) / objects
    );
}

/// How many objects were made immortal, and in how many seconds.
fn outcome(line: &str) -> (f64, f64) {
    let number = |before| number_before(line, before);
    (number(" objects immortal"), number(" s for a process of "))
}

fn number_before(line: &str, before: &str) -> f64 {
    let end = line.find(before).expect(before);
    let number = line[..end].rsplit(' ').next().expect(before);
    number.parse().expect(before)
}

/// The line of a uWSGI under `immortal` with that application.
fn line_of(host: &Host, app: &str) -> String {
    let uwsgi = Uwsgi::on(host).app(app).with_pycow();
    let uwsgi = uwsgi.set("pycow-gc", "immortal").start();
    uwsgi.await_log(" objects immortal; left mortal: ")
}

/// Instances that share one dict of many entries, and as many that do not: a verdict an object takes as long.
fn shared(host: &Host, start: Instant) {
    step(
        start,
        "60,000 instances, with a dict of 60,000 entries that all share",
    );
    let run = |part: &str| {
        let app = format!(
            "class Client:\n    def __del__(self): pass\nclass Instance: pass\n\
             shared = {{number: [number] for number in range(60000)}}\nshared['client'] = Client()\n\
             heap = [Instance() for _ in range(60000)]\n\
             for number, one in enumerate(heap): one.part = {part}\n\
             def application(env, start):\n    start('200 OK', [])\n    return []\n"
        );
        outcome(&line_of(host, &app)).1
    };
    let (alone, shared) = (run("[number]"), run("shared"));
    println!("{alone:.3} s where each has its own, {shared:.3} s where they share it\n");
}

/// Records that know their parents are not links: how many of a tree stay mortal, by its fan-out.
fn catalogue(host: &Host, start: Instant) {
    step(
        start,
        "what the rule for links costs trees whose nodes know their parent",
    );
    for fan_out in [1.5, 2.0, 3.0, 10.0] {
        let app = format!(
            "import random, sys\nrandom.seed(1)\nclass Node:\n    def __init__(self, parent):\n        \
             self.parent, self.children = parent, []\n        \
             if parent: parent.children.append(self)\n\
             heap = [Node(None)]\nlevel = heap\nwhile len(heap) < 100000:\n    \
             count = lambda: int({fan_out}) + (random.random() < {fan_out} % 1)\n    \
             level = [Node(parent) for parent in level for _ in range(count())] or [Node(heap[0])]\n    \
             heap = heap + level\n\
             def application(env, start):\n    start('200 OK', [])\n    \
             mortal = sum(sys.getrefcount(node) < 1 << 30 for node in heap)\n    \
             return [b'%.1f' % (100 * mortal / len(heap))]\n"
        );
        let uwsgi = Uwsgi::on(host).app(&app).with_pycow();
        let uwsgi = uwsgi.set("pycow-gc", "immortal").start();
        println!(
            "fan-out {fan_out}: {}% of the nodes stay mortal",
            uwsgi.get("/").body
        );
    }
    println!();
}

/// A uWSGI with so many records, its workers ready.
fn preloaded(host: &Host, gc: &str, records: usize, workers: usize) -> Instance {
    Uwsgi::on(host)
        .app(APP)
        .with_pycow()
        .set("pycow-gc", gc)
        .set("processes", workers)
        .flag("disable-logging")
        .env("OBJECTS", records.to_string())
        .start()
}

/// After many requests the counts of preloaded objects are what they were, in every worker.
fn soak(host: &Host, start: Instant) {
    step(start, &format!("a soak of {SOAK} requests"));
    let uwsgi = preloaded(host, "immortal", 250_000, SOAK_WORKERS);
    let counts = || {
        let mut all: Vec<String> = (0..32).map(|_| uwsgi.get("/counts").body).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let before = counts();
    let report = load::run(uwsgi.port(), |i| format!("/?{i}"), SOAK, SOAK_WORKERS);
    let after = counts();
    let same = if before == after && before.len() == 1 {
        "are bit for bit"
    } else {
        "ARE NOT"
    };
    println!(
        "{SOAK} requests, {} errors: the counts of 100,000 objects {same} what they were\n",
        report.errors
    );
}
