//! What cleans up after a test process that was killed.

use std::{
    io::{self, PipeWriter},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A shell in uWSGI's process group that kills the group as soon as the test
/// process is gone, however it went, and removes its folder: what `Drop` cannot
/// do after a SIGKILL, or ^C.
#[derive(Debug)]
pub(crate) struct Watchdog {
    pub(crate) shell: Child,
    /// Closed by the kernel when this process ends.
    _leash: PipeWriter,
}

impl Watchdog {
    /// Over the process group of that leader, and its folder.
    pub(crate) fn over_group(leader: i32, folder: &Path) -> io::Result<Self> {
        // The shell stays in the group until that is killed, so that the group's number is nobody else's;
        // who kills it is not in it, to go on.
        const CLEAN_UP: &str =
            r#"read _; setsid sh -c 'kill -s KILL -- "-$1"; rm -rf -- "$2"' sh "$1" "$2""#;
        let (end, leash) = io::pipe()?;
        let shell = Command::new("/bin/sh")
            .args(["-c", CLEAN_UP, "sh", &leader.to_string()])
            .arg(folder)
            .process_group(leader)
            .stdin(end)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            shell,
            _leash: leash,
        })
    }
}
