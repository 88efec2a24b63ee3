//! What the wrapper noted inside the workers: garbage collections, and exit hooks that ran.

use std::{
    collections::HashSet,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use pycow_testkit::Uwsgi;

const COLLECTIONS: &str = "collections";
const HOOKS: &str = "hooks";
/// Numbers of processes that fit, the master's 0 among them.
const SLOTS: usize = 512;
const SLOT: usize = 16;

/// The hooks that the wrapper registers in every worker.
pub const HOOKS_PER_WORKER: usize = 2;

/// Garbage collections of all workers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Collections {
    /// How many there were.
    pub number: i64,
    /// Nanoseconds in them.
    pub nanoseconds: i64,
}

/// Makes room for the notes of a uWSGI that is about to start.
pub fn prepare(uwsgi: Uwsgi) -> Uwsgi {
    let zeros = "\0".repeat(SLOTS * SLOT);
    let uwsgi = uwsgi.file(COLLECTIONS, &zeros).file(HOOKS, "");
    for name in [COLLECTIONS, HOOKS] {
        // A worker that has dropped its privileges writes there, too.
        let path = uwsgi.dir().join(name);
        fs::set_permissions(&path, Permissions::from_mode(0o666))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let folder = uwsgi.dir().to_owned();
    uwsgi.env("PYCOW_BENCH_NOTES", folder)
}

/// The collections so far, the master's left out.
pub fn collections(folder: &Path) -> Collections {
    let bytes = fs::read(folder.join(COLLECTIONS)).unwrap_or_default();
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, i64::from_ne_bytes);
    let workers = bytes.chunks_exact(SLOT).skip(1);
    workers.fold(Collections::default(), |sum, slot| Collections {
        number: sum.number + number(&slot[..8]),
        nanoseconds: sum.nanoseconds + number(&slot[8..]),
    })
}

/// How many hooks of those workers ran.
pub fn hooks_ran(folder: &Path, workers: &[i32]) -> usize {
    let text = fs::read_to_string(folder.join(HOOKS)).unwrap_or_default();
    let ran: HashSet<(&str, i32)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(hook, pid)| Some((hook, pid.parse().ok()?)))
        .filter(|(_, pid)| workers.contains(pid))
        .collect();
    ran.len()
}
