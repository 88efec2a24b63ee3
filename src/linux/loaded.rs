//! Finds the loaded object that holds a host, whatever file it lives in.
//!
//! The host may be the executable itself or, with the pyuwsgi wheel, an extension module that was
//! opened without `RTLD_GLOBAL`: then only that object's own handle knows its symbols.

use std::{
    ffi::{c_int, c_void, CStr, CString},
    ptr::NonNull,
};

use crate::{guard::guard, symbols::Symbols};

/// The first loaded object that defines `symbol`, in the order of dl_iterate_phdr(3).
pub fn defining(symbol: &CStr) -> Option<Symbols> {
    loaded_files()
        .iter()
        .filter_map(|file| loaded(file))
        .find(|object| object.address(symbol).is_some())
}

/// The object that contains `address`, for example a function of it.
pub fn containing(address: usize) -> Option<Symbols> {
    // SAFETY: all zeros is a valid Dl_info.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: dladdr(3) only compares the address with those of loaded objects.
    if unsafe { libc::dladdr(address as *const c_void, &mut info) } == 0 || info.dli_fname.is_null()
    {
        return None;
    }
    // SAFETY: dladdr(3): a NUL-terminated path that lives as long as the object is loaded.
    loaded(unsafe { CStr::from_ptr(info.dli_fname) }).or_else(executable)
}

/// The object of that file if it is loaded; an empty name is the executable.
fn loaded(file: &CStr) -> Option<Symbols> {
    if file.is_empty() {
        return executable();
    }
    // SAFETY: RTLD_NOLOAD opens nothing that is not there, so no constructor runs.
    symbols(unsafe { libc::dlopen(file.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) })
}

fn executable() -> Option<Symbols> {
    // SAFETY: dlopen(3): NULL asks for the main program.
    symbols(unsafe { libc::dlopen(std::ptr::null(), libc::RTLD_LAZY) })
}

fn symbols(handle: *mut c_void) -> Option<Symbols> {
    // SAFETY: opened just now by dlopen(3), and nobody closes it.
    NonNull::new(handle).map(|handle| unsafe { Symbols::of(handle) })
}

fn loaded_files() -> Vec<CString> {
    unsafe extern "C" fn note(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        files: *mut c_void,
    ) -> c_int {
        guard(1, || {
            // SAFETY: dl_iterate_phdr(3) hands out a valid record and the pointer given below.
            let (info, files) = unsafe { (&*info, &mut *files.cast::<Vec<CString>>()) };
            if !info.dlpi_name.is_null() {
                // SAFETY: a NUL-terminated name, valid during this call.
                files.push(unsafe { CStr::from_ptr(info.dlpi_name) }.to_owned());
            }
            0
        })
    }

    let mut files = Vec::new();
    // SAFETY: `note` takes the vector for what it is, and nobody keeps it.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut files).cast()) };
    files
}
