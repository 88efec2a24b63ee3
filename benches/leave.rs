//! How long four workers take to leave, and what that costs the machine: stock beside pycow.
//!
//! The workers hold 1,000,000 preloaded objects. All get SIGTERM at once; the time runs until the
//! last of them is gone. Meanwhile a thread watches how far the available memory falls.

mod common;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Instant,
};

use common::{
    say_where, step,
    table::Table,
    workload::{self, Method, Size},
    Runs,
};
use pycow_testkit::signal::SIGTERM;
use pycow_testkit::{default_host, proc, Host};

const ROUNDS: usize = 5;
const SIZE: Size = Size {
    workers: 4,
    objects: 1_000_000,
    requests: 0,
    part: 1,
};

fn main() {
    let start = Instant::now();
    let host = default_host();
    say_where(&host);
    let methods = [workload::STOCK, workload::FREEZE];
    let mut seconds = [Vec::new(), Vec::new()];
    let mut dips = [Vec::new(), Vec::new()];
    for round in 1..=ROUNDS {
        for (i, method) in methods.iter().enumerate() {
            step(
                start,
                &format!("round {round} of {ROUNDS}: {}", method.name),
            );
            let (time, dip) = leave(&host, *method);
            seconds[i].push(time);
            dips[i].push(dip as f64 / 1_048_576.0);
        }
    }
    let mut table = Table::new(&[
        "4 workers, 1,000,000 objects",
        "seconds until gone",
        "dip of available memory, MB",
    ]);
    for (i, method) in methods.iter().enumerate() {
        let row = [
            Runs::new(seconds[i].clone()).show(3),
            Runs::new(dips[i].clone()).show(0),
        ];
        table.row(&[method.name, &row[0], &row[1]]);
    }
    table.print();
    let [stock, pycow] = seconds.map(|runs| Runs::new(runs).median());
    println!(
        "pycow is {:.0} times faster (goal: 20 times, and under 0.25 s)",
        stock / pycow
    );
}

/// Seconds until all workers are gone, and bytes by which the available memory fell meanwhile.
fn leave(host: &Host, method: Method) -> (f64, u64) {
    let uwsgi = workload::start(host, method, SIZE);
    let workers = uwsgi.workers();
    let (done, lowest) = (AtomicBool::new(false), AtomicU64::new(u64::MAX));
    let before = proc::mem_available();
    let seconds = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                lowest.fetch_min(proc::mem_available(), Ordering::Relaxed);
                thread::yield_now();
            }
        });
        let start = Instant::now();
        workers.iter().for_each(|pid| uwsgi.kill(*pid, SIGTERM));
        workers.iter().for_each(|pid| uwsgi.await_gone(*pid));
        let seconds = start.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        seconds
    });
    (seconds, before.saturating_sub(lowest.into_inner()))
}
