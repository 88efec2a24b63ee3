//! All that is known of a process's memory on Linux.

pub mod ksm;
pub mod reader;
pub mod sampler;
pub mod shared;
pub mod smaps;
