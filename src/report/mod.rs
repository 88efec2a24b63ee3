//! What is told of processes: numbers, whoever measured them.

pub mod facts;
pub mod farewell;
pub mod json;
pub mod prometheus;
pub mod slot;
pub mod table;
