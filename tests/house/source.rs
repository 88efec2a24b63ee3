//! Rust's source as far as the house needs it: code without comments and texts, and the paths in it.

/// The code alone: comments, texts and characters are gone, and so is the module of unit tests.
pub fn code_of(text: &str) -> String {
    let code = without_comments_and_texts(text);
    match code.find("#[cfg(test)]\nmod tests {") {
        Some(tests) => code[..tests].to_owned(),
        None => code,
    }
}

fn without_comments_and_texts(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let passed = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => text_length(rest),
            'r' if !ends_in_word(&code) => raw_text_length(rest),
            '\'' => character_length(rest),
            _ => 0,
        };
        if passed == 0 {
            code.push(c);
        }
        rest = &rest[passed.max(c.len_utf8())..];
    }
    code
}

/// Of `".."` with escapes.
fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return i + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    rest.len()
}

/// Of `r#".."#`, with any number of `#`; 0 if it is none.
fn raw_text_length(rest: &str) -> usize {
    let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
    let Some(inside) = rest[1 + hashes..].strip_prefix('"') else {
        return 0;
    };
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - inside.len();
    inside
        .find(&end)
        .map_or(rest.len(), |at| start + at + end.len())
}

/// Of `'x'` or `'\n'`; 0 for a lifetime.
fn character_length(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        // The escaped character may be a quote.
        Some((_, '\\')) => rest[3..].find('\'').map_or(0, |end| 3 + end + 1),
        Some(_) => match chars.next() {
            Some((i, '\'')) => i + 1,
            _ => 0,
        },
        None => 0,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn ends_in_word(code: &str) -> bool {
    code.ends_with(is_word)
}

/// Whether a word stands in the code.
pub fn has_word(code: &str, word: &str) -> bool {
    code.split(|c| !is_word(c)).any(|one| one == word)
}

/// All paths of `use` items, their braces resolved, and all others that begin with `crate` or `super`.
pub fn paths_in(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut others = String::new();
    for line in code.split_inclusive(';') {
        // A `use` stands at the end of what a semicolon ends: other items may come before it.
        match start_of_use(line) {
            Some(start) => {
                others.push_str(&line[..start]);
                let item = line[start..].trim_end_matches(';');
                let tree = item.split_once("use ").map_or("", |(_, tree)| tree);
                expand(tree, &[], &mut paths);
            }
            None => others.push_str(line),
        }
    }
    for root in ["crate::", "super::"] {
        let inner = |at: usize| ends_in_word(&others[..at]) || others[..at].ends_with("super::");
        for (at, _) in others.match_indices(root).filter(|(at, _)| !inner(*at)) {
            let path = others[at..].split(|c| !is_word(c) && c != ':').next();
            paths.push(segments(path.unwrap_or_default()));
        }
    }
    paths
}

/// Where the last line begins that is a `use`, with or without `pub`.
fn start_of_use(item: &str) -> Option<usize> {
    let starts = [0]
        .into_iter()
        .chain(item.match_indices('\n').map(|(at, _)| at + 1));
    starts
        .rev()
        .find(|start| is_use(item[*start..].trim_start()))
}

fn is_use(line: &str) -> bool {
    let after_pub = line.strip_prefix("pub").map(|rest| {
        let rest = rest.trim_start();
        let scope = rest
            .starts_with('(')
            .then(|| rest.split_once(')'))
            .flatten();
        scope.map_or(rest, |(_, rest)| rest).trim_start()
    });
    after_pub.unwrap_or(line).starts_with("use ")
}

/// `a::{b, c::{d, e as f}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expand(tree: &str, before: &[String], paths: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some((head, inside)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        paths.push([before, &segments(path)].concat());
        return;
    };
    let before = [before, &segments(head)].concat();
    let inside = inside.trim_end();
    let inside = inside.strip_suffix('}').unwrap_or(inside);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inside[start..at].trim().is_empty() {
                    expand(&inside[start..at], &before, paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

fn segments(path: &str) -> Vec<String> {
    let words = path
        .split("::")
        .map(str::trim)
        .filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}
