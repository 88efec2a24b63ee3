//! One option: what uWSGI shows of it, and what a value does.

use std::ffi::CStr;

use super::Config;

/// A value that an option does not take.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid value \"{value}\" for option {}, allowed: {allowed}",
    option.to_string_lossy()
)]
pub struct OptionError {
    pub(super) option: &'static CStr,
    pub(super) value: String,
    pub(super) allowed: &'static str,
}

/// One option: what uWSGI shows in `--help`, and what a value does to the configuration.
#[derive(Debug)]
pub struct Opt {
    /// The ini key; `--name` on the command line.
    pub name: &'static CStr,
    /// A line for `--help`.
    pub help: &'static CStr,
    /// `--name` alone means `true`.
    pub is_switch: bool,
    /// What is allowed, for the line that refuses a value.
    pub(super) allowed: &'static str,
    pub(super) apply: fn(&mut Config, &str) -> Option<()>,
}

impl Opt {
    /// Puts a value into the configuration; a later one replaces an earlier one, unless it is one
    /// that may be repeated.
    pub fn apply(&self, config: &mut Config, value: &str) -> Result<(), OptionError> {
        (self.apply)(config, value.trim()).ok_or_else(|| OptionError {
            option: self.name,
            value: value.into(),
            allowed: self.allowed,
        })
    }
}
