//! How a process leaves.

pub mod exit_line;
