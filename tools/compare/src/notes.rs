//! What the wrapper noted inside the workers: garbage collections, first requests, and exit hooks that ran.

use std::{
    collections::HashSet,
    fs::{self, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use pycow_testkit::Uwsgi;

const NUMBERS: &str = "numbers";
const HOOKS: &str = "hooks";
/// Numbers of processes that fit, the master's 0 among them.
const SLOTS: usize = 512;
/// Of each: collections, nanoseconds in them, nanoseconds of the first request.
const SLOT: usize = 24;

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
    let uwsgi = uwsgi.file(NUMBERS, &zeros).file(HOOKS, "");
    for name in [NUMBERS, HOOKS] {
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
    let workers = slots(folder).into_iter().skip(1);
    workers.fold(Collections::default(), |sum, slot| Collections {
        number: sum.number + slot[0],
        nanoseconds: sum.nanoseconds + slot[1],
    })
}

/// Milliseconds that the first request of each worker took, of those that have served one.
pub fn first_requests(folder: &Path) -> Vec<f64> {
    let workers = slots(folder).into_iter().skip(1);
    let served = workers.filter(|slot| slot[2] > 0);
    served.map(|slot| slot[2] as f64 / 1e6).collect()
}

/// All numbers are 0 again, for workers that are about to start.
///
/// # Errors
/// If the file cannot be written.
pub fn forget(folder: &Path) -> Result<(), String> {
    let path = folder.join(NUMBERS);
    // Not made anew: it may be mapped.
    let file = OpenOptions::new().write(true).open(&path);
    file.and_then(|mut file| file.write_all(&[0; SLOTS * SLOT]))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// By the number of the worker; 0 is the master's.
fn slots(folder: &Path) -> Vec<[i64; 3]> {
    let bytes = fs::read(folder.join(NUMBERS)).unwrap_or_default();
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, i64::from_ne_bytes);
    let slots = bytes.chunks_exact(SLOT);
    slots
        .map(|slot| [0, 8, 16].map(|at| number(&slot[at..at + 8])))
        .collect()
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
