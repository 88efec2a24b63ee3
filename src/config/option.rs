//! One option: what uWSGI shows of it, and what a value does.

use std::ffi::CStr;

use super::Config;

/// A value that an option does not take.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid value \"{}\" for option {}, allowed: {allowed}",
    shown(value),
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
    /// `--name`, or the key alone, means `true`.
    pub is_switch: bool,
    /// What is allowed, for the line that refuses a value.
    pub(super) allowed: &'static str,
    pub(super) apply: fn(&mut Config, &str) -> Option<()>,
}

impl Opt {
    /// Puts a value into the configuration; a later one replaces an earlier one, unless it is one
    /// that may be repeated.
    ///
    /// What was no UTF-8 comes with U+FFFD in its place, which no value has: it is refused, as its
    /// meaning is lost.
    pub fn apply(&self, config: &mut Config, value: &str) -> Result<(), OptionError> {
        let value_is_text = !value.contains(char::REPLACEMENT_CHARACTER);
        let applied = value_is_text.then(|| (self.apply)(config, value.trim()));
        applied.flatten().ok_or_else(|| OptionError {
            option: self.name,
            value: value.into(),
            allowed: self.allowed,
        })?;
        config.given.push(self.name);
        Ok(())
    }
}

/// A value as a line of the log shows it: its start, and no character that would end the line or
/// steer a terminal.
fn shown(value: &str) -> String {
    const LONGEST: usize = 200;
    let start: String = value
        .chars()
        .take(LONGEST)
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = (!c.is_control()).then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect();
    if value.chars().nth(LONGEST).is_some() {
        start + ".."
    } else {
        start
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_value_stays_within_its_line() {
        assert_eq!(shown("plain \u{e9}"), "plain \u{e9}");
        assert_eq!(shown("a\nb\x1b[31m\u{85}"), r"a\nb\u{1b}[31m\u{85}");
        assert_eq!(shown(&"x".repeat(200)), "x".repeat(200));
        assert_eq!(shown(&"x".repeat(201)), "x".repeat(200) + "..");
    }
}
