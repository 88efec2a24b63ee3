//! How this process is told to leave, and by what. What a signal handler is to know stands in statics: C gives
//! it no argument.

use std::{
    ffi::c_int,
    sync::atomic::{AtomicI32, AtomicU32, AtomicU8},
};

use crate::linux::signals::SignalHandler;

/// The signal that told this process to leave; 0: none.
pub(super) static TOLD: AtomicI32 = AtomicI32::new(0);
/// How often one came.
pub(super) static TIMES_TOLD: AtomicU32 = AtomicU32::new(0);
/// How this process is told.
pub(super) static MEANS: AtomicU8 = AtomicU8::new(HOST);
/// uWSGI's own handlers do it, where they are called.
pub(super) const HOST: u8 = 0;
/// The process is not ready yet; what comes is looked at when it is.
pub(super) const LATER: u8 = 1;
/// Where uWSGI waits.
pub(super) const AT_WAIT: u8 = 2;
/// There, and at bytecode boundaries.
pub(super) const AT_BOUNDARY: u8 = 3;

/// The functions that C calls.
#[derive(Clone, Copy)]
pub struct Handlers {
    /// An ending signal came: calls [`told`](super::safe_points::told).
    pub ending: SignalHandler,
    /// A stop came while applications are loaded: calls [`told`](super::loading::told).
    pub loading: SignalHandler,
    /// The grace is over: calls [`grace_over`](super::safe_points::grace_over).
    pub grace: SignalHandler,
    /// CPython is at a bytecode boundary: calls
    /// [`leave_as_told`](super::safe_points::leave_as_told).
    pub boundary: fn(c_int),
}
