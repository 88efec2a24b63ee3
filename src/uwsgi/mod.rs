//! All that is known of uWSGI.

#![allow(unsafe_code, reason = "a host: uWSGI's functions, structs and slots")]

pub mod abi;
mod elf;
pub mod header;
pub mod hooks;
pub mod host;
mod locks;
pub mod log;
pub mod logvars;
pub mod metrics;
mod note;
pub mod python_plugin;
pub mod relocations;
pub mod rpc;
