//! Feature: a fork of uWSGI's as CPython and the signals want it.

pub mod fork;
