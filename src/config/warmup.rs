//! The values of `pycow-warmup`.

use std::{fs::File, io::Read};

/// A file with more bytes is none that somebody wrote: `/dev/zero` has no end.
const LONGEST: u64 = 1 << 20;

/// What is allowed, for the line that refuses a value.
pub const ALLOWED: &str = "a path that begins with /, a URL (http://host/..), module:function, \
                           or @ and the name of a readable file with one of these a line";

/// The targets that a value names: itself, or the lines of the file behind `@`. Blank lines and
/// those that begin with `#` count for nothing.
pub fn targets(value: &str) -> Option<Vec<String>> {
    match value.strip_prefix('@') {
        None => lines(value).filter(|targets| !targets.is_empty()),
        // uWSGI reads its configuration before it changes folder or user.
        Some(file) => lines(&read(file)?),
    }
}

fn read(file: &str) -> Option<String> {
    let (file, mut text) = (File::open(file).ok()?, String::new());
    file.take(LONGEST + 1).read_to_string(&mut text).ok()?;
    (text.len() as u64 <= LONGEST).then_some(text)
}

fn lines(text: &str) -> Option<Vec<String>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| is_target(line).then(|| line.to_owned()))
        .collect()
}

fn is_target(text: &str) -> bool {
    let clean = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    clean && (text.starts_with('/') || is_url(text) || is_function(text))
}

fn is_url(text: &str) -> bool {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

fn is_function(text: &str) -> bool {
    let is_name = |name: &str| {
        let first = name.chars().next().is_some_and(|c| !c.is_numeric());
        first && name.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    let is_dotted = |text: &str| text.split('.').all(is_name);
    text.split_once(':')
        .is_some_and(|(module, function)| is_dotted(module) && is_dotted(function))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_urls_and_functions_are_targets() {
        for target in [
            "/",
            "/de/?page=2",
            "http://shop.example",
            "https://shop.example:8443/a%20b",
            "shop.warm:everything",
            "warm:Pages.all",
        ] {
            assert_eq!(targets(target), Some(vec![target.to_owned()]), "{target}");
        }
    }

    #[test]
    fn what_is_none_of_these_is_refused() {
        for wrong in [
            "",
            "index",
            "ftp://a/",
            "http://",
            "http:///a",
            "a:",
            ":b",
            "a b:c",
            "/a b",
            "a:b:c",
            "1a:b",
            "a:b()",
            "#",
        ] {
            assert_eq!(targets(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_file_has_one_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("paths.txt");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            targets(&format!("@{}", file.display()))
        };
        let lines = read("# pages\n/\n\n  /de/  \nwarm:all\n").unwrap();
        assert_eq!(lines, ["/", "/de/", "warm:all"]);
        assert_eq!(read(""), Some(Vec::new()));
        assert_eq!(read("/\nnot a path\n"), None);
        assert_eq!(
            read(&"/\n".repeat(1 << 19)).map(|all| all.len()),
            Some(1 << 19)
        );
        assert_eq!(read(&"/\n".repeat((1 << 19) + 1)), None);
        for file in ["@/no/such/file", "@/", "@/dev/zero", "@"] {
            assert_eq!(targets(file), None, "{file}");
        }
    }
}
