//! All that is known of uWSGI.

pub mod abi;
pub mod header;
pub mod hooks;
pub mod host;
pub mod log;
pub mod logvars;
pub mod metrics;
pub mod rpc;
