//! How something grows, in a table and in words.

use crate::results::{Grown, Growth, Scale};

/// The heads of what grows.
pub const HEADS: [&str; 6] = [
    "",
    "workers",
    "preloaded MB",
    "total PSS MB",
    "workers gone s",
    "dip of memory MB",
];

/// How something grows, as a table for the report: a row for each method and size.
pub fn rows(scale: &Scale) -> Vec<[String; 6]> {
    let row = |growth: &Growth, point: &Grown| {
        [
            growth.method.to_owned(),
            point.workers.to_string(),
            format!("{:.0}", point.heap),
            format!("{:.0}", point.total_pss),
            format!("{:.3}", point.leaving),
            format!("{:.0}", point.dip),
        ]
    };
    let methods = scale.methods.iter();
    methods
        .flat_map(|growth| growth.points.iter().map(move |point| row(growth, point)))
        .collect()
}

/// What is to be read from it: the cost of one more, and how many workers a host takes.
pub fn words(scale: &Scale) -> Vec<String> {
    let mut words = Vec::new();
    for growth in &scale.methods {
        let name = growth.method;
        if let Some(line) = growth.line {
            let one_more = scale.over.one_more();
            let fits = growth
                .fits
                .map(|fits| format!("; a host of {:.0} GB takes {fits} workers", growth.host_gb));
            let fits = fits.unwrap_or_default();
            words.push(format!(
                "{name}: {one_more} costs {:.2} MB{fits}",
                line.slope
            ));
        }
        if let Some(why) = &growth.obstacle {
            words.push(format!("{name}: {why}"));
        }
    }
    words
}
