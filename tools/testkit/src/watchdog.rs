//! What cleans up after a test process that was killed.

use std::{
    io::{self, PipeWriter},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

/// A shell in uWSGI's process group that kills the group as soon as the test
/// process is gone, however it went: what `Drop` cannot do after a SIGKILL.
#[derive(Debug)]
pub(crate) struct Watchdog {
    pub(crate) shell: Child,
    /// Closed by the kernel when this process ends.
    _leash: PipeWriter,
}

impl Watchdog {
    /// Over the process group of that leader.
    pub(crate) fn over_group(leader: i32) -> io::Result<Self> {
        let (end, leash) = io::pipe()?;
        let shell = Command::new("/bin/sh")
            .args(["-c", "read _; kill -9 0"])
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
