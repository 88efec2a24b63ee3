//! Feature: leaving. Every hook runs, no request is cut off, the interpreter stays as it is.

pub mod birth;
mod decisions;
pub mod exit;
mod exit_line;
pub mod loading;
pub mod safe_points;
pub mod state;
pub mod threads;
