//! The one gate through which C enters: a panic stops here, `errno` is left as it was found.

#![allow(unsafe_code, reason = "errno is a place that C gives")]

use std::panic::{catch_unwind, AssertUnwindSafe};

/// Runs `body` for a caller written in C.
///
/// A panic must not unwind into C. It is logged and `fallback` is the answer, so that the host
/// goes on as if pycow had not been asked. `errno` is restored, because uWSGI calls some of these
/// functions between a system call and the look at its result.
pub fn guard<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    let errno = errno();
    let answer = caught(fallback, body);
    set_errno(errno);
    answer
}

/// The same within such a call, which restores `errno` when it ends: for what C calls back for each of
/// millions of objects.
pub fn caught<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        log::error!("internal error: {}", text(&*panic));
        fallback
    })
}

/// What a panic says of itself; `panic!` carries a `&str` or a `String`.
fn text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic without a message")
}

/// `errno` of this thread.
pub fn errno() -> i32 {
    // SAFETY: errno(3): the address is this thread's own and always valid.
    unsafe { *libc::__errno_location() }
}

/// Sets `errno` of this thread.
pub fn set_errno(value: i32) {
    // SAFETY: as in `errno`.
    unsafe { *libc::__errno_location() = value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_fallback() {
        assert_eq!(guard(7, || panic!("on purpose")), 7);
        assert_eq!(guard(7, || 8), 8);
    }

    #[test]
    fn errno_survives() {
        set_errno(libc::EAGAIN);
        guard((), || set_errno(libc::ENOENT));
        assert_eq!(errno(), libc::EAGAIN);
        guard((), || {
            set_errno(libc::ENOENT);
            panic!("on purpose")
        });
        assert_eq!(errno(), libc::EAGAIN);
        set_errno(0);
    }
}
