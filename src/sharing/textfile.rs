//! A small file that is replaced at once: its readers meet the old text or the new, whole.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

/// The path cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct TextFileError {
    /// The path.
    pub path: PathBuf,
    /// What the kernel said.
    pub reason: io::Error,
}

/// Where the text goes.
#[derive(Debug)]
pub struct TextFile {
    path: PathBuf,
    /// The file that this process wrote last, by its number in the file system.
    written: AtomicU64,
    /// The last attempt failed, and the log says so.
    failed: AtomicBool,
}

impl TextFile {
    /// A file at an absolute path, which is not touched yet.
    pub fn new(path: &str) -> Self {
        Self {
            path: path.into(),
            written: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// Tries whether the file can be written, and leaves nothing behind.
    pub fn check(&self) -> Result<(), TextFileError> {
        let is_directory = fs::metadata(&self.path).is_ok_and(|found| found.is_dir());
        let checked = if is_directory {
            Err(rustix::io::Errno::ISDIR.into())
        } else {
            self.draft().map(drop)
        };
        checked.map_err(|reason| TextFileError {
            path: self.path.clone(),
            reason,
        })
    }

    /// Replaces the file. Where that fails the log says so once, until it works again.
    pub fn replace(&self, text: &str) {
        let replaced = self.try_replace(text);
        let failed = replaced.is_err();
        if let (Err(error), false) = (replaced, self.failed.load(Relaxed)) {
            log::warn!("pycow-textfile cannot be written: {error}");
        }
        self.failed.store(failed, Relaxed);
    }

    fn try_replace(&self, text: &str) -> io::Result<()> {
        let mut draft = self.draft()?;
        draft.write_all(text.as_bytes())?;
        // Whatever the umask: it is there to be read by another user.
        let readable_by_all = fs::Permissions::from_mode(0o644);
        draft.as_file().set_permissions(readable_by_all)?;
        let inode = draft.as_file().metadata()?.ino();
        draft.persist(&self.path)?;
        self.written.store(inode, Relaxed);
        Ok(())
    }

    /// A new file beside it: rename(2) stays within one file system, node_exporter reads `*.prom` only,
    /// and two masters never write the same one.
    fn draft(&self) -> io::Result<tempfile::NamedTempFile> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let name = self.path.file_name().unwrap_or_default();
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        tempfile::Builder::new().prefix(&prefix).tempfile_in(folder)
    }

    /// Removes the file, unless another instance has replaced it since.
    pub fn remove(&self) {
        let is_ours = |found: fs::Metadata| found.ino() == self.written.load(Relaxed);
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            // What cannot be removed stays: its age tells.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &tempfile::TempDir) -> (TextFile, PathBuf) {
        let path = dir.path().join("pycow.prom");
        (TextFile::new(path.to_str().unwrap()), path)
    }

    #[test]
    fn the_text_replaces_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = file(&dir);
        file.try_replace("long, long").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "long, long");
        file.try_replace("short").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "short");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        file.remove();
        assert!(!path.exists());
    }

    #[test]
    fn another_instances_file_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (old, path) = file(&dir);
        let (new, _) = file(&dir);
        old.try_replace("old").unwrap();
        new.try_replace("new").unwrap();
        old.remove();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn a_link_in_the_way_is_replaced_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = file(&dir);
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        file.try_replace("text").unwrap();
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = file(&dir);
        file.check().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        fs::create_dir(&path).unwrap();
        assert!(file.check().unwrap_err().to_string().contains("directory"));
        assert!(file.try_replace("text").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(TextFile::new("/nonexistent/pycow.prom").check().is_err());
    }
}
