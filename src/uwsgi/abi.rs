//! The structs that are shared with uWSGI, made by bindgen from `uwsgi-headers/plugin.h`.

use std::{cell::UnsafeCell, ffi::c_void};

/// What bindgen writes is a transcript of a C header: its style and its docs are that header's.
#[allow(missing_docs, non_camel_case_types, clippy::all)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/abi.rs"));
}

pub use generated::{uwsgi_option, uwsgi_plugin, wsgi_request};

/// The text that the running binary's own header is compared with.
pub const HEADER: &str = include_str!("../../uwsgi-headers/plugin.h");

/// The table that the plugin exports, with room behind it.
///
/// uWSGI writes `modifier1` into it (core/plugins.c, `uwsgi_load_plugin`), so it must lie in
/// writable memory: the cell sees to that. A release that appends members reads NULL in `later`.
#[repr(C)]
pub struct PluginTable {
    plugin: UnsafeCell<uwsgi_plugin>,
    later: [usize; 32],
}

// SAFETY: only uWSGI reads and writes the table, in its one thread, while the configuration is read.
unsafe impl Sync for PluginTable {}

impl PluginTable {
    /// A table to be exported.
    pub const fn new(plugin: uwsgi_plugin) -> Self {
        Self {
            plugin: UnsafeCell::new(plugin),
            later: [0; 32],
        }
    }

    /// Where uWSGI finds it.
    pub(super) fn address(&'static self) -> *mut uwsgi_plugin {
        self.plugin.get()
    }
}

/// A plugin's options as uWSGI reads them; the last row is all zeros.
#[repr(transparent)]
pub struct Options<const N: usize>(pub UnsafeCell<[uwsgi_option; N]>);

// SAFETY: uWSGI copies the rows in its one thread while the configuration is read; nobody else looks.
unsafe impl<const N: usize> Sync for Options<N> {}

/// The row that ends a table of options.
pub const END_OF_OPTIONS: uwsgi_option = uwsgi_option {
    name: std::ptr::null_mut(),
    type_: 0,
    shortcut: 0,
    help: std::ptr::null_mut(),
    func: None,
    data: std::ptr::null_mut::<c_void>(),
    flags: 0,
};

/// A table in which every callback is absent.
pub const EMPTY_PLUGIN: uwsgi_plugin = {
    // SAFETY: every member is a pointer, an optional function or an integer: all zeros is valid.
    unsafe { std::mem::zeroed() }
};
