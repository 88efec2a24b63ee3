//! What every process shares, and where that can be read.

pub mod instance_info;
pub mod json;
pub mod prometheus;
pub mod slot;
pub mod slots;
