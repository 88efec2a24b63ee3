//! The memory of a process, read through /proc: a page that is looked at this way is not copied, and
//! one that is gone is an error instead of a crash.

use std::{io, os::fd::OwnedFd, slice};

use rustix::{
    fs::{open, Mode, OFlags},
    io::{pread, Errno},
};

use super::mmap_vec::MmapVec;

/// What a process holds. It reads as it is at that time, and as empty once the process is gone or has
/// started another program.
pub struct Memory {
    bytes: OwnedFd,
    pages: OwnedFd,
}

impl Memory {
    /// That of another process, where the kernel lets this one look: to root, or to a process of the same
    /// user that has not dropped privileges (ptrace(2), access mode checking).
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self {
            bytes: opened(format!("/proc/{pid}/mem"))?,
            pages: opened(format!("/proc/{pid}/pagemap"))?,
        })
    }

    /// That of the calling process.
    pub fn own() -> io::Result<Self> {
        let both = || {
            Ok(Self {
                bytes: opened(c"/proc/self/mem")?,
                pages: opened(c"/proc/self/pagemap")?,
            })
        };
        match both() {
            Err(Errno::ACCESS | Errno::PERM) => Ok(while_dumpable(both)?),
            answer => Ok(answer?),
        }
    }

    /// Reads words from an address; whether all are there.
    pub fn read(&self, address: u64, into: &mut [u64]) -> bool {
        fill(&self.bytes, address, into) == into.len()
    }

    /// The entries of the pages from that number on (see [`Entry`](super::pagemap::Entry)); how many.
    pub fn entries(&self, page: u64, into: &mut [u64]) -> usize {
        fill(&self.pages, page * 8, into)
    }
}

/// How many words could be read there.
fn fill(file: &OwnedFd, offset: u64, into: &mut [u64]) -> usize {
    // SAFETY: the same memory as bytes, of which every value is a number.
    let bytes =
        unsafe { slice::from_raw_parts_mut(into.as_mut_ptr().cast::<u8>(), size_of_val(into)) };
    let mut done = 0;
    while done < bytes.len() {
        match pread(file, &mut bytes[done..], offset + done as u64) {
            Ok(got) if got > 0 => done += got,
            Err(Errno::INTR) => {}
            _ => break,
        }
    }
    done / 8
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

fn opened(path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// A process that gave up its privileges owns such files of its own only while it may be traced.
fn while_dumpable<T>(body: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    // SAFETY: prctl(2), PR_SET_DUMPABLE: two numbers.
    let set = |value: libc::c_ulong| unsafe { libc::prctl(libc::PR_SET_DUMPABLE, value, 0, 0, 0) };
    set(1);
    let answer = body();
    set(0);
    answer
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
        assert_eq!(memory.entries(page as u64, &mut entry), 1);
        assert!(Entry(entry[0]).is_there());
        let text = own_mappings().unwrap();
        assert!(mappings::each(text.as_slice()).any(|it| it.name == b"[stack]"));
    }
}
