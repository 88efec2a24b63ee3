//! A small file that is replaced at once: its readers meet the old text or the new, whole.
//!
//! Nothing here allocates once the names are there, so that a thread without a malloc arena may write.

use std::{
    ffi::{c_int, CStr, CString, NulError},
    fmt, io,
};

/// Where the text goes.
#[derive(Debug)]
pub struct TextFile {
    path: CString,
    /// Beside it: rename(2) stays within one file system, and node_exporter reads `*.prom` only.
    draft: CString,
}

impl TextFile {
    /// A file at `path`, which is not touched yet.
    pub fn new(path: &str) -> Result<Self, NulError> {
        Ok(Self {
            path: CString::new(path)?,
            draft: CString::new(format!("{path}.tmp"))?,
        })
    }

    /// Tries whether the file can be written, and leaves nothing behind.
    pub fn check(&self) -> io::Result<()> {
        self.draft().map(drop)?;
        remove(&self.draft);
        if is_directory(&self.path) {
            return Err(io::Error::from_raw_os_error(libc::EISDIR));
        }
        Ok(())
    }

    /// Replaces the file by what `body` writes.
    pub fn replace(&self, body: impl FnOnce(&mut Draft) -> fmt::Result) -> io::Result<()> {
        let mut draft = self.draft()?;
        let written = match body(&mut draft) {
            Ok(()) => draft.flush(),
            Err(fmt::Error) => Err(draft.error.take().unwrap_or(io::ErrorKind::Other.into())),
        };
        drop(draft);
        let renamed = written.and_then(|()| {
            // SAFETY: rename(2) of two NUL-terminated paths.
            result(unsafe { libc::rename(self.draft.as_ptr(), self.path.as_ptr()) })
        });
        if renamed.is_err() {
            remove(&self.draft);
        }
        renamed
    }

    /// Removes the file: what it says is true no more.
    pub fn remove(&self) {
        remove(&self.path);
    }

    /// A new file, whatever stood at its name: nobody else's file or link is ever written to.
    fn draft(&self) -> io::Result<Draft> {
        remove(&self.draft);
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
        const READABLE_BY_ALL: libc::c_uint = 0o644;
        // SAFETY: open(2) with a NUL-terminated path and a mode.
        let file = unsafe { libc::open(self.draft.as_ptr(), flags, READABLE_BY_ALL) };
        result(file).map(|()| Draft {
            file,
            buffer: [0; 4096],
            used: 0,
            error: None,
        })
    }
}

/// The text that is to replace the old one.
#[derive(Debug)]
pub struct Draft {
    file: c_int,
    buffer: [u8; 4096],
    used: usize,
    error: Option<io::Error>,
}

impl Draft {
    fn flush(&mut self) -> io::Result<()> {
        let mut rest = &self.buffer[..self.used];
        while !rest.is_empty() {
            // SAFETY: write(2) reads at most as many bytes as the slice has.
            let wrote = unsafe { libc::write(self.file, rest.as_ptr().cast(), rest.len()) };
            match usize::try_from(wrote) {
                Ok(wrote) => rest = &rest[wrote..],
                Err(_) => return Err(io::Error::last_os_error()),
            }
        }
        self.used = 0;
        Ok(())
    }
}

impl fmt::Write for Draft {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            if self.used == self.buffer.len() {
                self.flush().map_err(|error| {
                    self.error = Some(error);
                    fmt::Error
                })?;
            }
            let fits = rest.len().min(self.buffer.len() - self.used);
            self.buffer[self.used..self.used + fits].copy_from_slice(&rest[..fits]);
            self.used += fits;
            rest = &rest[fits..];
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // SAFETY: close(2) of a descriptor that this value opened.
        unsafe { libc::close(self.file) };
    }
}

/// A line on standard error, which is uWSGI's log, from a thread that may not use that log itself.
pub fn complain(line: &'static str) {
    // SAFETY: write(2) reads the line.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}

fn is_directory(path: &CStr) -> bool {
    // SAFETY: all zeros is a valid place for stat(2) to write to.
    unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        libc::stat(path.as_ptr(), &mut found) == 0 && found.st_mode & libc::S_IFMT == libc::S_IFDIR
    }
}

/// That there is nothing to remove is no error.
fn remove(path: &CStr) {
    // SAFETY: unlink(2) with a NUL-terminated path.
    unsafe { libc::unlink(path.as_ptr()) };
}

fn result(answer: c_int) -> io::Result<()> {
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write, fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn file(dir: &tempfile::TempDir) -> (TextFile, std::path::PathBuf) {
        let path = dir.path().join("pycow.prom");
        (TextFile::new(path.to_str().unwrap()).unwrap(), path)
    }

    #[test]
    fn the_text_replaces_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = file(&dir);
        let long = "0123456789".repeat(1000);
        file.replace(|draft| draft.write_str(&long)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), long);
        file.replace(|draft| draft.write_str("short")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "short");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o44,
            0o44
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        file.remove();
        assert!(!path.exists());
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = file(&dir);
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, format!("{}.tmp", path.display())).unwrap();
        file.replace(|draft| draft.write_str("text")).unwrap();
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = file(&dir);
        file.check().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(file.replace(|_| Err(fmt::Error)).is_err());
        fs::create_dir(&path).unwrap();
        assert_eq!(file.check().unwrap_err().raw_os_error(), Some(libc::EISDIR));
        assert!(file.replace(|_| Ok(())).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let nowhere = TextFile::new("/nonexistent/pycow.prom").unwrap();
        assert_eq!(
            nowhere.check().unwrap_err().raw_os_error(),
            Some(libc::ENOENT)
        );
    }
}
