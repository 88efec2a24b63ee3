//! What a process that is told to leave does, decided from what is known of it. Nothing here asks or
//! acts, so all of it may run in a signal handler.

use std::{ffi::c_int, sync::atomic::Ordering::Relaxed};

use crate::{
    linux::signals::GRACEFUL,
    plugin::{Process, Role},
};

/// How many seconds a worker has that is told while it loads its own applications, none of whose hooks
/// run in stock uWSGI either.
const LOADING_GRACE: u32 = 1;

/// An ending signal that came.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The signal.
    pub signal: c_int,
    /// The one that came before; 0: none.
    pub before: c_int,
    /// A worker ends its request first, in stock too: a reload waits for it without a limit.
    pub is_worker: bool,
    /// The process serves, or is about to.
    pub is_ready: bool,
    /// Until it is ready it loads its own applications (`lazy-apps`).
    pub loads: bool,
}

impl Told {
    /// From now on the process leaves by this signal, not by the one before: a master that has asked
    /// gracefully may lose its patience.
    pub fn counts(self) -> bool {
        self.before == 0 || self.signal != GRACEFUL
    }

    /// How many seconds the process has from now on, where `configured` are `pycow-exit-grace`; none
    /// where nothing begins to count.
    pub fn grace(self, configured: u32) -> Option<u32> {
        let is_loading = !self.is_ready && self.loads;
        let has_no_limit = |signal| self.is_worker && !is_loading && signal == GRACEFUL;
        let begins = self.before == 0 || has_no_limit(self.before);
        if !begins || has_no_limit(self.signal) {
            return None;
        }
        Some(if self.is_ready {
            configured
        } else if is_loading {
            LOADING_GRACE
        } else {
            // It has not come to where it leaves, grace or not.
            configured.max(1)
        })
    }
}

/// What uWSGI's own guards ask of a worker that leaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Worker {
    /// Another plugin took it for itself.
    pub is_hijacked: bool,
    /// It is inside of a request.
    pub is_busy: bool,
    /// Several requests share its thread.
    pub is_async: bool,
}

/// Why this process runs no hooks, if it does not: uWSGI's own guards (plugins/python/python_plugin.c,
/// `uwsgi_python_atexit`), and its grace. A mule or a spooler is no `worker`.
pub fn no_hooks(worker: Option<Worker>, is_past_grace: bool) -> Option<&'static str> {
    let worker = worker.unwrap_or_default();
    if worker.is_hijacked {
        Some("it is hijacked")
    } else if worker.is_busy {
        Some("it is busy")
    } else if is_past_grace {
        Some("it did not come to an end in time")
    } else if worker.is_async {
        Some("it is in async mode")
    } else {
        None
    }
}

/// A worker that is still loading its own applications: uWSGI runs none of their hooks.
pub fn is_half_loaded(process: &Process, lazy_apps: bool) -> bool {
    lazy_apps && matches!(process.role, Role::Worker(_)) && !process.stage.ready.load(Relaxed)
}

/// Whether uWSGI of that version sees to it that the threads of a worker that leaves gracefully end. Up to
/// 2.0.24 it cancels them, from 2.0.27 on it wakes them; in between it only waits for each (core/uwsgi.c,
/// `wait_for_threads`).
pub fn wakes_threads(version: &str) -> bool {
    !matches!(version, "2.0.25" | "2.0.25.1" | "2.0.26")
}

#[cfg(test)]
mod tests {
    use libc::{SIGINT, SIGTERM};

    use super::*;
    use crate::plugin::Stages;

    const SERVING: Told = Told {
        signal: SIGTERM,
        before: 0,
        is_worker: true,
        is_ready: true,
        loads: false,
    };

    #[test]
    fn only_impatience_replaces_a_signal() {
        let counts = |before, signal| {
            let told = Told {
                signal,
                before,
                ..SERVING
            };
            told.counts()
        };
        assert!(counts(0, GRACEFUL) && counts(0, SIGTERM));
        assert!(counts(GRACEFUL, SIGINT) && counts(SIGTERM, SIGINT));
        assert!(!counts(SIGINT, GRACEFUL));
    }

    #[test]
    fn grace_is_given_once() {
        let after = |before| Told { before, ..SERVING }.grace(5);
        assert_eq!(after(0), Some(5));
        assert_eq!(after(GRACEFUL), Some(5), "a reload waits without a limit");
        assert_eq!(after(SIGINT), None, "it is counting already");
    }

    #[test]
    fn a_reload_waits_for_whoever_serves() {
        let reload = Told {
            signal: GRACEFUL,
            ..SERVING
        };
        assert_eq!(reload.grace(5), None);
        // Stock ends a mule there at once.
        let mule = Told {
            is_worker: false,
            ..reload
        };
        assert_eq!(mule.grace(5), Some(5));
        let again = Told {
            before: GRACEFUL,
            ..mule
        };
        assert_eq!(again.grace(5), None, "it is counting already");
        // Nobody is served by what still loads.
        let loading = Told {
            is_ready: false,
            loads: true,
            ..reload
        };
        assert_eq!(loading.grace(5), Some(LOADING_GRACE));
        // Applications that were loaded before the fork have hooks to be run.
        let early = Told {
            loads: false,
            ..loading
        };
        assert_eq!(early.grace(5), None);
    }

    #[test]
    fn no_grace_still_lets_a_process_become_ready() {
        assert_eq!(SERVING.grace(0), Some(0));
        let early = Told {
            is_ready: false,
            ..SERVING
        };
        assert_eq!(early.grace(0), Some(1));
        // `loads` says something of a process that is not ready only.
        let lazy = Told {
            loads: true,
            ..SERVING
        };
        assert_eq!(lazy.grace(7), Some(7));
    }

    #[test]
    fn hooks_are_left_out_for_the_first_reason() {
        let mut worker = Worker {
            is_hijacked: true,
            is_busy: true,
            is_async: true,
        };
        let reason = |worker, late| no_hooks(Some(worker), late).unwrap_or("they run");
        assert_eq!(reason(worker, true), "it is hijacked");
        worker.is_hijacked = false;
        assert_eq!(reason(worker, true), "it is busy");
        worker.is_busy = false;
        assert_eq!(reason(worker, true), "it did not come to an end in time");
        assert_eq!(reason(worker, false), "it is in async mode");
        assert_eq!(reason(Worker::default(), false), "they run");
        assert!(no_hooks(None, false).is_none());
        assert!(
            no_hooks(None, true).is_some(),
            "a mule has a grace like others"
        );
    }

    #[test]
    fn only_a_lazy_worker_is_half_loaded() {
        let process = |role, ready: bool| Process {
            role,
            pid: 1,
            has_master: true,
            born: 0,
            birth: None,
            requests: 0.into(),
            moved_marks: 0.into(),
            stage: Stages {
                ready: ready.into(),
                ..Stages::default()
            },
        };
        assert!(is_half_loaded(&process(Role::Worker(1), false), true));
        assert!(!is_half_loaded(&process(Role::Worker(1), true), true));
        assert!(!is_half_loaded(&process(Role::Worker(1), false), false));
        assert!(!is_half_loaded(&process(Role::Mule(1), false), true));
    }

    #[test]
    fn two_releases_wake_no_thread() {
        assert!(wakes_threads("2.0.24") && wakes_threads("2.0.27"));
        assert!(!wakes_threads("2.0.25") && !wakes_threads("2.0.25.1") && !wakes_threads("2.0.26"));
    }
}
