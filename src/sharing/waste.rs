//! What takes memory, or stands still, for want of an option of uWSGI's: one line each, with the cure, and
//! only where it is seen.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::SHARING;
use crate::{
    linux::{inventory, limits, usage},
    plugin::{Plugin, Process, Role},
    python::threads,
};

/// Kinds of waste; each is said once in the life of an instance, whoever sees it.
#[derive(Clone, Copy, Debug)]
enum Kind {
    DescriptorTables = 0,
    LazyApps = 1,
    StoppedThreads = 2,
    Copies = 3,
}

fn say(kind: Kind, line: &dyn fmt::Display) {
    let slots = SHARING.get().map(|sharing| &sharing.slots);
    if slots.is_some_and(|slots| slots.is_first_to_say(kind as u32)) {
        log::warn!("{line}");
    }
}

// Tables as large as the limit of open files.

/// Options that start a router, each process of which makes such a table (plugins/corerouter/corerouter.c:
/// a pointer for every descriptor that there may be; all are written).
const ROUTERS: [&str; 10] = [
    "http",
    "httprouter",
    "https",
    "https2",
    "fastrouter",
    "rawrouter",
    "sslrouter",
    "sslrouter2",
    "forkptyrouter",
    "forkpty-router",
];

/// uWSGI has read its configuration, of which these are the keys, and set its limit of open files.
pub fn look_at_descriptors<'a>(keys: impl Iterator<Item = &'a str>) {
    if let Some(line) = limits::open_files().and_then(|limit| tables(keys, limit)) {
        say(Kind::DescriptorTables, &line);
    }
}

fn tables<'a>(mut keys: impl Iterator<Item = &'a str>, limit: u64) -> Option<String> {
    /// A table of 8 MB.
    const MANY: u64 = 1_000_000;
    let router = keys.find(|key| ROUTERS.contains(key))?;
    let megabytes = (limit.saturating_mul(8) >> 20).max(1);
    (limit >= MANY).then(|| {
        format!(
            "the limit of open files is {limit}: each process of {router} has a table of that size, {megabytes} MB: \
             max-fd = 65536 makes it small"
        )
    })
}

// A heap a worker.

/// A worker has loaded its applications by itself.
pub fn look_at_lazy_worker(plugin: &Plugin, process: &Process) {
    /// Bytes that Python itself does not come near to.
    const BIG: u64 = 32 << 20;
    let workers = plugin.host.workers();
    if process.role != Role::Worker(1) || !process.has_master || workers < 2 {
        return;
    }
    let Some(usage) = usage::own().ok().filter(|it| it.private >= BIG) else {
        return;
    };
    let megabytes = usage.private >> 20;
    let line = format!(
        "lazy-apps: {megabytes} MB of {} are its own after loading, as in each of {workers} workers: \
         without lazy-apps they share most of that (docs/fork.md)",
        process.role
    );
    say(Kind::LazyApps, &line);
}

// Threads that get no turn.

/// So many requests are over in this worker.
pub fn look_at_threads(plugin: &Plugin, process: &Process, requests: u64) {
    // A loop engine's own threads may be none.
    let may_stand = !plugin.host.runs_threads()
        && !plugin.host.is_async()
        && !plugin.host.has_loop_engine()
        && matches!(process.role, Role::Worker(_));
    // Rarer and rarer: a look takes some 20 us.
    if !may_stand || !requests.is_power_of_two() || inventory::threads() < 2 {
        return;
    }
    // Of threads that were lost at the fork, Python knows only if it was told of the fork.
    let of_python = plugin.python.with_gil(threads::others);
    if matches!(of_python, Some(Ok(count)) if count > 0) {
        let line = format!(
            "{} (pid {}) has a Python thread that stands still between requests, as enable-threads is not set: \
             enable-threads = true",
            process.role, process.pid
        );
        say(Kind::StoppedThreads, &line);
    }
}

// An application in several interpreters.

/// Applications that were mounted in an interpreter of their own. Static, as uWSGI hands them over one by
/// one, in a callback without an argument of ours.
static MOUNTED: Mutex<Vec<Mounted>> = Mutex::new(Vec::new());

struct Mounted {
    point: String,
    what: String,
    bytes: u64,
}

fn mounts() -> MutexGuard<'static, Vec<Mounted>> {
    MOUNTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `what` was mounted at `point`, in an interpreter of its own, and took so many bytes.
pub fn mounted(point: &str, what: &str, bytes: u64) {
    let (point, what) = (point.into(), what.into());
    mounts().push(Mounted { point, what, bytes });
}

/// All applications are mounted.
pub fn look_at_mounts() {
    if let Some(line) = copies(&mounts()) {
        say(Kind::Copies, &line);
    }
}

/// Those of the application that was mounted most often.
fn copies(mounts: &[Mounted]) -> Option<String> {
    let count = |what: &str| mounts.iter().filter(|it| it.what == what).count();
    let what = &mounts.iter().max_by_key(|it| count(&it.what))?.what;
    if count(what) < 2 {
        return None;
    }
    let all = || mounts.iter().filter(|it| it.what == *what);
    let points: Vec<&str> = all().map(|it| it.point.as_str()).collect();
    let more: u64 = all().skip(1).map(|it| it.bytes).sum();
    Some(format!(
        "{what} is mounted at {}, each time in an interpreter of its own, which takes {} MB more: \
         single-interpreter = true has one for all",
        points.join(" and "),
        more >> 20
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_router_with_a_large_table_is_named() {
        let line = |keys: &[&str], limit| tables(keys.iter().copied(), limit);
        let huge = line(&["module", "http", "https"], 1_073_741_816).unwrap();
        let told = "the limit of open files is 1073741816: each process of http has a table of that size, 8191 MB: ";
        assert!(huge.starts_with(told), "{huge}");
        assert!(line(&["fastrouter"], u64::MAX).is_some());
        assert_eq!(line(&["http"], 65_536), None);
        assert_eq!(
            line(&["http-socket", "http-keepalive", "https-socket"], 1 << 30),
            None
        );
    }

    #[test]
    fn only_the_same_application_is_a_copy() {
        let mount = |point: &str, what: &str| Mounted {
            point: point.into(),
            what: what.into(),
            bytes: 3 << 20,
        };
        let mut mounts = vec![mount("/", "a.py"), mount("/b", "b.py")];
        assert_eq!(copies(&mounts), None);
        mounts.extend([mount("/c", "b.py"), mount("/d", "b.py")]);
        let line = copies(&mounts).unwrap();
        let told = "b.py is mounted at /b and /c and /d, each time in an interpreter of its own, which takes 6 MB more";
        assert!(line.starts_with(told), "{line}");
    }
}
