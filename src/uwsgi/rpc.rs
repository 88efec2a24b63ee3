//! Functions that others call through uWSGI: its router, `uwsgi.rpc` of Python, another server.
//!
//! uWSGI calls the `rpc` of the plugin that registered a function, with what was registered (core/rpc.c);
//! the answer is malloc'ed and freed by uWSGI.

use std::{
    ffi::{c_char, c_int, c_void, CStr},
    mem, ptr,
    ptr::NonNull,
    slice,
};

use super::{
    abi::{uwsgi_plugin, PluginTable},
    host::{Host, HostError},
    logvars::give,
};

type Register = unsafe extern "C" fn(*const c_char, *mut uwsgi_plugin, u8, *mut c_void) -> c_int;

const REGISTER: &CStr = c"uwsgi_register_rpc";

/// Registers a function that may be called without an argument; `plugin` has the `rpc` that is called for it, and `number`
/// is what that gets first. From `preinit_apps` on: uWSGI's table is there then. (`uwsgi_plugin_get` is
/// no way to find a generic plugin: core/plugins.c answers another one's table.)
pub fn register(
    host: &Host,
    plugin: &'static PluginTable,
    name: &CStr,
    number: usize,
) -> Result<bool, HostError> {
    let register = host.function(REGISTER)?;
    // SAFETY: uwsgi.h, every 2.0.x: int uwsgi_register_rpc(char *name, struct uwsgi_plugin *,
    // uint8_t args, void *func). The name is copied, the plugin's table stays for good, and the
    // function is a word that only our own `rpc` reads.
    let failed = unsafe {
        let register = mem::transmute::<NonNull<c_void>, Register>(register);
        let function = ptr::without_provenance_mut(number);
        register(name.as_ptr(), plugin.address(), 0, function)
    };
    Ok(failed == 0)
}

/// The first argument of a call, empty if there is none.
///
/// # Safety
/// What uWSGI gives (core/rpc.c): `count` texts and as many lengths, which stay until the call returns.
pub unsafe fn first_argument<'a>(
    count: u8,
    arguments: *const *mut c_char,
    lengths: *const u16,
) -> &'a [u8] {
    if count == 0 {
        return &[];
    }
    // SAFETY: the caller's promise: there is at least one.
    unsafe { slice::from_raw_parts((*arguments).cast::<u8>(), (*lengths).into()) }
}

/// Hands `text` to uWSGI.
///
/// # Safety
/// `answer` is the place that uWSGI gave for it.
pub unsafe fn answer(text: &str, answer: *mut *mut c_char) -> u64 {
    // SAFETY: the caller's promise; uWSGI frees what it finds.
    unsafe { give(text.as_bytes(), answer) as u64 }
}
