//! What the calling process is to uWSGI, decided once, in its first moment.

use std::fmt;

/// A process that serves: uWSGI forked it, or is it itself where there is no master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A worker, by its number from 1.
    Worker(i32),
    /// A mule, by its number from 1.
    Mule(i32),
    /// A spooler.
    Spooler,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(number) => write!(f, "worker {number}"),
            Self::Mule(number) => write!(f, "mule {number}"),
            Self::Spooler => f.write_str("spooler"),
        }
    }
}
