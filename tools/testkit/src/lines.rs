//! What uWSGI's log says of its processes.

use std::collections::BTreeMap;

/// What a worker's hook logs when it is ready. A request would tell too, but
/// would change the worker's memory.
pub(crate) const ACCEPTING: &str = "pycow-testkit: a worker accepts";

/// Of a first master and of one that follows a reload.
const MASTER: &str = "spawned uWSGI master process (";
/// uWSGI says "spawned" and "Respawned".
const WORKER: &str = "pawned uWSGI worker ";
const MULE: &str = "spawned uWSGI mule ";
const SPOOLER: &str = "spawned the uWSGI spooler on dir ";

/// Whom uWSGI starts beside its workers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Helpers {
    pub(crate) mules: usize,
    pub(crate) spoolers: usize,
}

/// Whether workers have begun to accept so many times, and the log names all of them and the helpers
/// of the master in force. A process runs before its master tells of it, a worker may even accept.
pub(crate) fn accepting(log: &str, times: usize, helpers: Helpers) -> Option<()> {
    let lines = log.lines().filter(|line| line.contains(ACCEPTING));
    // uWSGI announces the hook before the hook itself prints.
    let done = lines.filter(|line| !line.contains("print:")).count();
    // A reload is followed by helpers of its own.
    let in_force = log.rfind(MASTER).map_or(log, |place| &log[place..]);
    let told = log.matches(WORKER).count() >= times
        && in_force.matches(MULE).count() >= helpers.mules
        && in_force.matches(SPOOLER).count() >= helpers.spoolers;
    (done >= times && told).then_some(())
}

/// The latest pid of each worker.
pub(crate) fn workers_in(log: &str) -> BTreeMap<u32, i32> {
    numbered(log, WORKER)
}

/// The latest pid of each mule.
pub(crate) fn mules_in(log: &str) -> BTreeMap<u32, i32> {
    numbered(log, MULE)
}

/// The pids of all spoolers that there were, in the order of their start.
pub(crate) fn spoolers_in(log: &str) -> Vec<i32> {
    log.lines()
        .filter(|line| line.contains(SPOOLER))
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect()
}

/// The latest pid by number in lines such as `spawned uWSGI mule 2 (pid: 45)`.
fn numbered(log: &str, what: &str) -> BTreeMap<u32, i32> {
    log.lines()
        .filter_map(|line| {
            let (number, rest) = line.split_once(what)?.1.split_once(' ')?;
            let pid = rest.split_once("pid: ")?.1;
            let pid = pid.split(|c: char| !c.is_ascii_digit()).next()?;
            Some((number.parse().ok()?, pid.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_read_from_the_log() {
        let log = "spawned uWSGI worker 1 (pid: 11, cores: 1)\n\
                   spawned uWSGI worker 2 (pid: 12, cores: 1)\n\
                   spawned uWSGI mule 1 (pid: 13)\n\
                   Respawned uWSGI worker 1 (new pid: 14)\n";
        assert_eq!(workers_in(log), BTreeMap::from([(1, 14), (2, 12)]));
        assert_eq!(mules_in(log), BTreeMap::from([(1, 13)]));
        let alone = "spawned uWSGI worker 1 (and the only) (pid: 9, cores: 1)\n";
        assert_eq!(workers_in(alone), BTreeMap::from([(1, 9)]));
    }

    #[test]
    fn whoever_accepts_is_awaited_until_the_log_names_all() {
        let helpers = Helpers {
            mules: 1,
            spoolers: 1,
        };
        let whole = format!(
            "spawned uWSGI master process (pid: 9)\n\
             spawned the uWSGI spooler on dir /spool with pid 10\n\
             {ACCEPTING}\n\
             spawned uWSGI worker 1 (pid: 11, cores: 1)\n\
             spawned uWSGI mule 1 (pid: 12)\n"
        );
        assert!(accepting(&whole, 1, helpers).is_some());
        for line in whole.lines().skip(1) {
            let without = whole.replace(&format!("{line}\n"), "");
            assert!(accepting(&without, 1, helpers).is_none(), "{line}");
        }
        // After a reload the helpers are others.
        let reloaded = format!(
            "{whole}gracefully (RE)spawned uWSGI master process (pid: 9)\n\
             {ACCEPTING}\nspawned uWSGI worker 1 (pid: 13, cores: 1)\n"
        );
        assert!(accepting(&reloaded, 2, helpers).is_none());
        assert!(accepting(&reloaded, 2, Helpers::default()).is_some());
    }
}
