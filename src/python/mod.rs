//! All that is known of CPython.

#![allow(unsafe_code, reason = "a host: CPython's functions and objects")]

pub mod api;
pub mod blocks;
pub mod buffer;
pub mod code;
pub mod configured;
pub mod exit;
pub mod files;
pub mod fork;
pub mod garbage;
pub mod gc;
pub mod gc_callbacks;
pub mod gc_methods;
pub mod heap;
pub mod interpreter;
pub mod interpreter_list;
pub mod interpreters;
pub mod marked;
pub mod object;
pub mod refcount;
pub mod reference;
pub mod sample;
pub mod script;
pub mod termination;
pub mod threads;
pub mod tracked;
pub mod walk;
