//! The memory of a process, read through /proc: a page that is looked at this way is not copied, and
//! one that is gone is an error instead of a crash.

use std::{io, os::fd::OwnedFd};

use rustix::io::Errno;

use super::{
    files::{fill, opened, while_dumpable},
    mmap_vec::MmapVec,
    pagemap::Pages,
};

/// What a process holds. It reads as it is at that time, and as empty once the process is gone or has
/// started another program.
pub struct Memory {
    bytes: OwnedFd,
    pages: Pages,
}

impl Memory {
    /// That of another process, where the kernel lets this one look: to root, or to a process of the same
    /// user that has not dropped privileges (ptrace(2), access mode checking).
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self {
            bytes: opened(format!("/proc/{pid}/mem"))?,
            pages: Pages::of(pid)?,
        })
    }

    /// That of the calling process.
    pub fn own() -> io::Result<Self> {
        Ok(Self {
            bytes: while_dumpable(|| opened(c"/proc/self/mem"))?,
            pages: Pages::own()?,
        })
    }

    /// Reads words from an address; whether all are there.
    pub fn read(&self, address: u64, into: &mut [u64]) -> bool {
        fill(&self.bytes, address, into) == into.len()
    }

    /// Which pages it has.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }
}

/// The mappings of the calling process, for [`mappings::each`](super::mappings::each).
pub fn own_mappings() -> io::Result<MmapVec<u8>> {
    let file = opened(c"/proc/self/smaps")?;
    let (mut text, mut buffer) = (MmapVec::new(), [0; 16 * 1024]);
    loop {
        match rustix::io::read(&file, &mut buffer) {
            Ok(0) => return Ok(text),
            Ok(got) => text
                .extend(&buffer[..got])
                .map_err(|_| io::ErrorKind::OutOfMemory)?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::{mappings, pagemap::Entry};

    #[test]
    fn this_process_reads_itself() {
        let memory = Memory::own().unwrap();
        let words = [7u64, 8, 9];
        let mut read = [0; 3];
        assert!(memory.read(words.as_ptr().addr() as u64, &mut read));
        assert_eq!(read, words);
        assert!(!memory.read(8, &mut read));
        let mut entry = [0];
        let page = words.as_ptr().addr() / rustix::param::page_size();
        assert_eq!(memory.pages().entries(page as u64, &mut entry), 1);
        assert!(Entry(entry[0]).is_there());
        let text = own_mappings().unwrap();
        assert!(mappings::each(text.as_slice()).any(|it| it.name == b"[stack]"));
    }
}
