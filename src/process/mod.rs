//! All that is known of a process on Linux: what is loaded into it, and how it ends.

pub mod deadline;
pub mod leave;
pub mod libraries;
pub mod object;
pub mod pages;
pub mod signals;
pub mod textfile;
