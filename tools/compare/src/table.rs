//! The figures of a workload as tables, for the terminal and for the report.

use serde::Serialize;

use crate::{
    figure::{self, About, Figure},
    results::{Compared, Measured},
};

/// The figures of one kind, a row for each method.
#[derive(Debug, Serialize)]
pub struct Sheet {
    /// What it is about.
    pub title: &'static str,
    /// One for each figure.
    pub heads: Vec<String>,
    /// By method.
    pub rows: Vec<Line>,
}

/// One method.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Its name.
    pub method: &'static str,
    /// What it does.
    pub what: &'static str,
    /// One for each figure, or none at all.
    pub cells: Vec<Cell>,
}

/// One figure of one method.
#[derive(Debug, Serialize)]
pub struct Cell {
    /// Over the rounds.
    pub median: String,
    /// Smallest and largest.
    pub range: String,
    /// Of stock's, if that is not zero; or that there is no difference.
    pub ratio: Option<Ratio>,
}

/// A figure beside stock's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ratio {
    /// Of the medians.
    Of(String),
    /// The rounds of both overlap: whatever is between the medians may be chance.
    Same,
}

const SHEETS: [(About, &str); 3] = [
    (About::Memory, "Memory, per worker where not said otherwise"),
    (About::Serving, "Serving"),
    (About::Restarting, "Restarting: seconds from SIGHUP"),
];

/// All tables of a workload.
pub fn sheets(compared: &Compared) -> Vec<Sheet> {
    SHEETS
        .iter()
        .map(|&(about, title)| {
            let figures: Vec<&Figure> = figure::ALL
                .iter()
                .filter(|one| one.about == about)
                .collect();
            sheet(title, &figures, compared)
        })
        .collect()
}

/// These figures of every method.
fn sheet(title: &'static str, figures: &[&Figure], compared: &Compared) -> Sheet {
    let stock = compared.methods.first();
    let head = |figure: &&Figure| {
        format!("{} {}", figure.title, figure.unit)
            .trim()
            .to_owned()
    };
    Sheet {
        title,
        heads: figures.iter().map(head).collect(),
        rows: compared
            .methods
            .iter()
            .map(|method| line(method, stock, figures))
            .collect(),
    }
}

/// The figures that tell most, in one table.
pub fn brief(compared: &Compared) -> Sheet {
    const KEYS: [&str; 6] = [
        "shared_start",
        "shared_end",
        "private",
        "total_pss",
        "p99",
        "leaving",
    ];
    let figures: Vec<&Figure> = KEYS
        .iter()
        .filter_map(|key| figure::ALL.iter().find(|one| one.key == *key))
        .collect();
    sheet("In short, memory per worker", &figures, compared)
}

fn line(measured: &Measured, stock: Option<&Measured>, figures: &[&Figure]) -> Line {
    let cell = |figure: &&Figure| {
        let spread = measured.figures.get(figure.key)?;
        let digits = figure.digits;
        let other = stock.filter(|stock| stock.method != measured.method);
        let base = other.and_then(|stock| stock.figures.get(figure.key));
        // One round tells nothing of how much a figure varies. Memory hardly does, times do.
        let base = base.filter(|base| {
            base.median != 0.0 && (measured.rounds.len() > 1 || figure.about == About::Memory)
        });
        Some(Cell {
            median: format!("{:.digits$}", spread.median),
            range: format!("{:.digits$}..{:.digits$}", spread.min, spread.max),
            ratio: base.map(
                |base| match measured.rounds.len() > 1 && spread.overlaps(base) {
                    true => Ratio::Same,
                    false => Ratio::Of(format!("{:.2}", spread.median / base.median)),
                },
            ),
        })
    };
    Line {
        method: measured.method,
        what: measured.what,
        cells: figures.iter().filter_map(cell).collect(),
    }
}

/// What the figures come to: the best that pycow can do, beside stock.
pub fn verdict(compared: &Compared) -> Option<String> {
    let pss = |measured: &Measured| measured.median("total_pss");
    let stock = pss(compared.methods.first()?)?;
    let pycow = compared
        .methods
        .iter()
        .filter(|one| one.what.starts_with("pycow"));
    let (best, least) = pycow
        .filter_map(|one| Some((one, pss(one)?)))
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    let ratio = least / stock;
    Some(if ratio < 0.95 {
        format!(
            "With {} the master and {} workers take {least:.0} MB; stock takes {stock:.0} MB: {ratio:.2} of it.",
            best.what, compared.workers
        )
    } else {
        format!(
            "pycow saves no memory here: {least:.0} MB with {}, {stock:.0} MB with stock.",
            best.what
        )
    })
}
