//! The fork itself: the interpreter is told, and no signal that comes meanwhile is lost.
//!
//! uWSGI forks without a word to CPython. A thread that holds the GIL or a lock of the interpreter at
//! that moment is not there in the child, which waits for it for ever. And a worker has its master's
//! signal handlers until it sets its own: what comes before is handled by nobody.

use std::sync::{
    atomic::{AtomicBool, Ordering::Relaxed},
    Mutex,
};

use crate::{
    config::ForkPolicy,
    linux::{process, signals},
    plugin::{Plugin, Process},
    python,
};

/// The signal mask that was in force before a worker was announced. Set and taken by the thread that
/// forks; uWSGI's callbacks on both sides have no argument to carry it.
static MASK: Mutex<Option<signals::Mask>> = Mutex::new(None);
/// The next fork of this process is that of a worker.
static WORKER_IS_NEXT: AtomicBool = AtomicBool::new(false);
/// There is a mask to be restored.
static HOLDS: AtomicBool = AtomicBool::new(false);
/// The instance is complete: what is forked from now on is a child of it.
static IS_COMPLETE: AtomicBool = AtomicBool::new(false);

/// The master has let go of the GIL, if it ever does.
pub fn master_goes_on(plugin: &Plugin) {
    IS_COMPLETE.store(true, Relaxed);
    python::fork::master_goes_on(&plugin.python);
}

/// A fork that has begun, to be ended on both sides.
pub struct Begun {
    interpreter_is_told: bool,
    mask: signals::Mask,
}

/// uWSGI's own code calls `fork`: signals wait, and the interpreter is told.
///
/// Processes that serve fork by themselves (`os.fork`), and no thread but the first forks for uWSGI. Before
/// the instance is complete a child may go on in its place (`daemonize2`, `refork`), and is to be what it was.
pub fn begins(plugin: &Plugin) -> Option<Begun> {
    let forks_for_uwsgi = Process::is_before_any() && process::is_main_thread();
    if !forks_for_uwsgi || !IS_COMPLETE.load(Relaxed) {
        return None;
    }
    let interpreter_is_told = plugin.config.fork == ForkPolicy::Cpython;
    if interpreter_is_told {
        python::fork::before(&plugin.python);
    }
    let mask = signals::hold();
    Some(Begun {
        interpreter_is_told,
        mask,
    })
}

/// `fork` returned in the process that called it.
pub fn is_over_in_parent(plugin: &Plugin, begun: &Begun) {
    begun.mask.restore();
    if begun.interpreter_is_told {
        python::fork::in_parent(&plugin.python);
    }
}

/// A worker is forked, and this is it, as far as uWSGI has announced it.
fn is_worker() -> bool {
    WORKER_IS_NEXT.load(Relaxed)
}

/// `fork` returned in a child, whose handlers are its own. Only a worker without any goes on holding
/// signals: it comes to where they are released, others may never do, or become another program.
pub fn releases_child(plugin: &Plugin, begun: &Begun) {
    begun.mask.restore();
    if plugin.redirected.waits || !is_worker() {
        release_signals();
    }
}

/// A worker, a mule or a spooler is about to run Python for the first time. Nothing happens at a
/// second call, and nothing ever in other children, which run none.
pub fn is_over_in_child(plugin: &Plugin) {
    python::fork::in_child(&plugin.python);
}

/// uWSGI announces that it forks a worker: signals wait.
pub fn worker_begins() {
    WORKER_IS_NEXT.store(true, Relaxed);
    if let Ok(mut mask) = MASK.lock() {
        mask.get_or_insert_with(signals::hold);
        HOLDS.store(true, Relaxed);
    }
}

/// uWSGI has forked a worker. It knows its number only after this, and a master that has just started
/// has no handlers yet: what comes waits until it waits for events, if pycow learns of that.
pub fn worker_is_forked(plugin: &Plugin) {
    WORKER_IS_NEXT.store(false, Relaxed);
    if !plugin.host.has_master() || !plugin.redirected.waits {
        release_signals();
    }
}

/// Signals wait in this process.
pub fn holds_signals() -> bool {
    HOLDS.load(Relaxed)
}

/// The fork is over: a master waits for events, or a child has handlers of its own. What waited comes.
pub fn release_signals() {
    HOLDS.store(false, Relaxed);
    let held = MASK.lock().ok().and_then(|mut mask| mask.take());
    if let Some(mask) = held {
        mask.restore();
    }
}
