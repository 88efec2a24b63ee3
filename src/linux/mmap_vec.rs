//! A growing array in pages of its own, given back to the kernel when it is dropped.
//!
//! What the heap walk notes down must not stay behind in malloc's arenas, where it would be copied
//! into every worker.

use std::{fmt, ptr, slice};

/// The kernel gives no more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory")
    }
}

impl std::error::Error for OutOfMemory {}

/// A stack of plain values.
pub struct MmapVec<T: Copy> {
    start: *mut T,
    length: usize,
    /// In values.
    capacity: usize,
}

// SAFETY: it owns its values, as Vec does.
unsafe impl<T: Copy + Send> Send for MmapVec<T> {}
// SAFETY: as for Vec: shared access only reads.
unsafe impl<T: Copy + Sync> Sync for MmapVec<T> {}

impl<T: Copy> MmapVec<T> {
    /// An empty one, without memory.
    pub const fn new() -> Self {
        Self {
            start: ptr::null_mut(),
            length: 0,
            capacity: 0,
        }
    }

    /// So many times the same value.
    pub fn filled(value: T, count: usize) -> Result<Self, OutOfMemory> {
        let mut new = Self::new();
        for _ in 0..count {
            new.push(value)?;
        }
        Ok(new)
    }

    /// Adds a value.
    pub fn push(&mut self, value: T) -> Result<(), OutOfMemory> {
        if self.length == self.capacity {
            self.grow()?;
        }
        // SAFETY: `grow` left room for at least one more.
        unsafe { self.start.add(self.length).write(value) };
        self.length += 1;
        Ok(())
    }

    /// Adds values.
    pub fn extend(&mut self, values: &[T]) -> Result<(), OutOfMemory> {
        values.iter().try_for_each(|&value| self.push(value))
    }

    /// Takes the value that was added last.
    pub fn pop(&mut self) -> Option<T> {
        self.length = self.length.checked_sub(1)?;
        // SAFETY: below the old length, hence written.
        Some(unsafe { self.start.add(self.length).read() })
    }

    /// Of neighbours that are the `same` keeps the first; those before the place `start` are left alone.
    pub fn dedup_from(&mut self, start: usize, same: impl Fn(&T, &T) -> bool) {
        let values = self.as_mut_slice();
        let mut kept = start;
        for at in start..values.len() {
            if at == start || !same(&values[at], &values[kept - 1]) {
                values[kept] = values[at];
                kept += 1;
            }
        }
        self.length = kept;
    }

    /// The values, in order.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        if self.start.is_null() {
            return &mut [];
        }
        // SAFETY: the first `length` values are written, and borrowed from `self`.
        unsafe { slice::from_raw_parts_mut(self.start, self.length) }
    }

    /// The values, in order.
    pub fn as_slice(&self) -> &[T] {
        if self.start.is_null() {
            return &[];
        }
        // SAFETY: as in `as_mut_slice`.
        unsafe { slice::from_raw_parts(self.start, self.length) }
    }

    /// How much memory is mapped, in bytes.
    fn bytes(&self) -> usize {
        (self.capacity * size_of::<T>()).next_multiple_of(4096)
    }

    fn grow(&mut self) -> Result<(), OutOfMemory> {
        const FIRST: usize = 64 * 1024;
        let old = self.capacity * size_of::<T>();
        let new = (old * 2).max(FIRST);
        // SAFETY: mmap(2) of fresh memory, or mremap(2) of what this value owns.
        let start = unsafe {
            if old == 0 {
                let (protection, flags) = (
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                );
                libc::mmap(ptr::null_mut(), new, protection, flags, -1, 0)
            } else {
                libc::mremap(self.start.cast(), old, new, libc::MREMAP_MAYMOVE)
            }
        };
        if start == libc::MAP_FAILED {
            return Err(OutOfMemory);
        }
        self.start = start.cast();
        self.capacity = new / size_of::<T>();
        Ok(())
    }
}

impl<T: Copy> Default for MmapVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy> Drop for MmapVec<T> {
    fn drop(&mut self) {
        if !self.start.is_null() {
            // SAFETY: munmap(2) of what this value owns; `grow` computed the size the same way.
            unsafe { libc::munmap(self.start.cast(), self.bytes()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MmapVec;

    #[test]
    fn values_come_back_in_reverse() {
        let mut pages = MmapVec::new();
        (0..100_000u64).for_each(|i| pages.push((i, i as u8)).unwrap());
        assert_eq!(pages.as_slice().len(), 100_000);
        assert_eq!(pages.as_slice()[70_000], (70_000, 70_000u64 as u8));
        for i in (0..100_000u64).rev() {
            assert_eq!(pages.pop(), Some((i, i as u8)));
        }
        assert_eq!(pages.pop(), None);
    }

    #[test]
    fn neighbours_that_are_equal_are_one() {
        let mut pages = MmapVec::new();
        for value in [1, 1, 2, 3, 3, 3, 1] {
            pages.push(value).unwrap();
        }
        pages.dedup_from(1, |a, b| a == b);
        assert_eq!(pages.as_slice(), [1, 1, 2, 3, 1]);
        pages.dedup_from(0, |a, b| a == b);
        assert_eq!(pages.as_slice(), [1, 2, 3, 1]);
    }

    #[test]
    fn it_begins_as_it_is_told() {
        let pages = MmapVec::filled(7u32, 20_000).unwrap();
        assert_eq!(pages.as_slice().len(), 20_000);
        assert!(pages.as_slice().iter().all(|&value| value == 7));
    }
}
