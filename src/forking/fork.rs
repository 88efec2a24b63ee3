//! The fork itself: the interpreter is told, and no signal that comes meanwhile is lost.
//!
//! uWSGI forks without a word to CPython. A thread that holds the GIL or a lock of the interpreter at
//! that moment is not there in the child, which waits for it for ever. And a worker has its master's
//! signal handlers until it sets its own: what comes before is handled by nobody.

use std::sync::Mutex;

use crate::{
    config::ForkPolicy,
    linux::{process, signals},
    plugin::{Plugin, Process},
    python,
};

/// The signal mask that was in force before a worker was announced. Set and taken by the thread that
/// forks; uWSGI's callbacks on both sides have no argument to carry it.
static MASK: Mutex<Option<signals::Mask>> = Mutex::new(None);

/// uWSGI's own code calls `fork`. True if the interpreter was told.
///
/// Processes that serve fork by themselves (`os.fork`), and no thread but the first forks for uWSGI.
pub fn begins(plugin: &Plugin) -> bool {
    let tells = plugin.config.fork == ForkPolicy::Cpython
        && Process::is_before_any()
        && process::is_main_thread();
    if tells {
        python::fork::before(&plugin.python);
    }
    tells
}

/// `fork` returned in the process that called it.
pub fn is_over_in_parent(plugin: &Plugin) {
    python::fork::in_parent(&plugin.python);
}

/// A worker, a mule or a spooler is about to run Python for the first time. Nothing happens at a
/// second call, and nothing ever in other children, which run none.
pub fn is_over_in_child(plugin: &Plugin) {
    python::fork::in_child(&plugin.python);
}

/// uWSGI announces that it forks a worker, or a worker changes its handlers: signals wait.
pub fn hold_signals() {
    if let Ok(mut mask) = MASK.lock() {
        mask.get_or_insert_with(signals::hold);
    }
}

/// The fork is over: in the master, or in a worker that has handlers of its own. What waited comes.
pub fn release_signals() {
    let held = MASK.lock().ok().and_then(|mut mask| mask.take());
    if let Some(mask) = held {
        mask.restore();
    }
}
