//! What `/proc/PID/pagemap` says of the pages of a process (Documentation/admin-guide/mm/pagemap.rst).

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use super::files::{fill, opened, while_dumpable};

/// The pages of a process, read as they are at that time; none once it is gone or has started another
/// program. Whoever holds the descriptor may read it, whoever opened it. Reading takes some 60 ns a page.
#[derive(Debug)]
pub struct Pages(OwnedFd);

impl Pages {
    /// Those of another process, where the kernel lets this one look (ptrace(2), access mode checking).
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self(opened(format!("/proc/{pid}/pagemap"))?))
    }

    /// Those of the calling process.
    pub fn own() -> io::Result<Self> {
        Ok(Self(while_dumpable(|| opened(c"/proc/self/pagemap"))?))
    }

    /// The entries from that page's number on (an address, divided by the size of a page); how many.
    pub fn entries(&self, page: u64, into: &mut [u64]) -> usize {
        fill(&self.0, page * 8, into)
    }
}

impl From<OwnedFd> for Pages {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl AsFd for Pages {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The entry of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(pub u64);

impl Entry {
    /// The page has content of its process: in memory, or swapped out.
    pub fn is_there(self) -> bool {
        self.0 & (1 << 63 | 1 << 62) != 0
    }

    /// The page is in memory, and nobody else maps it. (Linux 4.2; no privilege is needed.)
    pub fn is_private(self) -> bool {
        self.0 & 1 << 63 != 0 && self.0 & 1 << 56 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::Entry;

    #[test]
    fn recorded_entries() {
        // Linux 6.1, without CAP_SYS_ADMIN: a shared page, an own one, one of a file, a hole, one in swap.
        let recorded = [
            (0x8080_0000_0000_0000, true, false),
            (0x8180_0000_0000_0000, true, true),
            (0xa000_0000_0000_0000, true, false),
            (0x0000_0000_0000_0000, false, false),
            (0x4000_0000_0000_0c02, true, false),
        ];
        for (entry, there, private) in recorded {
            let entry = Entry(entry);
            assert_eq!((entry.is_there(), entry.is_private()), (there, private));
        }
    }
}
