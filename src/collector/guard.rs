//! Overrules code that changes the collector's policy, and names it once (`pycow-gc-guard`).

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::atomic::{AtomicU64, Ordering},
};

use super::wanted;
use crate::python::{
    gc::Collector,
    gc_methods::{self, Method},
    interpreter::{Gil, Python},
};

/// From now on code that changes the policy is overruled, in every interpreter.
///
/// To be called in the master, before any application is loaded.
pub(super) fn install(gil: &Gil<'_>, python: &'static Python) {
    if let Err(reason) = gc_methods::replace_all(gil, python, may_run) {
        log::warn!("pycow-gc-guard is off: {reason}");
    }
}

/// Where collections are wanted, or somebody has called `gc.disable`, `gc.enable` only undoes that: thresholds
/// stay what they are (so does `weakref` in every process that leaves). All else is refused.
fn may_run(gil: &Gil<'_>, method: Method) -> bool {
    let is_disabled =
        || Collector::at_hand(gil).is_some_and(|gc| gc.is_enabled().is_ok_and(|is| !is));
    let allowed = method == Method::Enable && (wanted() || is_disabled());
    if !allowed {
        name_once(gil, method);
    }
    allowed
}

fn name_once(gil: &Gil<'_>, method: Method) {
    let frame = gil.frame();
    let line = frame
        .as_ref()
        .and_then(|frame| frame.attribute(c"f_lineno").ok()?.text());
    let file = frame.as_ref().and_then(|frame| {
        let code = frame.attribute(c"f_code").ok()?;
        code.attribute(c"co_filename").ok()?.text()
    });
    let file = file.as_deref().unwrap_or("unknown");
    let line = line.as_deref().unwrap_or("0");
    let mut hasher = DefaultHasher::new();
    (method, file, line).hash(&mut hasher);
    if SEEN.insert(hasher.finish()) {
        log::warn!("{method}() at {file}:{line} is overruled (pycow-gc-guard)");
    }
}

/// Callers that were named. Static, as CPython gives its callers no argument of ours; without a lock,
/// as a fork may happen at any time in another thread.
struct Seen([AtomicU64; 64]);

static SEEN: Seen = Seen([const { AtomicU64::new(0) }; 64]);

impl Seen {
    /// True if it was not there yet. When the table is full, nothing is new any more.
    fn insert(&self, hash: u64) -> bool {
        let hash = hash.max(1);
        for place in &self.0 {
            match place.compare_exchange(0, hash, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(there) if there == hash => return false,
                Err(_) => {}
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_new_once() {
        let seen = Seen([const { AtomicU64::new(0) }; 64]);
        assert!(seen.insert(5));
        assert!(!seen.insert(5));
        assert!((100..163).all(|hash| seen.insert(hash)));
        assert!(!seen.insert(999), "a full table names nobody");
    }
}
