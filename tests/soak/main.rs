//! The measures of promise 1: what must never happen, tried many times.
//!
//! `make test` tries each for some seconds; `make soak` tries as often as it takes to believe it, with
//! stock uWSGI beside it, and prints the figures.

mod forks;
mod heap;
mod load;
mod mules;
mod recycles;
mod stops;

use std::time::Duration;

use pycow_testkit::{proc, Host, Instance, Uwsgi};

/// What ends at all ends within this, on a machine that is busy with other things, too.
const NORMAL: Duration = Duration::from_secs(60);

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Pycow,
    Stock,
}

impl Who {
    fn on(self, host: &Host) -> Uwsgi {
        let uwsgi = Uwsgi::on(host).set("forkbomb-delay", 0);
        match self {
            Self::Pycow => uwsgi.with_pycow(),
            Self::Stock => uwsgi,
        }
    }
}

/// A process was told to leave. One that does not is killed, and counted.
fn has_left(uwsgi: &Instance, pid: i32) -> bool {
    let left = proc::gone_within(pid, NORMAL);
    if !left {
        uwsgi.kill(pid, pycow_testkit::signal::SIGKILL);
        uwsgi.await_gone(pid);
    }
    left
}

/// How many of the lines are of a process that ran its hooks.
fn hooks_of(log: &str, pids: &[i32]) -> usize {
    let ran = |pid: &&i32| log.contains(&format!("hook of {pid}\n"));
    pids.iter().filter(ran).count()
}

/// Numbers that look random and are the same every time (Knuth's MMIX generator).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        const A: u64 = 6_364_136_223_846_793_005;
        const C: u64 = 1_442_695_040_888_963_407;
        self.0 = self.0.wrapping_mul(A).wrapping_add(C);
        (self.0 >> 33) % limit
    }
}
