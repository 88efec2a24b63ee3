//! Limits of the process (getrlimit(2)).

use rustix::process::{getrlimit, Resource};

/// How many descriptors this process may open; none if that has no limit.
pub fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
