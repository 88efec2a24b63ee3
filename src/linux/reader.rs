//! Reads a process's own smaps through a fixed buffer: no allocation, no lock.

use std::{
    ffi::{c_int, CStr},
    fmt, io,
};

use super::smaps::Usage;

/// Linux 4.14 and newer add the mappings up themselves.
const ROLLUP: &CStr = c"/proc/self/smaps_rollup";
const EVERY_MAPPING: &CStr = c"/proc/self/smaps";

/// Why the memory could not be read: the path and what the kernel said.
#[derive(Debug)]
pub struct Unreadable {
    path: &'static CStr,
    error: io::Error,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.to_string_lossy(), self.error)
    }
}

/// The memory of the calling process; a process may always read its own, also after it gave up
/// its privileges. Takes 0.13 ms for a process of 19 MB, 3.3 ms for one of 1 GB.
pub fn own() -> Result<Usage, Unreadable> {
    sum(ROLLUP).or_else(|_| sum(EVERY_MAPPING))
}

fn sum(path: &'static CStr) -> Result<Usage, Unreadable> {
    let failed = |error| Unreadable { path, error };
    let file = File::open(path).map_err(failed)?;
    let mut lines = Lines::default();
    let mut usage = Usage::default();
    while file.fill(&mut lines).map_err(failed)? {
        lines.drain(|line| usage.add_line(line));
    }
    Ok(usage)
}

/// A file descriptor, closed when dropped. (`std::fs::File` would do, but its `open` allocates for
/// long paths and it is not said that it never will for short ones.)
struct File(c_int);

impl File {
    fn open(path: &CStr) -> io::Result<Self> {
        // SAFETY: open(2) with a NUL-terminated path.
        let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(fd))
    }

    /// Adds what comes next; false at the end of the file.
    fn fill(&self, lines: &mut Lines) -> io::Result<bool> {
        loop {
            let free = &mut lines.buffer[lines.used..];
            // SAFETY: read(2) writes at most as many bytes as the slice has.
            let got = unsafe { libc::read(self.0, free.as_mut_ptr().cast(), free.len()) };
            if got >= 0 {
                lines.used += got as usize;
                return Ok(got > 0);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: close(2) of a descriptor that this value opened.
        unsafe { libc::close(self.0) };
    }
}

/// What was read and not yet taken: whole lines and the beginning of the next.
struct Lines {
    buffer: [u8; 4096],
    used: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            buffer: [0; 4096],
            used: 0,
        }
    }
}

impl Lines {
    /// Hands out every whole line. A line longer than the buffer (a mapping's path) is handed out in
    /// pieces, which no reader of fields mistakes for one.
    fn drain(&mut self, mut take: impl FnMut(&[u8])) {
        let mut start = 0;
        while let Some(length) = self.buffer[start..self.used]
            .iter()
            .position(|&c| c == b'\n')
        {
            take(&self.buffer[start..start + length]);
            start += length + 1;
        }
        if start == 0 && self.used == self.buffer.len() {
            start = self.used;
        }
        self.buffer.copy_within(start..self.used, 0);
        self.used -= start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollup_and_mappings_agree() {
        let (rollup, mappings) = (sum(ROLLUP).unwrap(), sum(EVERY_MAPPING).unwrap());
        let (a, b) = (
            rollup.shared + rollup.private,
            mappings.shared + mappings.private,
        );
        assert!(a.abs_diff(b) < a / 10, "{rollup:?} {mappings:?}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = sum(c"/proc/self/no_such_file").unwrap_err().to_string();
        assert!(
            error.starts_with("/proc/self/no_such_file: No such file"),
            "{error}"
        );
    }

    #[test]
    fn lines_survive_the_edges_of_the_buffer() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for piece in [
            &b"Pss: 1 kB\nPs"[..],
            b"s: 2 kB\n",
            &[b'x'; 4096],
            b"y\nPss: 3 kB\n",
        ] {
            let mut rest = piece;
            while !rest.is_empty() {
                let fits = rest.len().min(lines.buffer.len() - lines.used);
                lines.buffer[lines.used..lines.used + fits].copy_from_slice(&rest[..fits]);
                lines.used += fits;
                rest = &rest[fits..];
                lines.drain(|line| seen.push(line.to_vec()));
            }
        }
        let fields: Vec<_> = seen.iter().filter(|line| line.starts_with(b"P")).collect();
        assert_eq!(fields, [b"Pss: 1 kB", b"Pss: 2 kB", b"Pss: 3 kB"]);
    }
}
