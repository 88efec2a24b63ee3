//! uWSGI's own Python plugin: its live table, and its options.

use std::{
    ffi::{c_int, CStr},
    ptr::NonNull,
};

use super::abi::uwsgi_plugin;

/// The live table of the Python plugin. It stays for good; uWSGI and its plugins use it in one thread,
/// until workers serve.
#[derive(Clone, Copy, Debug)]
pub struct PythonPlugin {
    pub(super) table: NonNull<uwsgi_plugin>,
    /// The table reaches as far as the callbacks around a fork (2.0.21 and newer).
    pub(super) has_fork_hooks: bool,
}

impl PythonPlugin {
    /// An address inside the object that holds the plugin; 0 if it has none.
    pub fn address(self) -> usize {
        // SAFETY: a live table, not written to meanwhile.
        unsafe { (*self.table.as_ptr()).init }.map_or(0, |init| init as usize)
    }

    /// Takes a switch back, as if it had not been given; whether it had been. An option that this
    /// release does not have was not.
    ///
    /// To be called while the configuration is complete and Python has not started.
    pub fn switch_off(self, name: &CStr) -> bool {
        // SAFETY: a live table, whose options end with a row of zeros (core/config.c reads them so).
        unsafe {
            let mut row = (*self.table.as_ptr()).options;
            while !row.is_null() && !(*row).name.is_null() {
                if CStr::from_ptr((*row).name) == name && !(*row).data.is_null() {
                    // The datum of a switch is the address of its int (`uwsgi_opt_true`).
                    return (*row).data.cast::<c_int>().replace(0) != 0;
                }
                row = row.add(1);
            }
        }
        false
    }
}
