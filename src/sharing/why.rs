//! Why pages of a process are private: which mappings they lie in, whether they were inherited, what
//! lies on them and what wrote there.
//!
//! Everything is read through /proc (see [`Memory`]), without the GIL and without touching a page. The
//! original of a page is the master's, where the kernel lets this process look there. The GIL is taken
//! only to name classes.

use std::sync::{
    atomic::{AtomicU64, Ordering::Relaxed},
    Mutex,
};

use crate::{
    linux::{
        memory::{own_mappings, Memory},
        mmap_vec::OutOfMemory,
        process,
    },
    plugin::{Plugin, Process},
    python::{
        blocks::{Namer, Roots},
        gc::{self, Collector},
        interpreter::Gil,
    },
};

mod answer;
mod causes;
mod classes;
mod line;
mod scan;
mod survey;

use answer::Answer;
use scan::Scan;
use survey::Survey;

/// Full collections that the master had run before it forked. Static, as RPC comes without an argument to
/// carry it.
static COLLECTIONS: AtomicU64 = AtomicU64::new(0);
/// One look at a time.
static LOOKING: Mutex<()> = Mutex::new(());

/// The master is about to fork for the first time.
pub fn before_fork(plugin: &Plugin) {
    if !plugin.host.has_master() {
        return;
    }
    let collections = plugin.python.with_gil(|gil| collections(plugin, gil));
    COLLECTIONS.store(collections.unwrap_or(0), Relaxed);
}

/// The argument of `pycow.why` that asks for a line in the log, too.
const TO_LOG: &[u8] = b"log";

/// The answer of `pycow.why`, about this process.
pub fn answer(plugin: &Plugin, argument: &[u8]) -> String {
    let Ok(_alone) = LOOKING.try_lock() else {
        return "{\"error\":\"this process is being looked at already\"}\n".into();
    };
    let told = look(plugin, |answer| {
        if argument == TO_LOG {
            log::info!("{}: {}", own_name(), answer.line());
        }
        answer.text()
    });
    told.unwrap_or_else(|error| Answer::error(&error))
}

/// As the log calls this process.
fn own_name() -> String {
    match Process::get() {
        Some(process) => format!("{} (pid {})", process.role, process.pid),
        None => format!("process {}", process::pid()),
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("/proc/self/smaps: {0}")]
    NoMappings(std::io::Error),
    #[error("{0}")]
    OutOfMemory(#[from] OutOfMemory),
}

fn look<T>(plugin: &Plugin, tell: impl FnOnce(&Answer<'_>) -> T) -> Result<T, NoAnswer> {
    let smaps = own_mappings().map_err(NoAnswer::NoMappings)?;
    let memory = match Memory::own() {
        Ok(memory) => memory,
        Err(error) => {
            let missing = format!("/proc/self/pagemap: {error}: by smaps alone");
            let survey = Survey::by_smaps(smaps.as_slice());
            return Ok(tell(&Answer::of(survey, None, Vec::new(), missing)));
        }
    };
    let original = original(plugin);
    let original = original.as_ref();
    let survey = Survey::by_pages(smaps.as_slice(), &memory, original)?;
    let roots = Roots::find(&plugin.python);
    let mut scan = Scan::new(&memory, original, roots, was_collected(plugin))?;
    scan.look_at(survey.copied.as_slice())?;
    let names = plugin
        .python
        .with_gil(|gil| names(gil, &memory, roots, &scan));
    let missing = match original {
        None if plugin.host.has_master() => {
            "the master's memory is not readable: all is told as new"
        }
        _ => "",
    };
    let names = names.unwrap_or_default();
    Ok(tell(&Answer::of(survey, Some(scan), names, missing.into())))
}

/// The memory of the master, of which this process has a copy. It is opened for the time of an answer only:
/// no worker has a descriptor of it.
fn original(plugin: &Plugin) -> Option<Memory> {
    let master = plugin.host.master_pid();
    let has_master = plugin.host.has_master() && master != process::pid();
    has_master.then(|| Memory::of(master).ok()).flatten()
}

/// The names of the classes that take most.
fn names(gil: &Gil<'_>, memory: &Memory, roots: Option<Roots>, scan: &Scan<'_>) -> Vec<String> {
    let (Some(roots), Ok(namer)) = (roots, Namer::new(gil)) else {
        return Vec::new();
    };
    let classes = scan.classes.by_bytes().into_iter().take(answer::MOST);
    let name = |address| namer.name(roots, address, |at| classes::words(memory, at));
    classes
        .map(|class| name(class.address).unwrap_or_else(|| "(gone)".into()))
        .collect()
}

/// A collection went over what this process inherited: full, and not frozen.
fn was_collected(plugin: &Plugin) -> bool {
    // From 3.12 on a collection itself freezes immortal containers, some hundred.
    const BY_ITSELF: i64 = 10_000;
    if plugin.frozen.load(Relaxed) > 0 {
        return false;
    }
    let was = plugin.python.with_gil(|gil| {
        let frozen = Collector::current(gil).and_then(|it| it.frozen());
        collections(plugin, gil) > COLLECTIONS.load(Relaxed)
            && frozen.is_ok_and(|count| count < BY_ITSELF)
    });
    was.unwrap_or(false)
}

fn collections(plugin: &Plugin, gil: &Gil<'_>) -> u64 {
    // An incremental collector counts its increments with the middle generation.
    let oldest = if gc::is_incremental(plugin.python.version()) {
        1
    } else {
        2
    };
    let count = Collector::current(gil).and_then(|it| it.collections(oldest));
    count.unwrap_or(0)
}
