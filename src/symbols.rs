//! Functions and variables of a loaded object, by name. What the hosts are found with.

#![allow(
    unsafe_code,
    reason = "dlsym(3), on a handle that whoever made it vouches for"
)]

use std::{
    ffi::{c_void, CStr},
    mem,
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

    /// The address of the variable `symbol`, and how many bytes it has.
    pub fn variable(&self, symbol: &CStr) -> Option<(NonNull<c_void>, usize)> {
        /// `RTLD_DL_SYMENT` (dlfcn.h): the entry of the symbol is wanted.
        const ENTRY: libc::c_int = 1;
        let address = self.address(symbol)?;
        // SAFETY: all zeros is a valid Dl_info.
        let mut info: libc::Dl_info = unsafe { mem::zeroed() };
        let mut entry: *mut libc::Elf64_Sym = ptr::null_mut();
        // SAFETY: dladdr1(3): it looks the address up and gives the entry that this flag asks for.
        let found = unsafe {
            libc::dladdr1(
                address.as_ptr(),
                &mut info,
                (&raw mut entry).cast::<*mut c_void>(),
                ENTRY,
            )
        };
        if found == 0 || entry.is_null() {
            return None;
        }
        // SAFETY: an entry of a loaded object's symbol table, which stays as long as the object.
        let size = unsafe { (*entry).st_size };
        Some((address, usize::try_from(size).ok()?))
    }
}
