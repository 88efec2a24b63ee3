//! The methods side by side on one workload: what every worker still shares after the load.
//!
//! Two variants: requests over the whole heap, and over a hot tenth of it.

mod common;

use std::time::Instant;

use common::{
    megabytes, pythons, say_where, step,
    table::Table,
    workload::{self, Measured, Method, Size},
};

const SIZE: Size = Size {
    workers: 4,
    objects: 250_000,
    requests: 8_000,
    part: 1,
};

/// Enough for a full collection to fall due in every worker, at CPython's own thresholds.
const HOT_REQUESTS: usize = 24_000;

fn main() {
    let start = Instant::now();
    for host in pythons("3.11,3.12,3.13,3.14") {
        say_where(&host);
        for (part, requests) in [(1, 8_000), (10, HOT_REQUESTS)] {
            let size = Size {
                part,
                requests,
                ..SIZE
            };
            let runs: Vec<(Method, Measured)> = methods(host.python)
                .into_iter()
                .map(|method| {
                    step(start, method.name);
                    (method, workload::measure(&host, method, size))
                })
                .collect();
            print(&runs, size);
        }
    }
}

fn methods(python: (u8, u8)) -> Vec<Method> {
    let mut methods = vec![workload::STOCK, workload::BOOTSTRAP, workload::RECIPE];
    methods.extend([workload::OFF, workload::FREEZE]);
    if python >= (3, 12) {
        methods.push(workload::IMMORTAL);
    }
    if python == (3, 14) && workload::has_cinderx() {
        methods.push(workload::CINDERX);
    }
    methods
}

fn print(runs: &[(Method, Measured)], size: Size) {
    println!(
        "\n{} workers, {} objects, {} requests over {} of the heap",
        size.workers,
        size.objects,
        size.requests,
        if size.part == 1 { "all" } else { "a hot tenth" }
    );
    let stock = runs[0].1;
    let mut table = Table::new(&[
        "method",
        "shared/worker MB",
        "kept",
        "private MB",
        "of stock",
        "total PSS MB",
        "of stock",
        "minor faults",
        "of stock",
        "requests/s",
        "CPU/request ms",
        "of stock",
    ]);
    for (method, run) in runs {
        let ratio = |mine: f64, stocks: f64| format!("{:.3}", mine / stocks);
        table.row(&[
            method.name.to_owned(),
            format!(
                "{} -> {}",
                megabytes(run.shared_start),
                megabytes(run.shared_end)
            ),
            format!(
                "{:.1}%",
                run.shared_end as f64 * 100.0 / run.shared_start as f64
            ),
            megabytes(run.private),
            ratio(run.private as f64, stock.private as f64),
            megabytes(run.total_pss),
            ratio(run.total_pss as f64, stock.total_pss as f64),
            run.minor_faults.to_string(),
            ratio(run.minor_faults as f64, stock.minor_faults as f64),
            format!("{:.0}", run.requests_per_second),
            format!("{:.3}", run.cpu_per_request * 1000.0),
            ratio(run.cpu_per_request, stock.cpu_per_request),
        ]);
    }
    table.print();
}
