//! Values of options, from text.

use super::Thresholds;

/// As uWSGI reads a switch (`uwsgi_opt_true`), but what is neither is refused. A key alone on a line of an ini
/// comes as an empty text.
pub(super) fn switch(value: &str) -> Option<bool> {
    let is = |word: &&str| value.eq_ignore_ascii_case(word);
    if ["", "true", "on", "yes", "1"].iter().any(is) {
        Some(true)
    } else if ["false", "off", "no", "0"].iter().any(is) {
        Some(false)
    } else {
        None
    }
}

/// Digits only: no sign, no blank.
pub(super) fn whole<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|c| c.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Identifiers with dots between them, two at least.
pub(super) fn class(value: &str) -> Option<String> {
    let is_name = |name: &str| {
        let starts = |c: char| c == '_' || c.is_alphabetic();
        let goes_on = |c: char| c == '_' || c.is_alphanumeric();
        name.starts_with(starts) && name.chars().all(goes_on)
    };
    let is_path = value.contains('.') && value.split('.').all(is_name);
    is_path.then(|| value.to_owned())
}

/// One to three numbers with commas between them.
pub(super) fn thresholds(value: &str) -> Option<Thresholds> {
    let values: Option<Vec<i32>> = value.split(',').map(|part| whole(part.trim())).collect();
    let thresholds = Thresholds::new(&values?)?;
    // 0 would switch collections off: that is the policy `off`, not a threshold.
    (thresholds.values()[0] > 0).then_some(thresholds)
}
