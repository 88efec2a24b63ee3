//! The end of a run: its workers leave, and a new instance takes over.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use pycow_testkit::{proc, signal::SIGHUP};
use serde::{Deserialize, Serialize};

use super::{Running, START_LIMIT};
use crate::notes;

/// For workers that leave by `Py_Finalize`.
const LEAVE_LIMIT: Duration = Duration::from_secs(120);

/// What a restart of the whole instance did. Seconds from SIGHUP on.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Restart {
    /// Until the last of the old workers was gone.
    pub leaving: f64,
    /// Bytes by which the available memory fell until then.
    pub dip: u64,
    /// Until the first answer of the new instance.
    pub first_answer: f64,
    /// Exit hooks that ran.
    pub hooks_ran: usize,
    /// Exit hooks that were registered.
    pub hooks_due: usize,
}

/// How the workers left.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// When they were told to.
    start: Instant,
    /// From then until the last was gone.
    pub seconds: f64,
    /// Bytes by which the available memory fell meanwhile.
    pub dip: u64,
}

impl Running<'_> {
    /// Restarts the instance as `kill -HUP` does.
    ///
    /// # Errors
    /// If it does not come back.
    pub fn restart(self) -> Result<Restart, String> {
        let left = self.leave()?;
        let path = &self.workload.urls[0];
        while let Err(error) = self.uwsgi.try_get(path) {
            if left.start.elapsed() > START_LIMIT {
                return Err(format!("no answer after the restart: {error}"));
            }
        }
        Ok(Restart {
            leaving: left.seconds,
            dip: left.dip,
            first_answer: left.start.elapsed().as_secs_f64(),
            hooks_ran: notes::hooks_ran(self.uwsgi.dir(), &self.workers),
            hooks_due: notes::HOOKS_PER_WORKER * self.workers.len(),
        })
    }

    /// Has the workers leave by SIGHUP to the master.
    ///
    /// # Errors
    /// If they stay.
    pub fn leave(&self) -> Result<Left, String> {
        // uWSGI runs no hooks in a worker that is told to leave while it waits for a request on a connection
        // that the load has just given up.
        self.workers.iter().for_each(|&pid| proc::await_idle(pid));
        let before = proc::mem_available();
        let (lowest, gone) = (AtomicU64::new(before), AtomicBool::new(false));
        let start = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                while !gone.load(Ordering::Relaxed) {
                    lowest.fetch_min(proc::mem_available(), Ordering::Relaxed);
                    // The kernel tells nobody; the workers need the processors.
                    thread::sleep(Duration::from_millis(2));
                }
            });
            self.uwsgi.signal(SIGHUP);
            let mut all = self.workers.iter();
            let left = all.all(|&pid| proc::gone_within(pid, LEAVE_LIMIT));
            gone.store(true, Ordering::Relaxed);
            let seconds = start.elapsed().as_secs_f64();
            let dip = before - lowest.load(Ordering::Relaxed);
            left.then_some(Left {
                start,
                seconds,
                dip,
            })
        })
        .ok_or_else(|| format!("the workers do not leave within {LEAVE_LIMIT:?}"))
    }
}
