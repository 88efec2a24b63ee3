//! What samples cost: the CPU of the master, which reads all processes' memory, and the latency of
//! requests, with samples and without.

mod common;

use std::{
    thread,
    time::{Duration, Instant},
};

use common::{megabytes, say_where, step, table::Table, Runs};
use pycow_testkit::{default_host, load, proc, Host, Instance, Uwsgi};

/// 1 GB of small objects' size: a page table as large as that of a real heap.
const APP: &str = r#"
heap = [bytes([i & 255]) * 4000 for i in range(250000)]

def application(env, start):
    start("200 OK", [])
    return [heap[1][:5]]
"#;
const WORKERS: usize = 4;
/// Seconds until what the master may spend at once is spent.
const SETTLED: u64 = 15;
/// Seconds over which it is watched: several reads of a large process.
const WATCHED: u64 = 40;
/// Reads of one worker's memory whose time is taken together.
const READS: u32 = 20;
const ROUNDS: usize = 3;
const REQUESTS: usize = 20_000;

/// What was seen of one instance.
struct Seen {
    /// Of a core, per cent.
    master: f64,
    /// CPU of reading what one worker has.
    sample: Duration,
    p50: Duration,
    p99: Duration,
}

fn main() {
    let start = Instant::now();
    let host = default_host();
    say_where(&host);
    let (mut off, mut on) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        // In turns, so that a slow moment of the machine hits both.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for period in order {
            step(
                start,
                &format!("round {round} of {ROUNDS}, pycow-sample = {period}"),
            );
            let side = if period == 0 { &mut off } else { &mut on };
            side.push(look(&host, period));
        }
    }
    let mut table = Table::new(&["", "pycow-sample = 0", "pycow-sample = 1"]);
    type Of = fn(&Seen) -> f64;
    let rows: [(&str, usize, Of); 4] = [
        ("CPU of the master, % of a core", 3, |seen| seen.master),
        ("CPU of one read of a worker, milliseconds", 1, |seen| {
            seen.sample.as_secs_f64() * 1e3
        }),
        ("p50 of requests, microseconds", 0, |seen| {
            seen.p50.as_secs_f64() * 1e6
        }),
        ("p99 of requests, microseconds", 0, |seen| {
            seen.p99.as_secs_f64() * 1e6
        }),
    ];
    for (name, digits, of) in rows {
        let show = |runs: &[Seen]| Runs::new(runs.iter().map(of).collect()).show(digits);
        table.row(&[name.to_owned(), show(&off), show(&on)]);
    }
    table.print();
}

/// Watches an instance that is idle, then one that serves.
fn look(host: &Host, period: u32) -> Seen {
    let uwsgi = instance(host, period);
    if period > 0 {
        let size = megabytes(proc::rollup(uwsgi.workers()[0]).rss);
        println!("          {WORKERS} workers of {size} MB");
        thread::sleep(Duration::from_secs(SETTLED));
    }
    let before = proc::scheduled_seconds(uwsgi.pid());
    thread::sleep(Duration::from_secs(WATCHED));
    let spent = proc::scheduled_seconds(uwsgi.pid()) - before;
    let sample = read(uwsgi.workers()[0]);
    let report = load::run(uwsgi.port(), |_| "/".into(), REQUESTS, 2);
    assert_eq!(report.errors, 0);
    Seen {
        master: spent / WATCHED as f64 * 100.0,
        sample,
        p50: report.p50(),
        p99: report.p99(),
    }
}

/// What a sample of that process costs whoever reads it.
fn read(pid: i32) -> Duration {
    let own = std::process::id() as i32;
    let before = proc::scheduled_seconds(own);
    for _ in 0..READS {
        proc::rollup(pid);
    }
    Duration::from_secs_f64(proc::scheduled_seconds(own) - before) / READS
}

fn instance(host: &Host, period: u32) -> Instance {
    Uwsgi::on(host)
        .app(APP)
        .with_pycow()
        .flag("disable-logging")
        .set("processes", WORKERS)
        .set("pycow-sample", period)
        .start()
}
