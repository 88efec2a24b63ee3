//! All that is known of Linux: memory as /proc tells it, signals, timers, what is loaded.

#![allow(
    unsafe_code,
    reason = "a host: system calls and glibc that rustix does not wrap"
)]

pub mod channel;
pub mod clock;
pub mod disposition;
pub mod files;
pub mod inventory;
pub mod ksm;
pub mod limits;
pub mod loaded;
pub mod malloc;
pub mod mapping;
pub mod mappings;
pub mod memory;
pub mod mmap_vec;
pub mod pagemap;
pub mod process;
pub mod signals;
pub mod smaps;
pub mod sockets;
pub mod stand_in;
pub mod statm;
pub mod termination;
pub mod time_limit;
pub mod usage;
pub mod waits;
