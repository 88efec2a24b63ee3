//! Keys of the configuration that look like pycow's and are not: uWSGI ignores what it does not know,
//! unless it is `strict`.

use super::options::OPTIONS;

/// A line for every key that begins like an option of pycow and is none.
pub fn warnings<'a>(keys: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    keys.into_iter()
        .filter(|key| key.starts_with("pycow-") || key.starts_with("pycow_") || *key == "pycow")
        .filter(|key| names().all(|name| name != *key))
        .map(|key| match nearest(key) {
            Some(name) => format!("unknown option {key} is ignored, did you mean {name}?"),
            None => format!("unknown option {key} is ignored"),
        })
        .collect()
}

fn names() -> impl Iterator<Item = &'static str> {
    OPTIONS
        .iter()
        .filter_map(|option| option.name.to_str().ok())
}

/// The option that is the fewest typing mistakes away, if they are few for a name of that length.
fn nearest(key: &str) -> Option<&'static str> {
    let dashed = key.replace('_', "-");
    let (mistakes, name) = names()
        .map(|name| (distance(&dashed, name), name))
        .min_by_key(|(mistakes, _)| *mistakes)?;
    (mistakes * 3 <= key.len()).then_some(name)
}

/// How many characters have to be put in, taken out or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_counted() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("pycow-gcc", "pycow-gc"), 1);
        assert_eq!(distance("pycow-kms", "pycow-ksm"), 2);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn a_mistyped_option_is_named_with_the_nearest() {
        for (typed, meant) in [
            ("pycow-gcc", "pycow-gc"),
            ("pycow_gc", "pycow-gc"),
            ("pycow-tresholds", "pycow-gc-threshold"),
            ("pycow-exit-timout", "pycow-exit-timeout"),
            ("pycow-kms", "pycow-ksm"),
        ] {
            assert_eq!(
                warnings([typed]),
                [format!(
                    "unknown option {typed} is ignored, did you mean {meant}?"
                )]
            );
        }
    }

    #[test]
    fn what_is_near_to_nothing_is_named_alone() {
        assert_eq!(
            warnings(["pycow-zzzzzzzzzz"]),
            ["unknown option pycow-zzzzzzzzzz is ignored"]
        );
    }

    #[test]
    fn what_is_known_or_not_ours_is_no_matter() {
        let keys = names().chain(["master", "pycowboy", "py-autoreload", "plugin"]);
        assert!(warnings(keys).is_empty());
    }
}
