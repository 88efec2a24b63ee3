//! Functions and variables of a loaded object, by name. What the hosts are found with.

#![allow(
    unsafe_code,
    reason = "dlsym(3), on a handle that whoever made it vouches for"
)]

use std::{
    ffi::{c_void, CStr},
    ptr::{self, NonNull},
};

/// An open handle of dlopen(3), or none. It is never closed, as a host stays for good.
#[derive(Clone, Copy, Debug)]
pub struct Symbols {
    handle: *mut c_void,
    or_global: bool,
}

// SAFETY: a handle of dlopen(3) may be used from every thread.
unsafe impl Send for Symbols {}
// SAFETY: as above.
unsafe impl Sync for Symbols {}

impl Symbols {
    /// An object in which nothing is found.
    pub const NONE: Self = Self {
        handle: ptr::null_mut(),
        or_global: false,
    };

    /// Those of the object behind `handle`, and of what it was linked with.
    ///
    /// # Safety
    /// A handle of dlopen(3) that is never closed.
    pub const unsafe fn of(handle: NonNull<c_void>) -> Self {
        Self {
            handle: handle.as_ptr(),
            or_global: false,
        }
    }

    /// The same, and where that has no such symbol, those of the process's global scope.
    #[must_use]
    pub fn or_global(self) -> Self {
        Self {
            or_global: true,
            ..self
        }
    }

    /// The address of `symbol`.
    pub fn address(&self, symbol: &CStr) -> Option<NonNull<c_void>> {
        // SAFETY: the handle is open, the name is NUL-terminated.
        let find = |handle| NonNull::new(unsafe { libc::dlsym(handle, symbol.as_ptr()) });
        let own = (!self.handle.is_null()).then(|| find(self.handle));
        own.flatten()
            .or_else(|| self.or_global.then(|| find(libc::RTLD_DEFAULT)).flatten())
    }
}
