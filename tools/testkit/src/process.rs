//! Signals to processes and waiting for their end, by pid.

use crate::patience::patient;
use rustix::{
    event::{poll, PollFd, PollFlags, Timespec},
    io::Errno,
    process::{geteuid, kill_process, kill_process_group, pidfd_open, Pid, PidfdFlags, Signal},
};
use std::time::{Duration, Instant};

/// Whether this process may do what only root may.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Sends a signal to one process.
pub(crate) fn signal(pid: i32, number: i32) {
    let signal = Signal::from_named_raw(number)
        .unwrap_or_else(|| panic!("there is no signal of number {number}"));
    kill_process(to_pid(pid), signal)
        .unwrap_or_else(|error| panic!("signal {number} to process {pid}: {error}"));
}

/// Kills all that is left of a process group.
pub(crate) fn kill_group(leader: i32) {
    // An error means that nobody is left, which is what was wanted.
    let _ = kill_process_group(to_pid(leader), Signal::KILL);
}

/// Whether the process ended within the limit; a zombie counts as ended.
pub(crate) fn ended_within(pid: i32, limit: Duration) -> bool {
    let pidfd = match pidfd_open(to_pid(pid), PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(Errno::SRCH) => return true,
        Err(error) => panic!("pidfd_open({pid}): {error}"),
    };
    let deadline = Instant::now() + patient(limit);
    loop {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now()))
            .expect("a limit of seconds fits");
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return ready > 0,
            Err(Errno::INTR) => {}
            Err(error) => panic!("poll on process {pid}: {error}"),
        }
    }
}

fn to_pid(pid: i32) -> Pid {
    Pid::from_raw(pid)
        .filter(|_| pid > 0)
        .unwrap_or_else(|| panic!("{pid} is no process"))
}
