//! Labels of Prometheus's text format: their escapes, and one that stands in every line.

use std::fmt::{self, Display, Write};

/// A label's value, escaped as the format wants it.
pub struct Label<'a>(pub &'a str);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The same report, with the label `instance` before all others.
pub fn with_instance(report: &str, instance: &str) -> Result<String, fmt::Error> {
    let label = format!("instance=\"{}\"", Label(instance));
    let mut labelled = String::new();
    for line in report.lines() {
        let name = line.find(['{', ' ']).unwrap_or(line.len());
        match (line.as_bytes().first(), line[name..].strip_prefix('{')) {
            (Some(b'#'), _) => writeln!(labelled, "{line}")?,
            (_, Some(rest)) => writeln!(labelled, "{}{{{label},{rest}", &line[..name])?,
            (_, None) => writeln!(labelled, "{}{{{label}}}{}", &line[..name], &line[name..])?,
        }
    }
    Ok(labelled)
}
