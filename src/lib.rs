//! pycow keeps the memory of preforked Python workers shared.
//!
//! This is the door: the table that uWSGI loads, and one line into `lifecycle` for every moment
//! that uWSGI gives, in the order in which uWSGI gives them. Whatever C calls goes through
//! `guard`.

#![allow(
    non_upper_case_globals,
    reason = "uWSGI asks for symbols named like the file"
)]
#![allow(
    unsafe_code,
    reason = "the door: what C calls and is called; the rooms that need none forbid it below"
)]

use std::{
    cell::UnsafeCell,
    ffi::{c_char, c_int, c_void, CStr},
};

use guard::guard;
use leaving::exit::AtExit;
use lifecycle::{around_fork, start};
use linux::waits;
use uwsgi::{
    abi::{
        uwsgi_option, uwsgi_plugin, wsgi_request, Options, PluginTable, EMPTY_PLUGIN,
        END_OF_OPTIONS,
    },
    hooks, rpc,
};

mod calls;
#[forbid(unsafe_code)]
mod collector;
#[forbid(unsafe_code)]
mod config;
#[forbid(unsafe_code)]
mod forking;
mod guard;
mod immortal;
#[forbid(unsafe_code)]
mod leaving;
#[forbid(unsafe_code)]
mod lifecycle;
mod linux;
#[forbid(unsafe_code)]
mod plugin;
mod python;
#[forbid(unsafe_code)]
mod sharing;
mod symbols;
mod uwsgi;

/// The table under the name that uWSGI asks `pycow_plugin.so` for.
#[no_mangle]
pub static pycow_plugin: PluginTable = PluginTable::new(PLUGIN);

/// The same under the name of cargo's own file, `libpycow_plugin.so`.
#[no_mangle]
pub static libpycow_plugin: PluginTable = PluginTable::new(PLUGIN);

/// A generic plugin: it has no `request`.
const PLUGIN: uwsgi_plugin = uwsgi_plugin {
    name: c"pycow".as_ptr(),
    options: OPTIONS.0.get().cast::<uwsgi_option>(),
    on_load: Some(on_load),
    init: Some(init),
    post_init: Some(post_init),
    preinit_apps: Some(preinit_apps),
    postinit_apps: Some(postinit_apps),
    master_cycle: Some(master_cycle),
    hijack_worker: Some(hijack_worker),
    rpc: Some(call),
    ..EMPTY_PLUGIN
};

/// What stands in the Python plugin's table instead of its own callbacks.
const CALLBACKS: hooks::Callbacks = hooks::Callbacks {
    init: Some(python_init),
    mount_app: Some(python_mount_app),
    master_fixup: Some(python_master_fixup),
    pre_uwsgi_fork: Some(pre_uwsgi_fork),
    post_uwsgi_fork: Some(post_uwsgi_fork),
    post_fork: Some(python_post_fork),
    init_thread: Some(python_init_thread),
    fixup: Some(python_fixup),
    hijack_worker: Some(python_hijack_worker),
    after_request: Some(python_after_request),
    atexit: Some(python_atexit),
};

const REQUIRED_ARGUMENT: c_int = 1;
const OPTIONAL_ARGUMENT: c_int = 2;

static OPTIONS: Options<{ config::options::OPTIONS.len() + 1 }> = {
    let mut rows = [END_OF_OPTIONS; config::options::OPTIONS.len() + 1];
    let mut i = 0;
    while i < config::options::OPTIONS.len() {
        let option = &config::options::OPTIONS[i];
        rows[i] = uwsgi_option {
            name: option.name.as_ptr().cast_mut(),
            type_: if option.is_switch {
                OPTIONAL_ARGUMENT
            } else {
                REQUIRED_ARGUMENT
            },
            help: option.help.as_ptr().cast_mut(),
            func: Some(set_option),
            data: std::ptr::without_provenance_mut::<c_void>(i),
            ..END_OF_OPTIONS
        };
        i += 1;
    }
    Options(UnsafeCell::new(rows))
};

// While the configuration is read.

unsafe extern "C" fn on_load() {
    guard((), || start::load(calls::REDIRECT, &calls::HANDLERS));
}

unsafe extern "C" fn set_option(_name: *mut c_char, value: *mut c_char, index: *mut c_void) {
    let value = if value.is_null() {
        c"true"
    } else {
        // SAFETY: uWSGI gives a NUL-terminated text, or NULL for a switch without a value.
        unsafe { CStr::from_ptr(value) }
    };
    guard((), || {
        start::option(index.addr(), &value.to_string_lossy());
    });
}

// Once it is complete, before Python starts.

unsafe extern "C" fn init() -> c_int {
    guard((), || start::init(&CALLBACKS, calls::REDIRECT));
    0
}

// Python starts and loads applications.

unsafe extern "C" fn python_init() -> c_int {
    let mask = guard(None, start::before_python);
    let answer = hooks::original_init();
    guard((), || start::python_up(mask.as_ref(), &calls::HANDLERS));
    answer
}

unsafe extern "C" fn python_mount_app(mountpoint: *mut c_char, app: *mut c_char) -> c_int {
    let before = guard(0, start::before_mount);
    // SAFETY: what uWSGI gave.
    let number = unsafe { hooks::original_mount_app(mountpoint, app) };
    if number >= 0 {
        // SAFETY: both are NUL-terminated texts of the configuration.
        let (point, what) = unsafe { (CStr::from_ptr(mountpoint), CStr::from_ptr(app)) };
        guard((), || {
            start::mounted(&point.to_string_lossy(), &what.to_string_lossy(), before)
        });
    }
    number
}

unsafe extern "C" fn post_init() {
    guard((), start::post_init);
}

unsafe extern "C" fn preinit_apps() {
    guard((), || start::preinit_apps(&pycow_plugin));
}

unsafe extern "C" fn postinit_apps() {
    guard((), start::postinit_apps);
}

// The fork, and both sides of it.

unsafe extern "C" fn python_master_fixup(step: c_int) {
    guard((), || match step {
        0 => lifecycle::before_first_fork(),
        _ => around_fork::in_child(),
    });
    hooks::original_master_fixup(step);
    if step == 0 {
        guard((), around_fork::master_goes_on);
    }
}

unsafe extern "C" fn pre_uwsgi_fork() {
    guard((), around_fork::pre_uwsgi_fork);
    hooks::original_pre_uwsgi_fork();
}

unsafe extern "C" fn post_uwsgi_fork(step: c_int) {
    hooks::original_post_uwsgi_fork(step);
    if step == 0 {
        guard((), around_fork::post_uwsgi_fork);
    }
}

unsafe extern "C" fn python_post_fork() {
    guard((), || lifecycle::post_fork(&calls::HANDLERS));
    hooks::original_post_fork();
}

// A worker serves.

unsafe extern "C" fn python_fixup() {
    hooks::original_fixup();
    guard((), || lifecycle::worker_ready(&calls::HANDLERS));
}

unsafe extern "C" fn python_hijack_worker() {
    guard((), lifecycle::before_hijack);
    hooks::original_hijack_worker();
}

unsafe extern "C" fn hijack_worker() {
    guard((), || lifecycle::before_loop(&calls::HANDLERS));
}

unsafe extern "C" fn python_init_thread(core: c_int) {
    // It takes the GIL: who is cancelled there would keep it.
    waits::uncancelled(|| hooks::original_init_thread(core));
}

unsafe extern "C" fn python_after_request(request: *mut wsgi_request) {
    // SAFETY: what uWSGI gave.
    unsafe { hooks::original_after_request(request) };
    guard((), lifecycle::request_done);
}

unsafe extern "C" fn master_cycle() {
    guard((), lifecycle::master_cycle);
}

// Another asks, by uWSGI's RPC.

unsafe extern "C" fn call(
    function: *mut c_void,
    count: u8,
    arguments: *mut *mut c_char,
    lengths: *mut u16,
    place: *mut *mut c_char,
) -> u64 {
    // SAFETY: what uWSGI gave.
    let argument = unsafe { rpc::first_argument(count, arguments, lengths) };
    guard(0, || match lifecycle::answer(function.addr(), argument) {
        // SAFETY: the place that uWSGI gave for the answer.
        Some(text) => unsafe { rpc::answer(&text, place) },
        None => 0,
    })
}

// Leaving.

unsafe extern "C" fn python_atexit() {
    match guard(AtExit::Host, lifecycle::python_atexit) {
        AtExit::Done => {}
        AtExit::Host => hooks::original_atexit(),
        AtExit::HostThen(teardown) => {
            hooks::original_atexit();
            guard((), || teardown.over());
        }
    }
}
