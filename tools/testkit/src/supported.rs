//! The tables of docs/supported.md, written row by row by the runs that know.

use crate::host::checkout;
use rustix::fs::{flock, FlockOperation};
use std::fs::{self, File};

/// Whether what was tried works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As with uWSGI alone, or better.
    Yes,
    /// uWSGI alone does not do it.
    StockFails,
    /// Not here; the cell says why.
    Skipped,
    /// It does not.
    No,
}

impl Verdict {
    fn text(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::StockFails => "stock fails",
            Self::Skipped => "skipped",
            Self::No => "**no**",
        }
    }
}

/// Puts a row into the table between the marks of that name, in the place of the row that begins with the
/// same cell, or in its alphabetical one. Above the table stands how many rows say yes.
///
/// # Panics
/// If docs/supported.md has no such table.
pub fn tell(table: &str, what: &str, verdict: Verdict, cells: &[String]) {
    let path = checkout().join("docs/supported.md");
    let lock = File::open(&path).expect("docs/supported.md");
    // Tests run side by side.
    flock(&lock, FlockOperation::LockExclusive).expect("a lock");
    let text = fs::read_to_string(&path).expect("docs/supported.md");
    let new = with_row(&text, table, what, verdict, cells)
        .unwrap_or_else(|| panic!("no table {table} in {}", path.display()));
    fs::write(&path, new).expect("docs/supported.md");
}

fn with_row(
    text: &str,
    table: &str,
    what: &str,
    verdict: Verdict,
    cells: &[String],
) -> Option<String> {
    let (start, end) = (format!("<!-- {table} -->\n"), format!("<!-- /{table} -->"));
    let (before, rest) = text.split_once(&start)?;
    let (inside, after) = rest.split_once(&end)?;
    let lines: Vec<&str> = inside
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    let (head, rows) = lines.split_at_checked(2)?;
    let clean = |cell: &String| cell.replace('|', "/").replace('\n', " ");
    let cells: Vec<String> = cells.iter().map(clean).collect();
    let begin = format!("| {what} |");
    let row = format!("{begin} {} | {} |", verdict.text(), cells.join(" | "));
    let mut rows: Vec<&str> = rows.to_vec();
    match rows.iter_mut().find(|old| old.starts_with(&begin)) {
        Some(old) => *old = &row,
        None => rows.push(&row),
    }
    rows.sort_unstable();
    let is = |verdict: Verdict| {
        let cell = format!(" {} ", verdict.text());
        move |row: &&&str| row.split('|').nth(2) == Some(&*cell)
    };
    let yes = rows.iter().filter(is(Verdict::Yes)).count();
    let apart = [
        (Verdict::Skipped, "skipped"),
        (Verdict::StockFails, "where uWSGI alone fails"),
    ];
    let (mut tried, mut besides) = (rows.len(), String::new());
    for (verdict, what) in apart {
        let count = rows.iter().filter(is(verdict)).count();
        tried -= count;
        if count > 0 {
            besides += &format!("; {count} {what}");
        }
    }
    Some(format!(
        "{before}{start}{yes} of {tried}{besides}.\n\n{}\n{}\n{end}{after}",
        head.join("\n"),
        rows.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str =
        "a\n<!-- modes -->\n\n| mode | works | how |\n| --- | --- | --- |\n<!-- /modes -->\nb\n";

    #[test]
    fn rows_are_added_replaced_and_counted() {
        let how = |text: &str| [text.to_owned()];
        let one = with_row(EMPTY, "modes", "second", Verdict::Yes, &how("a|b")).unwrap();
        let two = with_row(&one, "modes", "first", Verdict::No, &how("bad")).unwrap();
        assert!(two.contains("1 of 2.\n"), "{two}");
        let three = with_row(&two, "modes", "first", Verdict::Skipped, &how("none here")).unwrap();
        assert_eq!(
            three,
            "a\n<!-- modes -->\n1 of 1; 1 skipped.\n\n| mode | works | how |\n| --- | --- | --- |\n\
             | first | skipped | none here |\n| second | yes | a/b |\n<!-- /modes -->\nb\n"
        );
        assert!(with_row(&three, "hosts", "first", Verdict::Yes, &[]).is_none());
    }
}
