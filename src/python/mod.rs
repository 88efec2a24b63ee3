//! All that is known of CPython.

pub mod api;
pub mod exit;
pub mod gc;
pub mod gc_guard;
pub mod immortal;
pub mod interpreter;
pub mod interpreters;
pub mod object;
