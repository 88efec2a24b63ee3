//! How a uWSGI ends, or one of its processes.

use std::{
    path::Path,
    process::ExitStatus,
    thread,
    time::{Duration, Instant},
};

use super::{Instance, START_LIMIT};
use crate::{
    log::InVain,
    proc, process,
    signal::{SIGCONT, SIGSTOP, SIGTERM},
    until::until,
};

const END_LIMIT: Duration = Duration::from_secs(120);
/// For those whose master has ended already.
const STRAGGLER_LIMIT: Duration = Duration::from_secs(20);

/// A uWSGI that has ended. Dropped by a panic, it prints its ini and its log.
#[derive(Debug)]
pub struct Finished {
    /// How the master, or the only process, ended.
    pub status: ExitStatus,
    /// All that was written.
    pub log: String,
    ini: String,
}

impl Instance {
    /// Whether uWSGI and all its children have ended within `limit`.
    pub fn ends_within(&self, limit: Duration) -> bool {
        let begin = Instant::now();
        process::ended_within(self.pid(), limit)
            && matches!(
                self.log
                    .wait(limit.saturating_sub(begin.elapsed()), |_| None::<()>),
                Err(InVain::Ended)
            )
    }

    /// Waits until that process has ended.
    ///
    /// # Panics
    /// If that takes more than two minutes.
    pub fn await_gone(&self, pid: i32) {
        assert!(
            process::ended_within(pid, END_LIMIT),
            "process {pid} still there after {END_LIMIT:?}"
        );
    }

    /// Waits until its parent knows that this process has ended, too.
    ///
    /// # Panics
    /// If that takes more than a minute.
    pub fn await_reaped(&self, pid: i32) {
        self.await_gone(pid);
        let folder = Path::new("/proc").join(pid.to_string());
        until("parent that waits for it", || {
            (!folder.exists()).then_some(())
        });
    }

    /// How a worker ended after `leave`, as wait(2) tells it. Only its master learns that: it is held
    /// until the status was read from the zombie.
    pub fn wait_status(&self, worker: i32, leave: impl FnOnce()) -> i32 {
        self.signal(SIGSTOP);
        leave();
        self.await_gone(worker);
        let status = proc::wait_status(worker);
        self.signal(SIGCONT);
        status
    }

    /// Ends uWSGI with SIGTERM and waits for it.
    ///
    /// # Panics
    /// If that takes more than two minutes.
    pub fn stop(self) -> Finished {
        self.settle();
        self.signal(SIGTERM);
        self.wait_for_end(END_LIMIT)
    }

    /// Waits for a uWSGI that ends by itself, or was told to.
    ///
    /// # Panics
    /// If that takes more than a minute.
    pub fn finish(self) -> Finished {
        self.wait_for_end(START_LIMIT)
    }

    fn wait_for_end(mut self, limit: Duration) -> Finished {
        assert!(
            process::ended_within(self.pid(), limit),
            "uWSGI still there after {limit:?}"
        );
        // Its children may have something left to say.
        let _ = self.log.wait(STRAGGLER_LIMIT, |_| None::<()>);
        Finished {
            status: self.kill_all(),
            log: self.log(),
            ini: self.ini.clone(),
        }
    }

    /// Kills whoever is left. The leader is reaped last: until then its pid,
    /// and so the group's number, cannot be given to somebody else.
    fn kill_all(&mut self) -> ExitStatus {
        // A master that another forked (`f` on its FIFO) leads a group of its own; other children lead none.
        proc::children(self.pid())
            .into_iter()
            .for_each(process::kill_group);
        process::kill_group(self.pid());
        self.over = true;
        self.watchdog.shell.wait().expect("the watchdog is ours");
        self.child.wait().expect("uWSGI is our child")
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.kill_all();
        print_if_panicking(&self.ini, &self.log());
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        print_if_panicking(&self.ini, &self.log);
    }
}

fn print_if_panicking(ini: &str, log: &str) {
    if thread::panicking() {
        eprintln!("--- uwsgi.ini\n{ini}--- log\n{log}---");
    }
}
