//! What the benchmarks share: the machine's name, medians, a table.

// Every benchmark is a crate of its own and uses a part of this.
#![allow(dead_code, reason = "each benchmark uses a part")]

pub mod table;

use std::{env, fs, thread, time::Instant};

use pycow_testkit::{hosts, Host};

/// Says where the figures come from: uWSGI, CPython, cores, kernel.
pub fn say_where(host: &Host) {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = thread::available_parallelism().map_or(0, usize::from);
    println!("{}, {cores} cores, Linux {}", host.name, kernel.trim());
}

/// The newest host of each CPython in `PYTHONS=3.12,3.14`, or of those in `versions`.
pub fn pythons(versions: &str) -> Vec<Host> {
    let wanted = env::var("PYTHONS").unwrap_or_else(|_| versions.into());
    let host = |text: &str| {
        let (major, minor) = text.trim().split_once('.')?;
        let version = (major.parse().ok()?, minor.parse().ok()?);
        hosts()
            .into_iter()
            .rev()
            .find(|host| host.python == version)
    };
    let found = wanted.split(',').map(|text| (text, host(text)));
    found
        .filter_map(|(text, host)| {
            if host.is_none() {
                println!("skipped: no CPython {text} here");
            }
            host
        })
        .collect()
}

/// Says what is going on, with the seconds since `start`.
pub fn step(start: Instant, what: &str) {
    println!("{:6.1} s  {what}", start.elapsed().as_secs_f64());
}

/// Several measurements of one thing.
#[derive(Clone, Debug)]
pub struct Runs(Vec<f64>);

impl Runs {
    /// At least one.
    pub fn new(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty());
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The middle one.
    pub fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// `median (min .. max)` with so many digits.
    pub fn show(&self, digits: usize) -> String {
        let (min, max) = (self.0[0], self.0[self.0.len() - 1]);
        format!(
            "{:.digits$} ({min:.digits$} .. {max:.digits$})",
            self.median()
        )
    }
}

/// Bytes as megabytes, with one digit.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1_048_576.0)
}
