//! What stands in a configuration.

use super::{scratch, shape, texts};
use crate::config::{options::OPTIONS, unknown, Config};

/// Options as they are written, a line each.
pub(super) fn option_lines() -> Vec<Vec<u8>> {
    let lines = include_str!("../../corpus/options").lines();
    texts(&lines.collect::<Vec<_>>())
}

/// A value is within its limits, or refused by one line that names the option.
pub(super) fn options(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let (name, value) = text.split_once('=').unwrap_or(("", &text));
    // A file may be anything of this machine's: that is the target of its own.
    if value.trim_start().starts_with('@') {
        return 0;
    }
    let mut outcomes = Vec::new();
    for option in OPTIONS.iter().filter(|option| {
        let known = OPTIONS
            .iter()
            .any(|known| known.name.to_bytes() == name.as_bytes());
        !known || option.name.to_bytes() == name.as_bytes()
    }) {
        let mut config = Config::default();
        let applied = option.apply(&mut config, value);
        if let Err(error) = &applied {
            let line = error.to_string();
            assert!(line.contains(&*option.name.to_string_lossy()), "{line:?}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
            assert!(line.len() < 3000, "{} bytes", line.len());
            assert_eq!(config, Config::default(), "half of a refused value stays");
        }
        check(&config);
        outcomes.push(applied.is_ok());
    }
    shape((outcomes, value.len().checked_ilog2()))
}

/// Whatever was given, the configuration is one that the rest can work with.
fn check(config: &Config) {
    assert!(config.exit_grace <= 86_400);
    assert!(config.exit_timeout <= 86_400);
    assert!(config.sample <= 86_400);
    assert!((1..=86_400).contains(&config.warmup_timeout));
    assert!((1..=1000).contains(&config.warmup_rounds));
    let path = config.textfile.as_deref().unwrap_or("/file");
    assert!(path.starts_with('/') && !path.ends_with('/'));
    for class in &config.mortal {
        assert!(class.contains('.') && !class.contains(char::is_whitespace));
    }
    for target in &config.warmup {
        assert!(!target.is_empty() && !target.contains(char::is_whitespace));
    }
}

/// At most one warning a key.
pub(super) fn unknown_options(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let keys: Vec<&str> = text.split('\n').collect();
    let warnings = unknown::warnings(keys.iter().copied());
    assert!(warnings.len() <= keys.len());
    shape(&warnings)
}

/// Every line of a file is a target, or the whole file is refused.
pub(super) fn warmup_file(input: &[u8]) -> u64 {
    let path = scratch(input);
    let warmup = OPTIONS.iter().find(|option| option.name == c"pycow-warmup");
    let mut config = Config::default();
    let applied = warmup
        .expect("the option")
        .apply(&mut config, &format!("@{}", path.display()));
    check(&config);
    let lines = input.split(|&c| c == b'\n').count();
    assert!(config.warmup.len() <= lines);
    shape((applied.is_ok(), config.warmup.len()))
}
