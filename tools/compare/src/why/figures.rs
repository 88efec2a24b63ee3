//! The figures of an answer, for tables.

use serde::Serialize;

use super::{advice::advice, Answer, Told, Type};

/// The heads of [`row`].
pub const HEADS: [&str; 7] = [
    "",
    "private",
    "new",
    "reference counts",
    "collection",
    "writes",
    "unknown",
];

/// How many types are shown; beside them stand four things that have none.
const TYPES: usize = 20;

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1_048_576.0)
}

/// Megabytes: all, new, and copied by cause.
pub fn row(answer: &Answer) -> [String; 6] {
    let causes = &answer.causes;
    [
        answer.private,
        answer.new_bytes(),
        causes.reference_counts,
        causes.collection,
        causes.writes,
        causes.unknown,
    ]
    .map(megabytes)
}

/// What lies on copied pages, the most first: classes, and what has none.
fn things(answer: &Answer) -> Vec<Type> {
    let copied = &answer.copied;
    let thing = |name: &str, bytes| Type {
        name: name.into(),
        objects: 0,
        pages: 0,
        bytes,
    };
    let mut things = copied.types.clone();
    things.extend([
        thing("(code)", copied.code),
        thing("(filled holes)", copied.free_blocks),
        thing("(malloc)", copied.malloc),
        thing(
            "(tables of dicts and lists, libraries' data, stacks)",
            copied.other,
        ),
    ]);
    things.retain(|one| one.bytes > 0);
    things.sort_by_key(|one| std::cmp::Reverse(one.bytes));
    things
}

/// The first of them in one line.
pub fn first_types(answer: &Answer, count: usize) -> String {
    let things = things(answer);
    let first = things.iter().take(count);
    let first = first.map(|one| format!("{} {}", one.name, megabytes(one.bytes)));
    first.collect::<Vec<_>>().join(", ")
}

/// A method as the report shows it.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    method: &'a str,
    what: &'a str,
    obstacle: Option<&'a str>,
    figures: Option<[String; 6]>,
    advice: Vec<String>,
    /// Name, objects, pages, megabytes.
    things: Vec<[String; 4]>,
    /// Name, new and copied megabytes.
    mappings: Vec<[String; 3]>,
}

/// For the report.
pub fn shown(told: &Told) -> Shown<'_> {
    let answer = told.answer.as_ref();
    let count = |number: u64| match number {
        0 => String::new(),
        _ => number.to_string(),
    };
    let thing = |one: Type| {
        [
            one.name,
            count(one.objects),
            count(one.pages),
            megabytes(one.bytes),
        ]
    };
    let things = answer.map(things).unwrap_or_default();
    let mappings = answer
        .into_iter()
        .flat_map(|it| &it.mappings)
        .take(TYPES / 2);
    Shown {
        method: told.method,
        what: told.what,
        obstacle: told.obstacle.as_deref(),
        figures: answer.map(row),
        advice: answer
            .map(|it| advice(told.method, told.method.ends_with("+warm"), it))
            .unwrap_or_default(),
        things: things.into_iter().take(TYPES + 4).map(thing).collect(),
        mappings: mappings
            .map(|one| {
                // Of a path, the file.
                let name = one.name.rsplit('/').next().unwrap_or_default();
                [name.into(), megabytes(one.new), megabytes(one.copied)]
            })
            .collect(),
    }
}
