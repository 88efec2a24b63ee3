//! What sampling costs: the CPU of the sampler's thread in a worker of 1 GB, and the latency of
//! requests with it on and off.

mod common;

use std::{
    fs,
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
/// Seconds over which the thread is watched.
const WATCHED: u64 = 30;
const ROUNDS: usize = 7;
const REQUESTS: usize = 20_000;

fn main() {
    let start = Instant::now();
    let host = default_host();
    say_where(&host);

    step(
        start,
        &format!("the thread's CPU over {WATCHED} s, pycow-sample = 1"),
    );
    let uwsgi = worker(&host, 1);
    let pid = uwsgi.workers()[0];
    let thread = sampler(pid);
    let before = cpu_of_thread(pid, thread);
    std::thread::sleep(Duration::from_secs(WATCHED));
    let spent = cpu_of_thread(pid, thread) - before;
    println!(
        "          {:.3}% of a core (goal: under 0.5%) in a worker of {} MB",
        spent / WATCHED as f64 * 100.0,
        megabytes(proc::rollup(pid).rss),
    );
    drop(uwsgi);

    let (mut off, mut on) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        step(
            start,
            &format!("latency of {REQUESTS} requests, round {round} of {ROUNDS}"),
        );
        // In turns, so that a slow moment of the machine hits both.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for period in order {
            let report = load::run(worker(&host, period).port(), |_| "/".into(), REQUESTS, 2);
            assert_eq!(report.errors, 0);
            let side = if period == 0 { &mut off } else { &mut on };
            side.push((report.p50(), report.p99()));
        }
    }
    let mut table = Table::new(&[
        "latency, microseconds",
        "pycow-sample = 0",
        "pycow-sample = 1",
    ]);
    type Of = fn(&(Duration, Duration)) -> Duration;
    let rows: [(&str, Of); 2] = [("p50", |run| run.0), ("p99", |run| run.1)];
    for (name, of) in rows {
        let show = |runs: &[_]| {
            Runs::new(runs.iter().map(|run| of(run).as_secs_f64() * 1e6).collect()).show(0)
        };
        table.row(&[name.to_owned(), show(&off), show(&on)]);
    }
    table.print();
}

fn worker(host: &Host, period: u32) -> Instance {
    Uwsgi::on(host)
        .app(APP)
        .with_pycow()
        .flag("disable-logging")
        .set("pycow-sample", period)
        .start()
}

/// The sampler of a worker, by its name.
fn sampler(pid: i32) -> i32 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("/proc is mounted");
    tasks
        .flatten()
        .filter_map(|task| task.file_name().to_str()?.parse().ok())
        .find(|task| {
            let name = fs::read_to_string(format!("/proc/{pid}/task/{task}/comm"));
            name.is_ok_and(|name| name.trim() == "pycow-sampler")
        })
        .expect("the worker has a sampler")
}

/// Seconds, to the nanosecond: the scheduler's own count (proc(5), schedstat).
fn cpu_of_thread(pid: i32, thread: i32) -> f64 {
    let path = format!("/proc/{pid}/task/{thread}/schedstat");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let nanoseconds = text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    nanoseconds.expect("a number") / 1e9
}
