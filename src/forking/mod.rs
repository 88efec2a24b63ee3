//! Feature: a fork of uWSGI's as CPython and the signals want it, a warm application to inherit, and
//! nothing that two processes must not share.

pub mod check;
pub mod fork;
mod report;
pub mod warmup;
