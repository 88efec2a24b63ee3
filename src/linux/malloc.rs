//! The C library's allocator.

/// Gives memory that was freed back to the kernel, in whole pages: what is left of a list of all
/// objects, for one, would be inherited by every process that is forked.
///
/// Takes the allocator's locks: not for signal handlers, nor between a fork and its end.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) has no precondition; it touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}
