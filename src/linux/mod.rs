//! All that is known of Linux: memory as /proc tells it, signals, timers, what is loaded.

pub mod clock;
pub mod deadline;
pub mod ksm;
pub mod libraries;
pub mod loaded;
pub mod mapping;
pub mod mmap_vec;
pub mod process;
pub mod reader;
pub mod sampler;
pub mod signals;
pub mod smaps;
pub mod textfile;
