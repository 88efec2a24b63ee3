//! One run: start, load, [`restart`], and what was seen meanwhile.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use pycow_testkit::{proc, Host, Instance, Uwsgi};
use serde::{Deserialize, Serialize};

use crate::{
    load::{Served, Wrk},
    method::Method,
    notes,
    workload::Workload,
};

pub mod restart;
mod watched;

pub use watched::start_watched;

/// For an application that loads a large heap.
const START_LIMIT: Duration = Duration::from_secs(300);
const MERGE_LIMIT: Duration = Duration::from_secs(90);

/// After which parts of the requests the memory is read.
const STEPS: [f64; 9] = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0];

/// The memory of the workers after so many requests. Bytes, the mean over the workers.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Point {
    /// Requests, all workers together.
    pub requests: u64,
    /// Shared with other processes.
    pub shared: f64,
    /// Their own.
    pub private: f64,
}

/// What the load did to the workers.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Load {
    /// From the fork on.
    pub curve: Vec<Point>,
    /// Bytes, master and workers.
    pub total_pss: u64,
    /// Of all workers, during the load.
    pub minor_faults: u64,
    /// Answers a second.
    pub requests_per_second: f64,
    /// Milliseconds.
    pub p50: f64,
    /// Milliseconds.
    pub p99: f64,
    /// Milliseconds of the workers' processors.
    pub cpu_per_request: f64,
    /// Garbage collections of all workers during the load.
    pub collections: i64,
    /// Milliseconds in them.
    pub collecting: f64,
    /// Requests that failed.
    pub errors: u64,
}

/// A uWSGI that serves a workload.
pub struct Running<'a> {
    uwsgi: Instance,
    workers: Vec<i32>,
    wrk: Wrk,
    method: Method,
    workload: &'a Workload,
}

/// Starts so many workers.
///
/// # Errors
/// If they do not come up: the log's last lines.
pub fn start<'a>(
    workload: &'a Workload,
    host: &Host,
    method: Method,
    workers: usize,
) -> Result<Running<'a>, String> {
    let uwsgi = workload.uwsgi(host, method, workers);
    launch(uwsgi, workload, method, workers)
}

fn launch(
    uwsgi: Uwsgi,
    workload: &Workload,
    method: Method,
    workers: usize,
) -> Result<Running<'_>, String> {
    let uwsgi = uwsgi.launch();
    let wrk = Wrk::beside(uwsgi.pid(), uwsgi.dir(), &workload.urls)?;
    uwsgi
        .ready(workers, START_LIMIT)
        .map_err(|error| format!("{error}; {}", end_of(&uwsgi.log())))?;
    Ok(Running {
        workers: uwsgi.workers(),
        uwsgi,
        wrk,
        method,
        workload,
    })
}

impl Running<'_> {
    /// The status that each path is answered with, for so many of them.
    ///
    /// # Errors
    /// If one is not answered at all: the log's last lines.
    pub fn statuses(&self, paths: usize) -> Result<Vec<(&str, u16)>, String> {
        let some = self.workload.urls.iter().take(paths);
        some.map(|path| {
            let answer = self.uwsgi.try_get(path);
            let answer =
                answer.map_err(|error| format!("{path}: {error}; {}", self.end_of_log()))?;
            Ok((path.as_str(), answer.status))
        })
        .collect()
    }

    /// Serves so many requests.
    ///
    /// # Errors
    /// If they are not answered, or a worker is gone.
    pub fn serve(&self, requests: usize) -> Result<Load, String> {
        let notes_before = notes::collections(self.uwsgi.dir());
        let (faults, cpu) = (self.sum(proc::minor_faults), self.sum(proc::cpu_seconds));
        let mut curve = vec![self.point(0)];
        let mut served = Served::default();
        let mut sent = 0;
        for step in STEPS {
            let until = (requests as f64 * step).round() as usize;
            if until == sent {
                continue;
            }
            let clients = self.workers.len();
            served.add(
                &self
                    .wrk
                    .run(self.uwsgi.port(), sent, until - sent, clients)?,
            );
            sent = until;
            self.check()?;
            curve.push(self.point(sent as u64));
        }
        let (faults, cpu) = (
            self.sum(proc::minor_faults) - faults,
            self.sum(proc::cpu_seconds) - cpu,
        );
        let noted = notes::collections(self.uwsgi.dir());
        if self.method.merges() {
            await_merged();
            curve.push(self.point(sent as u64));
        }
        let pids = self.workers.iter().copied();
        let everyone = pids.chain([self.uwsgi.pid()]);
        Ok(Load {
            curve,
            total_pss: everyone.map(|pid| proc::rollup(pid).pss).sum(),
            minor_faults: faults,
            requests_per_second: served.rate(),
            p50: served.percentile(50),
            p99: served.percentile(99),
            cpu_per_request: cpu * 1000.0 / sent.max(1) as f64,
            collections: noted.number - notes_before.number,
            collecting: (noted.nanoseconds - notes_before.nanoseconds) as f64 / 1e6,
            errors: served.errors,
        })
    }

    /// How uWSGI's log ends, for an error.
    pub fn end_of_log(&self) -> String {
        end_of(&self.uwsgi.log())
    }

    /// All workers of the start are still there.
    fn check(&self) -> Result<(), String> {
        if self.workers.iter().all(|&pid| proc::alive(pid)) {
            return Ok(());
        }
        let log = self.end_of_log();
        Err(format!("a worker ended during the load; {log}"))
    }

    fn point(&self, requests: u64) -> Point {
        let rollups: Vec<proc::Rollup> =
            self.workers.iter().map(|&pid| proc::rollup(pid)).collect();
        let mean = |of: fn(&proc::Rollup) -> u64| {
            rollups.iter().map(of).sum::<u64>() as f64 / rollups.len() as f64
        };
        Point {
            requests,
            shared: mean(proc::Rollup::shared),
            private: mean(proc::Rollup::private),
        }
    }

    fn sum<T: std::iter::Sum>(&self, of: fn(i32) -> T) -> T {
        self.workers.iter().map(|&pid| of(pid)).sum()
    }
}

/// Waits until ksmd has looked at every page twice: once to know it, once to merge it.
fn await_merged() {
    let scans = || -> u64 {
        let text = fs::read_to_string("/sys/kernel/mm/ksm/full_scans");
        text.ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(u64::MAX)
    };
    let (start, wanted) = (Instant::now(), scans().saturating_add(3));
    while scans() < wanted && start.elapsed() < MERGE_LIMIT {
        // The kernel tells nobody.
        thread::sleep(Duration::from_millis(50));
    }
}

/// The last lines of a log, for an error.
fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let last = lines[lines.len().saturating_sub(12)..].iter();
    let last: String = last.map(|line| format!("\n    {line}")).collect();
    format!("uWSGI's log ends:{last}")
}
