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
/// For every worker to have had a request, where one that has threads may take all.
const TURNS_LIMIT: Duration = Duration::from_secs(20);

/// What a restart of the whole instance did. Seconds from SIGHUP on.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Restart {
    /// Until the last of the old workers was gone.
    pub leaving: f64,
    /// Bytes by which the available memory fell until then.
    pub dip: u64,
    /// Until the first answer of the new instance.
    pub first_answer: f64,
    /// Until the first of the new workers accepts requests.
    #[serde(default)]
    pub ready: f64,
    /// Of that, what the requests before the fork took.
    #[serde(default)]
    pub warming: f64,
    /// Milliseconds that the first request of each new worker took, when as many came at once as there
    /// are workers.
    #[serde(default)]
    pub first_requests: Vec<f64>,
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
        let log = self.uwsgi.log().len();
        let left = self.leave()?;
        // Nobody writes there until the new instance has loaded the application.
        notes::forget(self.uwsgi.dir())?;
        let elapsed = || left.start.elapsed().as_secs_f64();
        let one_more = self.workers.len() + 1;
        let (ready, first_answer) = thread::scope(|scope| {
            let ready = scope.spawn(|| {
                let accepts = self.uwsgi.accepts_within(one_more, START_LIMIT);
                accepts.then(elapsed)
            });
            let path = &self.workload.urls[0];
            while let Err(error) = self.uwsgi.try_get(path) {
                if left.start.elapsed() > START_LIMIT {
                    return Err(format!("no answer after the restart: {error}"));
                }
            }
            let first_answer = elapsed();
            let ready = ready.join().ok().flatten();
            let ready = ready.ok_or("no worker accepts after the restart")?;
            Ok((ready, first_answer))
        })?;
        let first_requests = self.first_requests()?;
        Ok(Restart {
            leaving: left.seconds,
            dip: left.dip,
            first_answer,
            ready,
            warming: warming(&self.uwsgi.log()[log..]),
            first_requests,
            hooks_ran: notes::hooks_ran(self.uwsgi.dir(), &self.workers),
            hooks_due: notes::HOOKS_PER_WORKER * self.workers.len(),
        })
    }

    /// Has every new worker serve at least one request, and tells what the first took.
    ///
    /// # Errors
    /// If none is answered.
    fn first_requests(&self) -> Result<Vec<f64>, String> {
        let mut paths = self.workload.urls.iter().cycle().skip(1);
        let start = Instant::now();
        // Who answers is not for a client to choose: after a while each has had its turn.
        while notes::first_requests(self.uwsgi.dir()).len() < self.workers.len()
            && start.elapsed() < TURNS_LIMIT
        {
            let some: Vec<&String> = paths.by_ref().take(self.workers.len()).collect();
            thread::scope(|scope| {
                for path in some {
                    // Whoever is not answered is told apart by what is missing in the notes.
                    scope.spawn(|| self.uwsgi.try_get(path));
                }
            });
        }
        let noted = notes::first_requests(self.uwsgi.dir());
        match noted.is_empty() {
            true => Err("no new worker has served a request".into()),
            false => Ok(noted),
        }
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

/// The seconds that the warm-up took, as the log has it; with `lazy-apps` those of the slowest worker.
fn warming(log: &str) -> f64 {
    log.lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once("warmup: served ")?;
            let (_, seconds) = rest.split_once(" in ")?;
            seconds.split(' ').next()?.parse().ok()
        })
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::warming;

    #[test]
    fn the_time_of_the_warm_up_is_read_from_the_log() {
        let log = "[pycow] pycow-warmup: served 2 targets in 0.623 s: 4 of 200\n\
                   spawned uWSGI worker 1 (pid: 5247, cores: 1)\n";
        assert_eq!(warming(log), 0.623);
        assert_eq!(
            warming("warmup: served 1 target of the mount /shop in 0.5 s: 2 of 200\n"),
            0.5
        );
        assert_eq!(
            warming("spawned uWSGI worker 1 (pid: 5247, cores: 1)\n"),
            0.0
        );
    }
}
