//! What uWSGI's log says of its processes.

use std::collections::BTreeMap;

/// What a worker's hook logs when it is ready. A request would tell too, but
/// would change the worker's memory.
pub(crate) const ACCEPTING: &str = "pycow-testkit: a worker accepts";

/// Whether workers have begun to accept so many times.
pub(crate) fn accepting(log: &str, times: usize) -> Option<()> {
    let lines = log.lines().filter(|line| line.contains(ACCEPTING));
    // uWSGI announces the hook before the hook itself prints.
    let done = lines.filter(|line| !line.contains("print:"));
    (done.count() >= times).then_some(())
}

/// The latest pid of each worker. uWSGI says "spawned" and "Respawned".
pub(crate) fn workers_in(log: &str) -> BTreeMap<u32, i32> {
    numbered(log, "pawned uWSGI worker ")
}

/// The latest pid by number in lines such as `spawned uWSGI mule 2 (pid: 45)`.
pub(crate) fn numbered(log: &str, what: &str) -> BTreeMap<u32, i32> {
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
        let alone = "spawned uWSGI worker 1 (and the only) (pid: 9, cores: 1)\n";
        assert_eq!(workers_in(alone), BTreeMap::from([(1, 9)]));
    }
}
