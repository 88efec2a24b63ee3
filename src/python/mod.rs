//! All that is known of CPython.

pub mod api;
pub mod code;
pub mod exit;
pub mod garbage;
pub mod gc;
pub mod gc_methods;
pub mod heap;
pub mod interpreter;
pub mod interpreters;
pub mod refcount;
pub mod reference;
