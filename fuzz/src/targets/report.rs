//! Labels in the text file.

use super::shape;
use crate::labels::{with_instance, Label};

/// The label and the rest of a line that begins with one.
fn label_of(text: &str) -> Option<(String, &str)> {
    let (_, rest) = text.split_once("=\"")?;
    let (mut value, mut characters) = (String::new(), rest.char_indices());
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &rest[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                c @ ('"' | '\\') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

/// A report stays one line a number, and whoever reads its labels gets what was written.
pub(super) fn textfile(input: &[u8]) -> u64 {
    let value = String::from_utf8_lossy(input);
    let report = format!(
        "# TYPE a gauge\na{{version=\"{}\"}} 1\nb 0\n",
        Label(&value)
    );
    let labelled = with_instance(&report, &value).expect("a text takes all");
    let lines: Vec<&str> = labelled.split('\n').collect();
    assert_eq!(lines.len(), 4, "{labelled:?}");
    assert_eq!((lines[0], lines[3]), ("# TYPE a gauge", ""));
    let (instance, rest) = label_of(lines[1]).expect("a label");
    let (version, rest) = label_of(rest).expect("another");
    assert_eq!((&*instance, &*version, rest), (&*value, &*value, "} 1"));
    let (instance, rest) = label_of(lines[2]).expect("a label");
    assert_eq!((&*instance, rest), (&*value, "} 0"));
    shape(labelled.len().checked_ilog2())
}
