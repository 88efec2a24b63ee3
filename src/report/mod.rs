//! What is told of a process: numbers, whoever measured them.

pub mod farewell;
