//! What is known: of the instance, once its configuration is complete, and of this process, once it
//! was forked.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        OnceLock,
    },
};

use crate::{
    config::{Config, GcPolicy, Thresholds},
    linux::{process, smaps::Usage},
    python::{interpreter::Python, refcount::RefcountLayout},
    uwsgi::host::Host,
};

/// The instance. Made once, in the process that becomes the master, and inherited by all that it forks.
pub struct Plugin {
    /// The running uWSGI.
    pub host: Host,
    /// Its version, such as `2.0.31`.
    pub uwsgi_version: Cow<'static, str>,
    /// The options in force.
    pub config: Config,
    /// The CPython that uWSGI embeds.
    pub python: Python,
    /// Which of uWSGI's calls of libc come to pycow.
    pub redirected: Redirected,
    /// CPython's own thresholds, as they were before pycow set any.
    pub default_thresholds: OnceLock<Thresholds>,
    /// The configuration has a key after which Python takes workers for itself (`pyshell`, `pyrun`).
    pub may_hijack: AtomicBool,
    /// Objects that left the collector's sight.
    pub frozen: AtomicU64,
    /// Objects made immortal.
    pub immortal: AtomicU64,
}

/// Which of uWSGI's calls of libc come to pycow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redirected {
    /// `exit`: hooks run before everything else.
    pub exit: bool,
    /// `fork`: the interpreter is told.
    pub fork: bool,
    /// `epoll_wait` and `pthread_mutex_lock`: where a process is idle, it can leave.
    pub waits: bool,
}

impl Redirected {
    /// What is not had, for the start line; empty where nothing is missing.
    pub fn missing(self) -> &'static str {
        match (self.exit, self.fork && self.waits) {
            (true, true) => "",
            (true, false) => "; uWSGI's own fork or signals",
            (false, _) => "; hooks run in uWSGI's exit handler",
        }
    }
}

/// What a process is to uWSGI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The master.
    Master,
    /// A worker, by its number from 1.
    Worker(i32),
    /// A mule, by its number from 1.
    Mule(i32),
    /// A spooler, by the number of its slot from 1; 0: it has none.
    Spooler(i32),
}

impl Role {
    /// What it is, in one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Worker(_) => "worker",
            Self::Mule(_) => "mule",
            Self::Spooler(_) => "spooler",
        }
    }

    /// Its number; 0 for the master.
    pub fn number(self) -> i32 {
        match self {
            Self::Master => 0,
            Self::Worker(number) | Self::Mule(number) | Self::Spooler(number) => number,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // uWSGI does not number them.
            Self::Master | Self::Spooler(_) => f.write_str(self.name()),
            _ => write!(f, "{} {}", self.name(), self.number()),
        }
    }
}

/// A process that serves: a worker, a mule or a spooler, forked or, without a master, the only one.
pub struct Process {
    /// What it is.
    pub role: Role,
    /// Its process id.
    pub pid: i32,
    /// It was forked by a master; else it is the only process.
    pub has_master: bool,
    /// When it began, in milliseconds of the clock that all processes share.
    pub born: i64,
    /// Its memory right after the fork, where it could be measured.
    pub birth: Option<Usage>,
    /// Requests that it has served.
    pub requests: AtomicU64,
    /// Marks of immortal objects that were out of place, and were put back.
    pub moved_marks: AtomicU64,
    /// How far it has come.
    pub stage: Stages,
}

/// What a worker has been through. Mules and spoolers serve from the beginning.
#[derive(Default)]
pub struct Stages {
    /// Its applications are loaded, uWSGI's signal handlers are in place.
    pub ready: AtomicBool,
    /// No plugin took it for itself (`pyshell`, `pyrun`): its loop is next.
    pub serving: AtomicBool,
    /// It was told that it is to be replaced.
    pub replaced: AtomicBool,
}

static PLUGIN: OnceLock<Plugin> = OnceLock::new();
static PROCESS: OnceLock<Process> = OnceLock::new();

impl Plugin {
    /// The instance, once it is known. Without it every moment passes by.
    pub fn get() -> Option<&'static Self> {
        PLUGIN.get()
    }

    /// Makes it known, once.
    pub fn set(self) -> Option<&'static Self> {
        PLUGIN.set(self).ok()?;
        PLUGIN.get()
    }

    /// `pycow-gc` in force, as far as is known by now: `freeze` where `immortal` was asked for and cannot be.
    pub fn gc(&self) -> GcPolicy {
        let cannot_be = || {
            let is_frozen = self.frozen.load(Relaxed) > 0;
            self.host.lazy_apps()
                || RefcountLayout::of(self.python.version()).is_none()
                || is_frozen && self.immortal.load(Relaxed) == 0
        };
        match self.config.gc {
            GcPolicy::Immortal if cannot_be() => GcPolicy::Freeze,
            asked => asked,
        }
    }
}

impl Process {
    /// This process, if uWSGI made it for serving: not the master, not what an application forked.
    /// Async-signal-safe.
    pub fn get() -> Option<&'static Self> {
        PROCESS.get().filter(|known| known.pid == process::pid())
    }

    /// The same, if the caller is its main thread, whose number is that of its process.
    pub fn of_main_thread() -> Option<&'static Self> {
        PROCESS.get().filter(|known| known.pid == process::thread())
    }

    /// Makes it known, in its first moment.
    pub fn set(self) -> Option<&'static Self> {
        let _ = PROCESS.set(self);
        Self::get()
    }

    /// Nobody has forked a process that serves out of this one's ancestors yet.
    pub fn is_before_any() -> bool {
        PROCESS.get().is_none()
    }

    /// A request is over; how many that makes.
    pub fn count_request(&self) -> u64 {
        self.requests.fetch_add(1, Relaxed) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_that_is_missing_is_named() {
        let missing = |exit, fork, waits| Redirected { exit, fork, waits }.missing();
        assert_eq!(missing(true, true, true), "");
        assert!(missing(true, false, true).contains("fork or signals"));
        assert_eq!(missing(true, true, false), missing(true, false, true));
        assert!(missing(false, true, true).contains("exit handler"));
    }

    #[test]
    fn only_workers_and_mules_are_called_by_number() {
        let names = [
            Role::Master,
            Role::Worker(2),
            Role::Mule(1),
            Role::Spooler(3),
        ]
        .map(|role| role.to_string());
        assert_eq!(names, ["master", "worker 2", "mule 1", "spooler"]);
        assert_eq!((Role::Master.number(), Role::Spooler(3).number()), (0, 3));
    }
}
