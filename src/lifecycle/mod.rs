//! The story: what pycow does in each moment that uWSGI gives it. The only place that knows the order.
//!
//! [`start`]: loaded, configured, Python up, applications loading. [`fork`]: before it, in the child,
//! ready, request done. [`exit`]: leaving. [`sample`]: what each process tells of its memory.
//! [`publish`]: where that can be read.

use std::{
    fmt,
    sync::{
        atomic::{AtomicBool, AtomicU64},
        OnceLock,
    },
};

use crate::{
    config::{Config, Thresholds},
    linux::smaps::Usage,
    python::{interpreter::Python, reference::PyErr},
    role::Role,
    uwsgi::host::Host,
};

pub mod exit;
pub mod fork;
pub mod publish;
pub mod sample;
pub mod start;

/// Everything that is known once the configuration is complete. Without it every moment passes by.
static RUNNING: OnceLock<Running> = OnceLock::new();
/// What this process is, once it was forked (or is about to serve, without a master).
static ME: OnceLock<Me> = OnceLock::new();

/// A plugin may take the worker for itself (`pyshell`, `pyrun`).
static HIJACKABLE: AtomicBool = AtomicBool::new(false);
/// A library was loaded after the fork.
static LATE_LIBRARY: AtomicBool = AtomicBool::new(false);
/// Requests that this process has served.
static REQUESTS: AtomicU64 = AtomicU64::new(0);
/// Objects that left the collector's sight.
static FROZEN: AtomicU64 = AtomicU64::new(0);
/// Objects made immortal.
static IMMORTAL: AtomicU64 = AtomicU64::new(0);

struct Running {
    host: &'static Host,
    config: Config,
    python: Python,
    /// CPython's own thresholds, as they were before pycow set any.
    defaults: OnceLock<Thresholds>,
}

struct Me {
    role: Role,
    pid: libc::pid_t,
    /// Memory right after the fork, where it could be measured.
    start: Option<Usage>,
}

/// What went wrong is worth a line, and stops nothing.
fn say_of<T>(what: impl fmt::Display, outcome: Result<T, PyErr>) {
    if let Err(raised) = outcome {
        log::error!("{what}: {raised}");
    }
}
