//! The line that a process leaves behind.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use crate::plugin::Role;

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
    /// They did not end within so many seconds.
    CutOff(u32),
}

impl Hooks {
    /// How long they took, if they ran.
    pub fn took(self) -> Option<Duration> {
        match self {
            Self::Ran(time) | Self::TornDown(time) => Some(time),
            Self::Skipped(_) | Self::CutOff(_) => None,
        }
    }
}

/// Memory at the end of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Shared right after the fork; none where the process loaded its applications itself.
    pub inherited: Option<u64>,
    /// Shared now.
    pub shared: u64,
    /// Private now.
    pub private: u64,
}

/// A process that leaves.
#[derive(Debug)]
pub struct ExitLine {
    /// What it is.
    pub who: Role,
    /// Its process id.
    pub pid: i32,
    /// How many requests it served.
    pub requests: u64,
    /// Its memory, where it could be measured.
    pub memory: Option<Memory>,
    /// What became of its hooks.
    pub hooks: Hooks,
}

impl ExitLine {
    /// The line with its prefix and its end, as it is written.
    pub fn bytes(&self) -> LineBuffer {
        let mut line = LineBuffer::default();
        // A `LineBuffer` takes what fits and never fails.
        let _ = writeln!(line, "[pycow] {self}");
        line
    }
}

/// A line of text on the stack; what does not fit is cut. Async-signal-safe.
pub struct LineBuffer {
    bytes: [u8; 400],
    used: usize,
}

impl Default for LineBuffer {
    fn default() -> Self {
        Self {
            bytes: [0; 400],
            used: 0,
        }
    }
}

impl LineBuffer {
    /// The text so far.
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

impl Write for LineBuffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = text.len().min(self.bytes.len() - self.used);
        self.bytes[self.used..self.used + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.used += fits;
        Ok(())
    }
}

impl fmt::Display for ExitLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            who, pid, requests, ..
        } = self;
        let plural = if *requests == 1 { "" } else { "s" };
        write!(
            f,
            "{who} (pid {pid}) leaves after {requests} request{plural}: "
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
            Hooks::CutOff(seconds) => write!(f, "hooks cut off after {seconds} s"),
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: u64| bytes as f64 / MEGABYTE;
        match self.inherited {
            Some(inherited) => {
                // Pages of files that were touched after the fork are shared, but were not inherited.
                let still = self.shared.min(inherited);
                write!(
                    f,
                    "{:.1} of {:.1} MB inherited still shared ({:.1}%)",
                    megabytes(still),
                    megabytes(inherited),
                    still as f64 * 100.0 / inherited.max(1) as f64,
                )?;
            }
            None => write!(f, "{:.1} MB shared", megabytes(self.shared))?,
        }
        write!(f, ", {:.1} MB private", megabytes(self.private))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_it_all() {
        let mut line = ExitLine {
            who: Role::Worker(2),
            pid: 77,
            requests: 250,
            memory: Some(Memory {
                inherited: Some(200 << 20),
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
        line.requests = 1;
        assert_eq!(
            line.to_string(),
            "worker 2 (pid 77) leaves after 1 request: hooks not run: it is busy"
        );
    }
}
