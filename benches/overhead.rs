//! What pycow adds to a request and to uWSGI's start.

mod common;

use std::time::Instant;

use common::{say_where, step, table::Table, Runs};
use pycow_testkit::{default_host, load, proc, Host, Uwsgi, HELLO};

const ROUNDS: usize = 7;
const REQUESTS: usize = 20_000;
const STARTS: usize = 21;

fn main() {
    let start = Instant::now();
    let host = default_host();
    say_where(&host);

    let (mut stock, mut pycow) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        step(
            start,
            &format!("CPU of {REQUESTS} requests, round {round} of {ROUNDS}"),
        );
        stock.push(cpu_per_request(&host, false));
        pycow.push(cpu_per_request(&host, true));
    }
    let mut table = Table::new(&["", "stock", "pycow", "difference of medians"]);
    let difference =
        |a: &[f64], b: &[f64]| Runs::new(b.to_vec()).median() - Runs::new(a.to_vec()).median();
    table.row(&[
        "CPU of a request, microseconds".to_owned(),
        Runs::new(stock.clone()).show(1),
        Runs::new(pycow.clone()).show(1),
        format!("{:+.2}", difference(&stock, &pycow)),
    ]);

    let (mut stock, mut pycow) = (Vec::new(), Vec::new());
    step(start, &format!("{STARTS} starts of each"));
    for _ in 0..STARTS {
        stock.push(start_up(&host, false));
        pycow.push(start_up(&host, true));
    }
    table.row(&[
        "start (pycow-gc = keep), milliseconds".to_owned(),
        Runs::new(stock.clone()).show(1),
        Runs::new(pycow.clone()).show(1),
        format!("{:+.2} (goal: under 20)", difference(&stock, &pycow)),
    ]);
    table.print();
}

fn uwsgi(host: &Host, pycow: bool) -> Uwsgi {
    let uwsgi = Uwsgi::on(host).app(HELLO).flag("disable-logging");
    if pycow {
        uwsgi.with_pycow()
    } else {
        uwsgi
    }
}

/// Microseconds of the worker's CPU.
fn cpu_per_request(host: &Host, pycow: bool) -> f64 {
    let uwsgi = uwsgi(host, pycow).start();
    let worker = uwsgi.workers()[0];
    let before = proc::cpu_seconds(worker);
    let report = load::run(uwsgi.port(), |_| "/".into(), REQUESTS, 1);
    assert_eq!(report.errors, 0);
    (proc::cpu_seconds(worker) - before) * 1e6 / REQUESTS as f64
}

/// Milliseconds until the worker accepts.
fn start_up(host: &Host, pycow: bool) -> f64 {
    let uwsgi = uwsgi(host, pycow);
    let uwsgi = if pycow {
        uwsgi.set("pycow-gc", "keep")
    } else {
        uwsgi
    };
    let start = Instant::now();
    let _running = uwsgi.start();
    start.elapsed().as_secs_f64() * 1000.0
}
