//! `make demo`: a Django application under uWSGI, with and without pycow, and what that saves.
//!
//! The application is in `tools/compare/bundled/`. Both runs get the same ini and the same requests.

mod common;

use std::{path::Path, time::Instant};

use common::{megabytes, say_where, step, table::Table};
use pycow_testkit::signal::SIGTERM;
use pycow_testkit::{default_host, load, plugin_path, proc, Host, Instance, Uwsgi};

const WORKERS: usize = 4;
const CLIENTS: usize = 4;
const REQUESTS: usize = 14_000;

/// What a run did. Bytes and seconds; memory per worker where not said otherwise.
struct Outcome {
    shared_start: u64,
    shared_end: u64,
    private: u64,
    total_pss: u64,
    minor_faults: u64,
    requests_per_second: f64,
    seconds_to_leave: f64,
    log: String,
}

fn main() {
    let start = Instant::now();
    let host = default_host();
    say_where(&host);
    let stock = run(&host, false, start);
    let pycow = run(&host, true, start);
    step(start, "done");
    compare(&stock, &pycow);

    println!("What pycow wrote to uWSGI's log:\n");
    pycow
        .log
        .lines()
        .filter(|line| line.contains("[pycow]"))
        .for_each(|line| println!("    {line}"));
    println!("\nThe lines to copy into your own uwsgi.ini, after the line that loads Python:\n");
    println!("    plugin = {}", plugin_path().display());
    println!("    ; pycow-gc = immortal      (CPython 3.12 and newer: saves still more)");
}

/// Starts the application, serves the load, lets the workers leave.
fn run(host: &Host, with_pycow: bool, start: Instant) -> Outcome {
    let name = if with_pycow { "pycow" } else { "stock" };
    step(
        start,
        &format!("{name}: loading the application in the master, {WORKERS} workers"),
    );
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/compare/bundled");
    let uwsgi = Uwsgi::on(host)
        .set("pythonpath", home.display())
        .set("module", "shop.wsgi")
        .set("processes", WORKERS)
        .flag("disable-logging");
    let uwsgi = if with_pycow {
        uwsgi.with_pycow()
    } else {
        uwsgi
    };
    let uwsgi = uwsgi.start();
    let workers = uwsgi.workers();
    let shared_start = mean(&workers, proc::Rollup::shared);
    let faults = || {
        workers
            .iter()
            .map(|pid| proc::minor_faults(*pid))
            .sum::<u64>()
    };
    let faults_before = faults();

    step(
        start,
        &format!("{name}: {REQUESTS} requests from {CLIENTS} clients"),
    );
    let report = load::run(uwsgi.port(), page, REQUESTS, CLIENTS);
    assert_eq!(report.errors, 0, "every request is answered");
    let minor_faults = faults() - faults_before;
    let everyone = workers
        .iter()
        .chain([&uwsgi.pid()])
        .copied()
        .collect::<Vec<_>>();
    let (shared_end, private) = (
        mean(&workers, proc::Rollup::shared),
        mean(&workers, proc::Rollup::private),
    );
    let total_pss = everyone.iter().map(|pid| proc::rollup(*pid).pss).sum();

    step(start, &format!("{name}: the workers leave"));
    let seconds_to_leave = leave(&uwsgi, &workers);
    Outcome {
        shared_start,
        shared_end,
        private,
        total_pss,
        minor_faults,
        requests_per_second: report.rate(),
        seconds_to_leave,
        log: uwsgi.log(),
    }
}

/// Most visitors look at a tenth of the products, or browse the first shelves; one in a hundred looks
/// at any product.
fn page(request: usize) -> String {
    const PRODUCTS: usize = 60_000;
    const SHELVES: [&str; 4] = ["books", "garden", "music", "tools"];
    let random = request.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    match request % 100 {
        0 => format!("/product/{}", random % PRODUCTS),
        1..10 => format!("/category/{}/{}", SHELVES[random % 4], random / 4 % 7),
        _ => format!("/product/{}", random % (PRODUCTS / 10)),
    }
}

/// Seconds from the signal to all workers until the last of them is gone.
fn leave(uwsgi: &Instance, workers: &[i32]) -> f64 {
    let start = Instant::now();
    workers.iter().for_each(|pid| uwsgi.kill(*pid, SIGTERM));
    workers.iter().for_each(|pid| uwsgi.await_gone(*pid));
    start.elapsed().as_secs_f64()
}

fn mean(workers: &[i32], of: fn(&proc::Rollup) -> u64) -> u64 {
    workers
        .iter()
        .map(|pid| of(&proc::rollup(*pid)))
        .sum::<u64>()
        / workers.len() as u64
}

fn compare(stock: &Outcome, pycow: &Outcome) {
    let mut table = Table::new(&["", "stock", "pycow", "ratio"]);
    let mut row = |what: &str, of: &dyn Fn(&Outcome) -> f64, digits: usize| {
        let (a, b) = (of(stock), of(pycow));
        table.row(&[
            what.to_owned(),
            format!("{a:.digits$}"),
            format!("{b:.digits$}"),
            format!("{:.2}", b / a),
        ]);
    };
    let mega = |bytes: u64| megabytes(bytes).parse().unwrap_or(0.0);
    row(
        "shared per worker at the start, MB",
        &|run| mega(run.shared_start),
        1,
    );
    row(
        "shared per worker at the end, MB",
        &|run| mega(run.shared_end),
        1,
    );
    row(
        "  of what it started with, %",
        &|run| run.shared_end as f64 * 100.0 / run.shared_start as f64,
        1,
    );
    row("private per worker, MB", &|run| mega(run.private), 1);
    row(
        "total PSS, master and workers, MB",
        &|run| mega(run.total_pss),
        1,
    );
    row(
        "minor faults while serving",
        &|run| run.minor_faults as f64,
        0,
    );
    row("requests per second", &|run| run.requests_per_second, 0);
    row(
        "seconds until the workers are gone",
        &|run| run.seconds_to_leave,
        3,
    );
    table.print();
}
