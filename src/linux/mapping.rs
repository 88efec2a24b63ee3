//! Memory that a process shares with every process that it forks.

use std::{io, ptr, slice, sync::atomic::AtomicI64};

use rustix::mm::{mmap_anonymous, MapFlags, ProtFlags};

/// So many numbers, all 0, that this process and all that it forks from now on read and write; for
/// good. A page of them costs memory only once one of them was touched.
pub fn numbers(count: usize) -> io::Result<&'static [AtomicI64]> {
    let bytes = count.max(1) * size_of::<AtomicI64>();
    // SAFETY: fresh memory, at no address in particular.
    let start = unsafe {
        mmap_anonymous(
            ptr::null_mut(),
            bytes,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
        )?
    };
    // SAFETY: mapped just now for that many, page-aligned, all zeros, which is a valid AtomicI64;
    // nobody ever unmaps it, and whoever shares it only uses atomic operations.
    Ok(unsafe { slice::from_raw_parts(start.cast::<AtomicI64>(), count) })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::numbers;

    #[test]
    fn numbers_start_at_zero_and_stay() {
        let numbers = numbers(1000).unwrap();
        assert!(numbers.iter().all(|n| n.load(Ordering::Relaxed) == 0));
        numbers[999].store(-7, Ordering::Relaxed);
        assert_eq!(numbers[999].load(Ordering::Relaxed), -7);
    }

    #[test]
    fn a_forked_process_writes_into_the_same() {
        let numbers = numbers(1).unwrap();
        // SAFETY: fork(2); the child does nothing but an atomic store and _exit(2).
        unsafe {
            let child = libc::fork();
            if child == 0 {
                numbers[0].store(42, Ordering::Relaxed);
                libc::_exit(0);
            }
            libc::waitpid(child, std::ptr::null_mut(), 0);
        }
        assert_eq!(numbers[0].load(Ordering::Relaxed), 42);
    }
}
