//! What happens at a signal, kept over a time in which somebody else changes it.

use std::{ffi::c_int, mem, ptr};

/// The disposition of a signal as it was; put back when this is dropped.
pub struct Kept {
    signal: c_int,
    action: libc::sigaction,
}

impl Kept {
    /// Of that signal, which must be one that can be handled.
    pub fn of(signal: c_int) -> Self {
        // SAFETY: all zeros is a valid place for sigaction(2) to write to.
        let mut action = unsafe { mem::zeroed() };
        // SAFETY: only asks.
        unsafe { libc::sigaction(signal, ptr::null(), &mut action) };
        Self { signal, action }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: what sigaction(2) gave.
        unsafe { libc::sigaction(self.signal, &self.action, ptr::null_mut()) };
    }
}
