//! The line that a process leaves behind.

use std::{fmt, time::Duration};

const MEGABYTE: f64 = 1024.0 * 1024.0;

/// What became of the hooks.
#[derive(Clone, Copy, Debug)]
pub enum Hooks {
    /// They ran, in that time.
    Ran(Duration),
    /// They ran and the interpreter was torn down, in that time.
    TornDown(Duration),
    /// They did not run, for that reason.
    Skipped(&'static str),
}

impl Hooks {
    /// How long they took, if they ran.
    pub fn took(self) -> Option<Duration> {
        match self {
            Self::Ran(time) | Self::TornDown(time) => Some(time),
            Self::Skipped(_) => None,
        }
    }
}

/// Memory at the end of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Shared right after the fork.
    pub inherited: u64,
    /// Shared now.
    pub shared: u64,
    /// Private now.
    pub private: u64,
}

/// A process that leaves.
#[derive(Debug)]
pub struct ExitLine<Who> {
    /// What it is: "worker 2".
    pub who: Who,
    /// Its process id.
    pub pid: i32,
    /// How many requests it served.
    pub requests: u64,
    /// Its memory, where it could be measured.
    pub memory: Option<Memory>,
    /// What became of its hooks.
    pub hooks: Hooks,
}

impl<Who: fmt::Display> fmt::Display for ExitLine<Who> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, pid, .. } = self;
        write!(
            f,
            "{who} (pid {pid}) leaves after {} requests: ",
            self.requests
        )?;
        if let Some(memory) = &self.memory {
            write!(f, "{memory}, ")?;
        }
        match self.hooks {
            Hooks::Ran(time) => write!(f, "hooks took {:.3} s", time.as_secs_f64()),
            Hooks::TornDown(time) => {
                write!(f, "hooks and teardown took {:.3} s", time.as_secs_f64())
            }
            Hooks::Skipped(reason) => write!(f, "hooks not run: {reason}"),
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: u64| bytes as f64 / MEGABYTE;
        // Pages of files that were touched after the fork are shared, but were not inherited.
        let still = self.shared.min(self.inherited);
        let percent = still as f64 * 100.0 / self.inherited.max(1) as f64;
        write!(
            f,
            "{:.1} of {:.1} MB inherited still shared ({percent:.1}%), {:.1} MB private",
            megabytes(still),
            megabytes(self.inherited),
            megabytes(self.private),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_it_all() {
        let mut line = ExitLine {
            who: "worker 2",
            pid: 77,
            requests: 250,
            memory: Some(Memory {
                inherited: 200 << 20,
                shared: 150 << 20,
                private: 5 << 19,
            }),
            hooks: Hooks::Ran(Duration::from_millis(3)),
        };
        assert_eq!(
            line.to_string(),
            "worker 2 (pid 77) leaves after 250 requests: 150.0 of 200.0 MB inherited still shared \
             (75.0%), 2.5 MB private, hooks took 0.003 s"
        );
        line.memory = None;
        line.hooks = Hooks::Skipped("it is busy");
        assert_eq!(
            line.to_string(),
            "worker 2 (pid 77) leaves after 250 requests: hooks not run: it is busy"
        );
    }
}
