//! What to do about it, in plain words.

use super::Answer;

/// Less than this, and less than a tenth of what is private, is not worth a word.
const LITTLE: u64 = 1 << 20;

/// What is to be said of one method's answer; `warm`: the application served requests before the fork.
pub fn advice(method: &str, warm: bool, answer: &Answer) -> Vec<String> {
    let is_much = |bytes: u64| bytes >= LITTLE && bytes * 10 >= answer.private;
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1_048_576.0);
    let is = |policy: &str| method.starts_with(policy);
    let mut words = Vec::new();
    let mut say = |bytes: u64, text: String| {
        if is_much(bytes) {
            words.push(format!("{} {text}", megabytes(bytes)));
        }
    };
    let causes = &answer.causes;
    let counts = "were copied because reading an object writes its reference count. ";
    let cure = match is("immortal") {
        true => "These objects stayed mortal: docs/immortal.md says which do, and why.",
        false => "pycow-gc = immortal keeps such pages shared (CPython 3.12 and newer).",
    };
    say(causes.reference_counts, format!("{counts}{cure}"));
    let collected =
        "were copied by the collector, which writes into every object that it looks at. ";
    let cure = match is("freeze") || is("immortal") {
        true => "Something unfroze what was loaded: pycow-gc-guard = true names it.",
        false => "pycow-gc = freeze takes what was loaded out of its sight.",
    };
    say(causes.collection, format!("{collected}{cure}"));
    let filled = "were copied as new objects came into holes that loading had left. ";
    let earlier = match warm {
        true => "Warm more kinds of requests: what is filled before the fork is not filled by every worker.",
        false => "pycow-warmup fills them before the fork.",
    };
    say(answer.copied.free_blocks, format!("{filled}{earlier}"));
    let code = "were copied as code specialised itself when it ran for the first time. ";
    let earlier = match warm {
        true => "Warm more kinds of requests, each at least twice.",
        false => "pycow-warmup runs it before the fork.",
    };
    say(answer.copied.code, format!("{code}{earlier}"));
    let content = causes
        .writes
        .saturating_sub(answer.copied.code + answer.copied.free_blocks);
    let written = "were copied as content was really written";
    match rewritten(answer) {
        Some(class) => say(
            causes.writes,
            format!(
                "{written}, most of it objects of {class}: a class that rewrites itself. Look at which attributes a \
                 request sets; what changes is best kept apart from what does not."
            ),
        ),
        None => {
            let earlier = match warm {
                true => "Warm more kinds of requests: what has grown before the fork is shared.",
                false => "pycow-warmup has them grow before the fork.",
            };
            say(
                content,
                format!(
                    "{written}: tables of dicts and lists, memory of C code, as when caches and counters grow. {earlier}"
                ),
            );
        }
    }
    let made = "are new: workers made them. What all of them make alike, such as a cache that every worker fills or \
                a module that the first request imports, is shared if it is there before the fork: ";
    let earlier = match warm {
        true => "fill it while the application loads, or warm the requests that do.",
        false => "fill it while the application loads, or have pycow-warmup do so.",
    };
    say(answer.new_bytes(), format!("{made}{earlier}"));
    words.extend(answer.missing.clone());
    if words.is_empty() {
        words.push("Nothing stands out.".into());
    }
    words
}

/// The class of the application's own that most of the written pages are put down to.
fn rewritten(answer: &Answer) -> Option<&str> {
    let own = answer
        .copied
        .types
        .iter()
        .find(|one| one.name.contains('.'));
    own.filter(|one| one.bytes * 10 >= answer.causes.writes)
        .map(|one| one.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::why::{Causes, Copied, Mapping, Type};

    fn answer(new: u64, causes: Causes, copied: Copied) -> Answer {
        let all = causes.reference_counts + causes.collection + causes.writes + causes.unknown;
        Answer {
            private: new + all,
            mappings: vec![Mapping {
                name: "python arenas".into(),
                new,
                copied: all,
            }],
            copied,
            causes,
            missing: None,
        }
    }

    fn copied(class: &str, bytes: u64) -> Copied {
        Copied {
            types: vec![Type {
                name: class.into(),
                objects: 1,
                pages: 1,
                bytes,
            }],
            code: 0,
            free_blocks: 0,
            malloc: 0,
            other: 0,
        }
    }

    const MB: u64 = 1 << 20;

    #[test]
    fn each_cause_has_its_cure() {
        let said = |method, warm, of: &dyn Fn(&mut Answer)| {
            let mut answer = answer(0, Causes::default(), copied("dict", 0));
            answer.private = 20 * MB;
            of(&mut answer);
            advice(method, warm, &answer).join("\n")
        };
        let counts = |it: &mut Answer| it.causes.reference_counts = 9 * MB;
        assert!(said("freeze", false, &counts).starts_with("9.0 MB were copied because reading"));
        assert!(said("freeze", false, &counts).contains("pycow-gc = immortal"));
        assert!(said("immortal", false, &counts).contains("stayed mortal"));
        let collection = |it: &mut Answer| it.causes.collection = 9 * MB;
        assert!(said("stock", false, &collection).contains("pycow-gc = freeze"));
        assert!(said("freeze", false, &collection).contains("pycow-gc-guard"));
        let holes = |it: &mut Answer| it.copied.free_blocks = 9 * MB;
        assert!(said("freeze", false, &holes).contains("pycow-warmup fills"));
        assert!(said("freeze+warm", true, &holes).contains("Warm more"));
        let code = |it: &mut Answer| it.copied.code = 9 * MB;
        assert!(said("freeze", false, &code).contains("specialised itself"));
        let new = |it: &mut Answer| it.mappings[0].new = 9 * MB;
        assert!(said("freeze", false, &new).contains("a cache that every worker fills"));
        assert_eq!(said("freeze", false, &|_| ()), "Nothing stands out.");
        let little = |it: &mut Answer| it.causes.reference_counts = MB;
        assert_eq!(said("freeze", false, &little), "Nothing stands out.");
    }

    #[test]
    fn a_class_that_rewrites_itself_is_named() {
        let written = Causes {
            writes: 9 * MB,
            ..Causes::default()
        };
        let own = advice(
            "immortal",
            false,
            &answer(0, written.clone(), copied("shop.Product", 8 * MB)),
        );
        assert!(
            own[0].contains("objects of shop.Product: a class that rewrites itself"),
            "{own:?}"
        );
        let builtin = advice(
            "immortal",
            false,
            &answer(0, written, copied("dict", 8 * MB)),
        );
        assert!(
            builtin[0].contains("as when caches and counters grow"),
            "{builtin:?}"
        );
    }
}
