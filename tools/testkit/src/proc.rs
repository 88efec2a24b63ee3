//! What /proc tells of a process. All sizes in bytes.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use crate::{process, until};

/// The memory of one process, summed over its mappings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// Resident.
    pub rss: u64,
    /// Resident, each page divided by the number of its users.
    pub pss: u64,
    /// Used by others too, unchanged since it was read from its file.
    pub shared_clean: u64,
    /// Used by others too, changed or anonymous.
    pub shared_dirty: u64,
    /// Used by this process alone, unchanged.
    pub private_clean: u64,
    /// Used by this process alone, changed or anonymous.
    pub private_dirty: u64,
}

impl Rollup {
    /// All that other processes use too.
    pub fn shared(&self) -> u64 {
        self.shared_clean + self.shared_dirty
    }

    /// All that only this process uses.
    pub fn private(&self) -> u64 {
        self.private_clean + self.private_dirty
    }
}

/// `/proc/PID/smaps_rollup`.
///
/// # Panics
/// If there is no such process, as everywhere in this module.
pub fn rollup(pid: i32) -> Rollup {
    let text = read(pid, "smaps_rollup");
    let size = |name| kilobytes(&text, name);
    Rollup {
        rss: size("Rss:"),
        pss: size("Pss:"),
        shared_clean: size("Shared_Clean:"),
        shared_dirty: size("Shared_Dirty:"),
        private_clean: size("Private_Clean:"),
        private_dirty: size("Private_Dirty:"),
    }
}

/// Page faults so far that needed no disk; a copied page is one of them.
pub fn minor_faults(pid: i32) -> u64 {
    number(&stat(pid)[MINFLT])
}

/// Processor time so far, in user space and in the kernel.
pub fn cpu_seconds(pid: i32) -> f64 {
    let stat = stat(pid);
    let ticks = number(&stat[UTIME]) + number(&stat[STIME]);
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// Processor time so far of all its threads, to the nanosecond: the scheduler's own count (proc(5), schedstat).
///
/// # Panics
/// If the process is gone.
pub fn scheduled_seconds(pid: i32) -> f64 {
    let tasks = format!("/proc/{pid}/task");
    let tasks = fs::read_dir(&tasks).unwrap_or_else(|error| panic!("{tasks}: {error}"));
    let of_task = |task: fs::DirEntry| {
        // A thread that ends meanwhile takes its time with it.
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let nanoseconds = text.split(' ').next().and_then(|n| n.parse::<f64>().ok());
        nanoseconds.unwrap_or_default() / 1e9
    };
    tasks.flatten().map(of_task).sum()
}

/// A size in its `status`, in bytes; `VmHWM` is the most memory that it ever had.
pub fn status(pid: i32, name: &str) -> u64 {
    kilobytes(&read(pid, "status"), &format!("{name}:"))
}

/// Address space.
pub fn vsz(pid: i32) -> u64 {
    number(&stat(pid)[VSIZE])
}

/// How a process that nobody has waited for ended, as wait(2) tells it (proc(5), field 52).
pub fn wait_status(pid: i32) -> i32 {
    let status = &stat(pid)[EXIT_CODE];
    i32::try_from(number(status)).expect("a status is 16 bits")
}

/// Waits until a worker that has answered is done with the request, too: after the answer uWSGI
/// still has things to do, and until then it is busy. Then it sleeps.
///
/// # Panics
/// If it does not within a minute.
pub fn await_idle(worker: i32) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !sleeps(worker) {
        assert!(Instant::now() < deadline, "worker {worker} never sleeps");
        // The kernel tells nobody that a process went to sleep.
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until a worker waits for events: with a second Python thread it may sleep inside of a request, too.
/// Where the kernel does not say for what a process waits, that it sleeps is enough.
///
/// # Panics
/// If it does not within a minute.
pub fn await_waiting(worker: i32) {
    until("worker that waits for events", || {
        let waits_for = fs::read_to_string(format!("/proc/{worker}/wchan")).unwrap_or_default();
        let is_told = waits_for.len() > 1;
        let waits = sleeps(worker) && (!is_told || waits_for.contains("poll"));
        waits.then_some(())
    });
}

/// Whether the process waits for something, or is gone.
pub fn sleeps(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map_or(true, |stat| fields(&stat)[STATE] == "S")
}

/// Whether the process is there and no zombie.
pub fn alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !matches!(fields(&stat)[STATE].as_str(), "Z" | "X"))
}

/// Whether the process ends within the limit, or has ended.
pub fn gone_within(pid: i32, limit: Duration) -> bool {
    process::ended_within(pid, limit)
}

/// Whether the process has a handler of its own for that signal.
pub fn catches(pid: i32, signal: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// The live children, oldest pid first.
pub fn children(pid: i32) -> Vec<i32> {
    let parent = pid.to_string();
    let mut children: Vec<i32> = fs::read_dir("/proc")
        .expect("/proc is mounted")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|child| {
            // A process may end between the listing and this look at it.
            fs::read_to_string(format!("/proc/{child}/stat"))
                .is_ok_and(|stat| fields(&stat)[PPID] == parent)
        })
        .filter(|&child| alive(child))
        .collect();
    children.sort_unstable();
    children
}

/// What the machine has.
pub fn mem_total() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").expect("/proc is mounted");
    kilobytes(&text, "MemTotal:")
}

/// What the machine could still give out without swapping.
pub fn mem_available() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").expect("/proc is mounted");
    kilobytes(&text, "MemAvailable:")
}

// Indexes into `fields`: the numbers of proc(5) less 3.
const STATE: usize = 0;
const PPID: usize = 1;
const MINFLT: usize = 7;
const UTIME: usize = 11;
const STIME: usize = 12;
const VSIZE: usize = 20;
const EXIT_CODE: usize = 49;

fn stat(pid: i32) -> Vec<String> {
    fields(&read(pid, "stat"))
}

/// The fields after the command's name, which may itself hold blanks and `)`.
fn fields(stat: &str) -> Vec<String> {
    let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
    rest.split_whitespace().map(str::to_owned).collect()
}

fn number(field: &str) -> u64 {
    field
        .parse()
        .unwrap_or_else(|error| panic!("{field:?} in /proc: {error}"))
}

fn kilobytes(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .map_or_else(
            || panic!("no {name} in:\n{text}"),
            |size| number(size) * 1024,
        )
}

fn read(pid: i32, file: &str) -> String {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_fields() {
        let fields = fields("12 (a) S (b) R 7 1 1 0 -1 0 345 0");
        assert_eq!(fields[STATE], "R");
        assert_eq!(fields[PPID], "7");
        assert_eq!(fields[MINFLT], "345");
    }

    #[test]
    fn this_process_is_read() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let memory = rollup(pid);
        assert!(alive(pid) && memory.rss >= memory.pss && memory.pss > 0);
        assert_eq!(memory.shared() + memory.private(), memory.rss);
        assert!(minor_faults(pid) > 0 && vsz(pid) > memory.rss && cpu_seconds(pid) >= 0.0);
        assert!(mem_available() > 0);
    }
}
