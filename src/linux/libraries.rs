//! Tells cheaply whether a shared library was loaded since the last look.

use std::{
    ffi::{c_int, c_void},
    sync::atomic::{AtomicU64, Ordering},
};

/// How many objects have ever been loaded into this process (`dlpi_adds` of dl_iterate_phdr(3)).
///
/// The walk ends at its first object: a call costs tens of nanoseconds.
fn loaded() -> u64 {
    unsafe extern "C" fn first(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        adds: *mut c_void,
    ) -> c_int {
        // SAFETY: a valid record (glibc has had `dlpi_adds` since 2.4) and the pointer given below.
        unsafe { *adds.cast::<u64>() = (*info).dlpi_adds };
        1
    }

    let mut adds = 0u64;
    // SAFETY: `first` takes the pointer for what it is, and nobody keeps it.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut adds).cast()) };
    adds
}

/// Remembers how many libraries were loaded at the last look.
#[derive(Debug)]
pub struct Watch(AtomicU64);

impl Watch {
    /// A watch that has not looked yet.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// A library was loaded since the last look (of whichever thread). True at the first look.
    pub fn came(&self) -> bool {
        let now = loaded();
        // Most calls find nothing new: the plain load spares them a locked instruction.
        self.0.load(Ordering::Relaxed) != now && self.0.swap(now, Ordering::Relaxed) != now
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}
