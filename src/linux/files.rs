//! Files of /proc/PID that tell of memory: how they are opened, and read.

use std::{ffi::c_int, os::fd::AsFd, os::fd::OwnedFd, slice};

use rustix::{
    fs::{open, Mode, OFlags},
    io::{pread, Errno},
};

/// Opens one for reading.
pub fn opened(path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Tries it, and once more while the process may be traced: one that gave up its privileges owns those
/// files of its own only then. What stood before is put back. (Where it is 2, of the sysctl
/// `fs.suid_dumpable`, that could not be: it is left alone.)
pub fn while_dumpable<T>(body: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    let prctl = |option: c_int, value: libc::c_ulong| {
        // SAFETY: prctl(2), PR_GET_DUMPABLE and PR_SET_DUMPABLE: numbers only.
        unsafe { libc::prctl(option, value, 0, 0, 0) }
    };
    match body() {
        Err(Errno::ACCESS | Errno::PERM) if prctl(libc::PR_GET_DUMPABLE, 0) == 0 => {
            prctl(libc::PR_SET_DUMPABLE, 1);
            let answer = body();
            prctl(libc::PR_SET_DUMPABLE, 0);
            answer
        }
        answer => answer,
    }
}

/// Reads words from that place on; how many there were.
pub fn fill(file: impl AsFd, offset: u64, into: &mut [u64]) -> usize {
    // SAFETY: the same memory as bytes, of which every value is a number.
    let bytes =
        unsafe { slice::from_raw_parts_mut(into.as_mut_ptr().cast::<u8>(), size_of_val(into)) };
    let mut done = 0;
    while done < bytes.len() {
        match pread(&file, &mut bytes[done..], offset + done as u64) {
            Ok(got) if got > 0 => done += got,
            Err(Errno::INTR) => {}
            _ => break,
        }
    }
    done / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_once_is_tried_while_dumpable() {
        let tries = std::cell::Cell::new(0);
        let answer = while_dumpable(|| {
            tries.set(tries.get() + 1);
            Err::<(), _>(Errno::ACCESS)
        });
        // A process of a test may be traced as it is.
        assert_eq!((answer, tries.get()), (Err(Errno::ACCESS), 1));
        assert_eq!(while_dumpable(|| Ok(7)), Ok(7));
    }
}
