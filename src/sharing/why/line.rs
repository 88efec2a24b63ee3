//! What was found, as a line of the log. Sizes in megabytes.

use std::fmt::{self, Display};

use super::answer::Answer;

/// How many things that lie on copied pages are named.
const MOST: usize = 5;

/// A size with one digit behind the point.
struct Megabytes(u64);

impl Display for Megabytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", self.0 as f64 / 1_048_576.0)
    }
}

impl Answer<'_> {
    /// `8.2 MB private: 1.1 new, 7.1 copied by reference counts 6.0, collection 0.0, writes 1.1, unknown 0.0;
    /// on the copied pages: shop.Product 3.0, dict 1.2`
    pub fn line(&self) -> String {
        let (private, copied) = (self.survey.private(), self.survey.copied_bytes());
        let mut line = format!(
            "{} MB private: {} new, {} copied",
            Megabytes(private),
            Megabytes(private - copied),
            Megabytes(copied)
        );
        if let Some(scan) = self.scan.as_ref().filter(|_| copied > 0) {
            let causes = &scan.causes;
            line += &format!(
                " by reference counts {}, collection {}, writes {}, unknown {}; on the copied pages: ",
                Megabytes(causes.reference_counts),
                Megabytes(causes.collection),
                Megabytes(causes.writes),
                Megabytes(causes.unknown)
            );
            line += &self.things().join(", ");
        }
        if !self.missing.is_empty() {
            line += &format!(" ({})", self.missing);
        }
        line
    }

    /// What lies on copied pages, the most first.
    fn things(&self) -> Vec<String> {
        let Some(scan) = &self.scan else {
            return Vec::new();
        };
        let classes = scan.classes.by_bytes().into_iter().zip(&self.names);
        let mut things: Vec<(&str, u64)> = vec![
            ("code", scan.code),
            ("filled holes", scan.free_blocks),
            ("malloc", scan.malloc),
            ("other", scan.other),
        ];
        things.extend(classes.map(|(class, name)| (name.as_str(), class.bytes)));
        things.retain(|(_, bytes)| *bytes > 0);
        things.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let most = things.iter().take(MOST);
        most.map(|(name, bytes)| format!("{name} {}", Megabytes(*bytes)))
            .collect()
    }
}
