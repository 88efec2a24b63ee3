//! A run in which pycow is asked why memory is private.

use std::time::Instant;

use pycow_testkit::Host;

use super::{launch, Running};
use crate::{method::Method, workload::Workload};

/// The query by which the wrapper knows the question; an application has none of that name.
const QUESTION: &str = "pycow.why";

/// Starts so many workers that answer the question.
///
/// # Errors
/// If they do not come up: the log's last lines.
pub fn start_watched<'a>(
    workload: &'a Workload,
    host: &Host,
    method: Method,
    workers: usize,
) -> Result<Running<'a>, String> {
    let uwsgi = method.watched(workload.uwsgi(host, method, workers));
    launch(uwsgi, workload, method, workers)
}

impl Running<'_> {
    /// Serves so many requests, and measures nothing.
    ///
    /// # Errors
    /// If they are not answered, or a worker is gone.
    pub fn warm_up(&self, requests: usize) -> Result<(), String> {
        let clients = self.workers.len();
        self.wrk.run(self.uwsgi.port(), 0, requests, clients)?;
        self.check()
    }

    /// What the worker that answers says of its memory, and how many milliseconds that took.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn why(&self) -> Result<(String, f64), String> {
        let path = self.workload.urls[0].split('?').next().unwrap_or_default();
        let start = Instant::now();
        let answer = self.uwsgi.try_get(&format!("{path}?{QUESTION}"))?;
        Ok((answer.body, start.elapsed().as_secs_f64() * 1000.0))
    }
}
