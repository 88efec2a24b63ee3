//! A stop that comes while applications are loaded.
//!
//! uWSGI ignores SIGTERM until it has handlers (core/uwsgi.c, `uwsgi_setup`): nobody could stop an
//! instance that is still loading. What comes is kept until it can be acted upon. The statics are what a
//! signal handler, to which C gives no argument, needs to know.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::linux::signals::{self, Mask, SignalHandler, STOP};

/// This process hears the signal, and has no handlers of uWSGI's yet.
static LOADING: AtomicBool = AtomicBool::new(false);
static STOPPED: AtomicBool = AtomicBool::new(false);

/// pycow was loaded. `handler` calls [`told`].
pub fn begins(handler: SignalHandler) {
    LOADING.store(signals::hear(STOP, handler), Relaxed);
}

/// pycow is off, will not learn when there are handlers, or another program is next: the signal is ignored
/// after all.
pub fn is_left_to_host() {
    if LOADING.swap(false, Relaxed) {
        signals::ignore(STOP);
    }
}

/// Python starts, and notes what happens at signals: an application shall find what it finds in stock.
/// What comes meanwhile waits.
pub fn python_starts() -> Option<Mask> {
    is_on().then(|| {
        let mask = signals::hold();
        signals::ignore(STOP);
        mask
    })
}

/// It has started.
pub fn python_started(mask: &Mask, handler: SignalHandler) {
    signals::hear(STOP, handler);
    mask.restore();
}

/// The signal came. Async-signal-safe.
pub fn told() {
    STOPPED.store(true, Relaxed);
}

/// What comes is still kept.
pub fn is_on() -> bool {
    LOADING.load(Relaxed)
}

/// There are handlers: what came comes now.
pub fn is_over() {
    LOADING.store(false, Relaxed);
    if STOPPED.swap(false, Relaxed) {
        signals::raise(STOP);
    }
}

/// This process was forked: its parent was meant. It never comes to [`is_over`].
pub fn in_child() {
    LOADING.store(false, Relaxed);
}
