//! Finds the loaded object that holds the host, whatever file it lives in.
//!
//! The host may be the executable itself or, with the pyuwsgi wheel, an extension module that was
//! opened without `RTLD_GLOBAL`: then only that object's own handle knows its symbols.

use std::ffi::{c_int, c_void, CStr, CString};

/// A handle of a loaded object; it is never closed, as the host stays for good.
#[derive(Clone, Copy)]
pub struct LoadedObject(*mut c_void);

// SAFETY: a handle of dlopen(3) may be used from every thread.
unsafe impl Send for LoadedObject {}
// SAFETY: as above.
unsafe impl Sync for LoadedObject {}

impl LoadedObject {
    /// The first loaded object that defines `symbol`, in the order of dl_iterate_phdr(3).
    pub fn defining(symbol: &CStr) -> Option<Self> {
        loaded_files()
            .iter()
            .filter_map(|file| Self::loaded(file))
            .find(|object| !object.symbol(symbol).is_null())
    }

    /// The object that contains `address`, for example a function of it.
    pub fn containing(address: usize) -> Option<Self> {
        // SAFETY: all zeros is a valid Dl_info.
        let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
        // SAFETY: dladdr(3) only compares the address with those of loaded objects.
        if unsafe { libc::dladdr(address as *const c_void, &mut info) } == 0
            || info.dli_fname.is_null()
        {
            return None;
        }
        // SAFETY: dladdr(3): a NUL-terminated path that lives as long as the object is loaded.
        Self::loaded(unsafe { CStr::from_ptr(info.dli_fname) }).or_else(Self::executable)
    }

    /// The address of `symbol` in this object or in what it was linked with; NULL where there is none.
    pub fn symbol(&self, symbol: &CStr) -> *mut c_void {
        // SAFETY: the handle is open, the name is NUL-terminated.
        unsafe { libc::dlsym(self.0, symbol.as_ptr()) }
    }

    /// The object of that file if it is loaded; an empty name is the executable.
    fn loaded(file: &CStr) -> Option<Self> {
        if file.is_empty() {
            return Self::executable();
        }
        // SAFETY: RTLD_NOLOAD opens nothing that is not there, so no constructor runs.
        Self::opened(unsafe { libc::dlopen(file.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) })
    }

    fn executable() -> Option<Self> {
        // SAFETY: dlopen(3): NULL asks for the main program.
        Self::opened(unsafe { libc::dlopen(std::ptr::null(), libc::RTLD_LAZY) })
    }

    fn opened(handle: *mut c_void) -> Option<Self> {
        (!handle.is_null()).then_some(Self(handle))
    }
}

/// The address of `symbol` in the global scope; NULL where there is none.
pub fn global_symbol(symbol: &CStr) -> *mut c_void {
    // SAFETY: the name is NUL-terminated.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()) }
}

fn loaded_files() -> Vec<CString> {
    unsafe extern "C" fn note(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        files: *mut c_void,
    ) -> c_int {
        // SAFETY: dl_iterate_phdr(3) hands out a valid record and the pointer given below.
        let (info, files) = unsafe { (&*info, &mut *files.cast::<Vec<CString>>()) };
        if !info.dlpi_name.is_null() {
            // SAFETY: a NUL-terminated name, valid during this call.
            files.push(unsafe { CStr::from_ptr(info.dlpi_name) }.to_owned());
        }
        0
    }

    let mut files = Vec::new();
    // SAFETY: `note` takes the vector for what it is, and nobody keeps it.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut files).cast()) };
    files
}
