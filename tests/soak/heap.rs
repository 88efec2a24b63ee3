//! Workers that leave with a large heap: without the teardown it costs nothing.

use std::{fs, time::Instant};

use pycow_testkit::signal::SIGTERM;
use pycow_testkit::{default_host, proc, times};

use super::{has_left, Who};

const APP: &str = r#"
import os

class Record:
    def __init__(self, number):
        self.number, self.name, self.tags = number, str(number), [number]

heap = [Record(number) for number in range(int(os.environ["OBJECTS"]))]

def application(env, start):
    start("200 OK", [])
    return []
"#;

const WORKERS: usize = 4;

#[derive(Debug)]
struct Left {
    /// From the signals until the last worker was gone.
    seconds: f64,
    /// CPU that all of them used for it.
    cpu: f64,
}

/// Four workers are told at once.
fn leave(who: Who, objects: usize) -> Left {
    let uwsgi = who.on(&default_host()).app(APP).set("processes", WORKERS);
    let uwsgi = uwsgi.env("OBJECTS", objects.to_string()).start();
    uwsgi.settle();
    let workers = uwsgi.workers();
    let before: f64 = workers
        .iter()
        .map(|worker| proc::cpu_seconds(*worker))
        .sum();
    let start = Instant::now();
    for worker in &workers {
        uwsgi.kill(*worker, SIGTERM);
    }
    assert!(workers.iter().all(|worker| has_left(&uwsgi, *worker)));
    let seconds = start.elapsed().as_secs_f64();
    // Others take their place: the master has buried them.
    uwsgi.await_accepting(2 * WORKERS);
    let cpu = of_children(uwsgi.pid()) - before;
    Left { seconds, cpu }
}

/// CPU seconds of the children of a process that it has buried.
fn of_children(pid: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // proc_pid_stat(5): cutime and cstime, the 16th and the 17th; a name in brackets is the second.
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let fields = rest.split(' ').skip(13).take(2);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
    const TICKS_PER_SECOND: f64 = 100.0;
    ticks as f64 / TICKS_PER_SECOND
}

#[test]
fn a_large_heap_does_not_hold_who_leaves() {
    let objects = times(100_000, 1_000_000);
    let (stock, pycow) = (leave(Who::Stock, objects), leave(Who::Pycow, objects));
    for (who, left) in [("stock", &stock), ("pycow", &pycow)] {
        let Left { seconds, cpu } = left;
        println!("{WORKERS} workers, {objects} objects: {who}: gone in {seconds:.2} s, {cpu:.2} s of CPU");
    }
    // What else runs on the machine makes it longer, but takes none of its CPU.
    assert!(pycow.cpu < stock.cpu / 3.0, "{pycow:?} {stock:?}");
}
