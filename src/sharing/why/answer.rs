//! What was found, as JSON. Sizes in bytes.

use std::fmt::{self, Write};

use super::{scan::Scan, survey::Survey, NoAnswer};
use crate::sharing::json::Text;

/// How many classes are named.
pub const MOST: usize = 50;

/// All that is told.
pub struct Answer<'a> {
    pub(super) survey: Survey,
    pub(super) scan: Option<Scan<'a>>,
    pub(super) names: Vec<String>,
    pub(super) missing: String,
}

impl<'a> Answer<'a> {
    /// `names`: those of the first classes of `scan`; `missing`: what could not be told, if anything.
    pub fn of(survey: Survey, scan: Option<Scan<'a>>, names: Vec<String>, missing: String) -> Self {
        Self {
            survey,
            scan,
            names,
            missing,
        }
    }

    /// Nothing, and why.
    pub fn error(error: &NoAnswer) -> String {
        format!("{{\"error\":{}}}\n", Text(&error.to_string()))
    }

    /// The JSON.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match self.write(&mut text) {
            Ok(()) => text,
            // A String takes everything.
            Err(fmt::Error) => String::new(),
        }
    }

    fn write(&self, out: &mut impl Write) -> fmt::Result {
        write!(
            out,
            "{{\"private\":{},\"mappings\":[",
            self.survey.private()
        )?;
        let mut mappings: Vec<_> = self.survey.mappings.iter().collect();
        mappings.sort_by_key(|(_, private)| std::cmp::Reverse(private.new + private.copied));
        for (i, (name, private)) in mappings.into_iter().enumerate() {
            write!(
                out,
                "{}{{\"name\":{},\"new\":{},\"copied\":{}}}",
                comma(i),
                Text(name),
                private.new,
                private.copied
            )?;
        }
        out.write_str("],\"copied\":{\"types\":[")?;
        self.types(out)?;
        let (mut code, mut free_blocks, mut malloc) = (0, 0, 0);
        let (mut other, mut causes) = (self.survey.copied_bytes(), Default::default());
        if let Some(scan) = &self.scan {
            (code, free_blocks, malloc) = (scan.code, scan.free_blocks, scan.malloc);
            (other, causes) = (scan.other, scan.causes);
        }
        write!(
            out,
            "],\"code\":{code},\"free_blocks\":{free_blocks},\"malloc\":{malloc},\"other\":{other}}},\
             \"causes\":{{\"reference_counts\":{},\"collection\":{},\"writes\":{},\"unknown\":{}}}",
            causes.reference_counts, causes.collection, causes.writes, causes.unknown
        )?;
        if !self.missing.is_empty() {
            write!(out, ",\"missing\":{}", Text(&self.missing))?;
        }
        out.write_str("}\n")
    }

    /// The classes in falling order; behind those that are named, one entry for all others.
    fn types(&self, out: &mut impl Write) -> fmt::Result {
        let Some(scan) = &self.scan else {
            return Ok(());
        };
        let classes = scan.classes.by_bytes();
        let (named, others) = classes.split_at(self.names.len().min(classes.len()));
        let mut write = |i, name: &str, objects, pages, bytes| {
            write!(
                out,
                "{}{{\"type\":{},\"objects\":{objects},\"pages\":{pages},\"bytes\":{bytes}}}",
                comma(i),
                Text(name)
            )
        };
        for (i, (class, name)) in named.iter().zip(&self.names).enumerate() {
            write(i, name, class.objects, class.pages, class.bytes)?;
        }
        if !others.is_empty() {
            let sum = |of: fn(&super::classes::Found) -> u64| others.iter().map(of).sum::<u64>();
            let name = format!("({} others)", others.len());
            let (objects, pages) = (sum(|it| it.objects), sum(|it| it.pages));
            write(named.len(), &name, objects, pages, sum(|it| it.bytes))?;
        }
        Ok(())
    }
}

fn comma(index: usize) -> &'static str {
    if index > 0 {
        ","
    } else {
        ""
    }
}
