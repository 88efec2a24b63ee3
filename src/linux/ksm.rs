//! Kernel samepage merging for a whole process (prctl(2), Linux 6.4 and newer).

use std::{
    ffi::{c_int, c_ulong},
    fmt, fs, io,
};

/// `PR_SET_MEMORY_MERGE` (include/uapi/linux/prctl.h).
const SET_MEMORY_MERGE: c_int = 67;
/// Whether ksmd runs (Documentation/admin-guide/mm/ksm.rst).
const RUN: &str = "/sys/kernel/mm/ksm/run";

/// What the kernel's merging daemon does.
#[derive(Debug, PartialEq, Eq)]
enum Daemon {
    /// It runs.
    Runs,
    /// It does not: 0 (stopped) or 2 (stopped, and merged pages were parted).
    Stopped,
    /// `/sys/kernel/mm/ksm/run` cannot be read.
    Unknown,
}

/// The kernel did not take the request.
#[derive(Debug)]
struct Refused(io::Error);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.raw_os_error() {
            Some(libc::EINVAL) => {
                f.write_str("this kernel cannot (it takes Linux 6.4 or newer with CONFIG_KSM)")
            }
            _ => self.0.fmt(f),
        }
    }
}

/// Asks for it, and logs what came of that.
pub fn merge_and_say() {
    match merge() {
        Ok(Daemon::Runs) => log::info!("ksm: the kernel merges equal pages of this instance"),
        Ok(Daemon::Stopped) => log::warn!(
            "ksm: the kernel would merge equal pages, but ksmd is off; as root: \
             echo 1 > /sys/kernel/mm/ksm/run"
        ),
        Ok(Daemon::Unknown) => log::warn!(
            "ksm: the kernel took the request, but /sys/kernel/mm/ksm/run cannot be read: \
             whether ksmd runs is not known"
        ),
        Err(refused) => log::warn!("ksm: {refused}"),
    }
}

/// Lets ksmd merge equal pages of this process and of every child that it forks from now on.
fn merge() -> Result<Daemon, Refused> {
    let (on, unused): (c_ulong, c_ulong) = (1, 0);
    // SAFETY: prctl(2): five words, of which the kernel keeps none.
    if unsafe { libc::prctl(SET_MEMORY_MERGE, on, unused, unused, unused) } != 0 {
        return Err(Refused(io::Error::last_os_error()));
    }
    Ok(fs::read_to_string(RUN).map_or(Daemon::Unknown, |text| daemon(&text)))
}

fn daemon(run: &str) -> Daemon {
    match run.trim() {
        "1" => Daemon::Runs,
        "0" | "2" => Daemon::Stopped,
        _ => Daemon::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_is_read_as_the_kernel_writes_it() {
        assert_eq!(daemon("1\n"), Daemon::Runs);
        assert_eq!(daemon("0\n"), Daemon::Stopped);
        assert_eq!(daemon("2\n"), Daemon::Stopped);
        assert_eq!(daemon(""), Daemon::Unknown);
    }
}
