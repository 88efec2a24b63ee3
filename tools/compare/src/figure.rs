//! The figures of a comparison: their names, units, and where they come from.

use serde::{Deserialize, Serialize};

use crate::run::{restart::Restart, Load};
use About::{Memory, Restarting, Serving};

/// One load and the restart after it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Round {
    /// The load.
    pub load: Load,
    /// The restart.
    pub restart: Restart,
    /// Of the private memory of the worker that was asked, the copied bytes, where pycow can tell them.
    #[serde(default)]
    pub copied: Option<u64>,
    /// What other programs took of all processors meanwhile, from 0 to 1.
    #[serde(default)]
    pub others: f64,
}

/// What a figure is about: each has a table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// What workers still share.
    Memory,
    /// What requests cost.
    Serving,
    /// What a restart costs.
    Restarting,
}

/// One figure.
pub struct Figure {
    /// Its table.
    pub about: About,
    /// Its key in results.json.
    pub key: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The unit in which it is shown.
    pub unit: &'static str,
    /// Digits behind the point.
    pub digits: usize,
    /// Its value in that unit.
    pub of: fn(&Round) -> f64,
}

const MEGABYTE: f64 = 1_048_576.0;

/// Bytes as megabytes.
pub fn megabytes(bytes: f64) -> f64 {
    bytes / MEGABYTE
}

/// All of them, in the order of the report.
pub const ALL: [Figure; 19] = [
    figure(
        Memory,
        "shared_start",
        "shared at start",
        "MB",
        1,
        |round| megabytes(round.load.curve[0].shared),
    ),
    figure(Memory, "shared_end", "shared at end", "MB", 1, |round| {
        megabytes(last(round).shared)
    }),
    figure(Memory, "private", "private at end", "MB", 1, |round| {
        megabytes(last(round).private)
    }),
    figure(Memory, "total_pss", "total PSS", "MB", 0, |round| {
        megabytes(round.load.total_pss as f64)
    }),
    figure(
        Memory,
        "minor_faults",
        "minor faults",
        "pages",
        0,
        |round| round.load.minor_faults as f64,
    ),
    figure(
        Serving,
        "requests_per_second",
        "requests",
        "/s",
        0,
        |round| round.load.requests_per_second,
    ),
    figure(Serving, "p50", "p50", "ms", 2, |round| round.load.p50),
    figure(Serving, "p99", "p99", "ms", 2, |round| round.load.p99),
    figure(
        Serving,
        "cpu_per_request",
        "CPU per request",
        "ms",
        3,
        |round| round.load.cpu_per_request,
    ),
    figure(Serving, "collections", "collections", "", 0, |round| {
        round.load.collections as f64
    }),
    figure(Serving, "collecting", "time in them", "ms", 0, |round| {
        round.load.collecting
    }),
    figure(Serving, "errors", "failed requests", "", 0, |round| {
        round.load.errors as f64
    }),
    figure(Restarting, "leaving", "workers gone", "s", 3, |round| {
        round.restart.leaving
    }),
    figure(Restarting, "dip", "dip of memory", "MB", 0, |round| {
        megabytes(round.restart.dip as f64)
    }),
    figure(Restarting, "restart", "first answer", "s", 2, |round| {
        round.restart.first_answer
    }),
    figure(Restarting, "hooks_ran", "exit hooks ran", "%", 0, |round| {
        round.restart.hooks_ran as f64 * 100.0 / round.restart.hooks_due as f64
    }),
    figure(Restarting, "ready", "ready", "s", 2, |round| {
        round.restart.ready
    }),
    figure(Restarting, "warming", "of that warming", "s", 2, |round| {
        round.restart.warming
    }),
    figure(
        Restarting,
        "first_request",
        "slowest first request",
        "ms",
        1,
        |round| {
            round
                .restart
                .first_requests
                .iter()
                .copied()
                .fold(0.0, f64::max)
        },
    ),
];

const fn figure(
    about: About,
    key: &'static str,
    title: &'static str,
    unit: &'static str,
    digits: usize,
    of: fn(&Round) -> f64,
) -> Figure {
    Figure {
        about,
        key,
        title,
        unit,
        digits,
        of,
    }
}

fn last(round: &Round) -> &crate::run::Point {
    round
        .load
        .curve
        .last()
        .expect("a curve has its first point")
}
