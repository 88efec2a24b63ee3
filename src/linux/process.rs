//! The end of a process as libc sees it: handlers of exit(3), and leaving without them.

use std::{
    ffi::{c_int, c_void},
    io,
};

/// A handler of on_exit(3): the status given to exit(3), and an argument that is not used.
pub type Handler = extern "C" fn(c_int, *mut c_void);

extern "C" {
    fn on_exit(handler: Handler, argument: *mut c_void) -> c_int;
}

/// Registers `handler` to run at exit(3), before all that were registered earlier.
///
/// Children inherit it. During exit(3) itself it runs as soon as the current handler returns.
pub fn register(handler: Handler) -> io::Result<()> {
    // SAFETY: on_exit(3) (glibc): keeps both words; the handler lives as long as this plugin, which
    // uWSGI never unloads.
    match unsafe { on_exit(handler, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Leaves at once with `status`; no further handler runs, no memory is touched.
pub fn exit_now(status: c_int) -> ! {
    // SAFETY: _exit(2) does not return.
    unsafe { libc::_exit(status) }
}

/// Ends a uWSGI that is starting, with status 1, as uWSGI itself ends at a wrong option.
pub fn refuse_start() -> ! {
    // SAFETY: exit(3), called from uWSGI's only thread; its handlers expect just that.
    unsafe { libc::exit(1) }
}

/// Writes out what C code left in its `FILE` buffers, as exit(3) would have done at its end.
pub fn flush_c_streams() {
    // SAFETY: fflush(3): NULL asks for all open output streams.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

/// The calling process.
pub fn pid() -> libc::pid_t {
    // SAFETY: getpid(2) always succeeds.
    unsafe { libc::getpid() }
}

/// Whether that process is there, and this one may signal it: a number that was given to a stranger
/// since is none of ours.
pub fn is_alive(pid: libc::pid_t) -> bool {
    // SAFETY: kill(2) with signal 0 only asks; the number is checked not to mean a group.
    pid > 0 && unsafe { libc::kill(pid, 0) == 0 }
}
