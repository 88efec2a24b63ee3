//! Where uWSGI's own code waits: the safe points of a process that is told to leave.

use std::mem;

use super::known;
use crate::{
    leaving::{exit, safe_points, threads},
    linux::signals::Mask,
    plugin::{Plugin, Process},
};

/// How often this process was told to leave.
pub fn times_told() -> u32 {
    safe_points::times_told()
}

/// This is a worker that was told once more than `seen`, and has a request to end first.
pub fn ends_its_request(seen: &mut u32) -> bool {
    let now = times_told();
    let is_told = mem::replace(seen, now) != now;
    is_told && known().is_some_and(|(plugin, process)| safe_points::is_busy(plugin, process))
}

/// A process, asked for by its main thread.
pub type Watched = (&'static Plugin, &'static Process);

/// This process, if the waits of this thread are safe points of it: until it leaves.
pub fn watched() -> Option<Watched> {
    let are_safe_points = safe_points::are_waits() && !exit::has_begun();
    let process = are_safe_points.then(Process::of_main_thread);
    Plugin::get().zip(process.flatten())
}

/// Several requests share the thread that waits, which asks for several events.
pub fn is_async() -> bool {
    Plugin::get().is_some_and(|plugin| plugin.host.is_async())
}

/// uWSGI's own code is about to wait for events, under the mask that is the answer; then
/// [`wait_is_over`] follows.
pub fn wait_begins((plugin, process): Watched) -> Mask {
    safe_points::wait_begins(plugin, process)
}

/// It has waited.
pub fn wait_is_over((plugin, process): Watched, mask: &Mask) {
    safe_points::wait_is_over(plugin, process, mask);
}

/// A thread that serves is about to wait for events, under the mask that is the answer; then
/// [`thread_has_waited`] follows.
pub fn thread_waits() -> Option<Mask> {
    (!exit::has_begun()).then(threads::wait_begins).flatten()
}

/// It has waited.
pub fn thread_has_waited() {
    threads::wait_is_over();
}

/// Nobody waits for events any more: who was about to is answered that it was interrupted.
pub fn loops_end() -> bool {
    threads::loops_end()
}

/// The lock at that address is one of uWSGI's threads.
pub fn is_of_threads(lock: usize) -> bool {
    Plugin::get().is_some_and(|plugin| plugin.host.locks.have(lock))
}

/// uWSGI's own code is about to wait for a lock; [`lock_is_had`] follows.
pub fn wait_for_lock((plugin, process): Watched) {
    safe_points::wait_for_lock(plugin, process);
}

/// It has it.
pub fn lock_is_had() {
    safe_points::lock_is_had();
}
