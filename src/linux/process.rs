//! Processes: who this one is, whether another is alive, and how this one ends.

use std::ffi::c_int;

use rustix::process::{getpid, test_kill_process, Pid};

/// Leaves at once with `status` (`_exit(2)`): no exit handler runs, no memory is touched.
pub fn exit_now(status: c_int) -> ! {
    // SAFETY: _exit(2) does not return.
    unsafe { libc::_exit(status) }
}

/// Leaves as a C program does (exit(3)): thread-local destructors, exit handlers, streams.
pub fn exit(status: c_int) -> ! {
    // SAFETY: exit(3), in the place of a host's own call of it.
    unsafe { libc::exit(status) }
}

/// Writes out what C code left in its `FILE` buffers, as exit(3) would have done at its end.
///
/// It waits for the lock of a stream that another thread is using: to be called under a time limit.
pub fn flush_c_streams() {
    // SAFETY: fflush(3): NULL asks for all open output streams.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

/// The calling process.
pub fn pid() -> i32 {
    getpid().as_raw_pid()
}

/// The number of the calling thread.
pub fn thread() -> i32 {
    rustix::thread::gettid().as_raw_pid()
}

/// The caller is the thread with which its process began.
pub fn is_main_thread() -> bool {
    thread() == pid()
}

/// Whether that process is there, and this one may signal it: a number that was given to a stranger
/// since is none of ours.
pub fn is_alive(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|found| pid > 0 && test_kill_process(found).is_ok())
}

/// One write(2) to standard error, which is uWSGI's log. Async-signal-safe.
pub fn write_to_log(text: &[u8]) {
    // SAFETY: standard error stays open for the life of the process, or write(2) says EBADF.
    let log = unsafe { std::os::fd::BorrowedFd::borrow_raw(libc::STDERR_FILENO) };
    // What cannot be written is lost: there is no other place to tell it.
    let _ = rustix::io::write(log, text);
}
