//! The figures as tables: for the terminal, and as the report shows them.

use comfy_table::{presets, CellAlignment, ContentArrangement, Row, Table, TableComponent};
use serde::Serialize;

use crate::{
    figure::{self, About, Figure},
    progress::tell,
    results::{Compared, Grown, Growth, Measured, Scale},
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

/// The heads of what grows.
pub const GROWTH_HEADS: [&str; 6] = [
    "",
    "workers",
    "preloaded MB",
    "total PSS MB",
    "workers gone s",
    "dip of memory MB",
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
fn brief(compared: &Compared) -> Sheet {
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

/// Prints all tables of a workload.
pub fn print(compared: &Compared) {
    print_sheets(compared, sheets(compared));
}

/// Prints one table of a workload: the figures that tell most.
pub fn print_brief(compared: &Compared) {
    print_sheets(compared, vec![brief(compared)]);
}

fn print_sheets(compared: &Compared, sheets: Vec<Sheet>) {
    let rounds = compared.rounds();
    tell!(
        "\n{}: {} workers, {} requests; {}",
        compared.title,
        compared.workers,
        compared.requests,
        if rounds > 1 {
            "medians with min..max, x: of stock, ~: no difference, the ranges overlap"
        } else {
            "one round, x: of stock"
        }
    );
    for sheet in sheets {
        tell!("\n{}", sheet.title);
        let mut table = Table::new();
        table.set_header([String::new()].into_iter().chain(sheet.heads));
        for line in sheet.rows {
            let mut row = Row::from([line.method]);
            for cell in line.cells {
                let ratio = match cell.ratio {
                    Some(Ratio::Of(ratio)) => format!("  x{ratio}"),
                    Some(Ratio::Same) => "  ~".into(),
                    None => String::new(),
                };
                // Of one round there is no range.
                let range = if rounds > 1 {
                    format!("\n{}", cell.range)
                } else {
                    String::new()
                };
                row.add_cell(format!("{}{ratio}{range}", cell.median).into());
            }
            if row.cell_count() == 1 {
                row.add_cell("skipped".into());
            }
            table.add_row(row);
        }
        show(table);
    }
    tell!();
    for measured in &compared.methods {
        if let Some(why) = &measured.obstacle {
            let first = why.lines().next().unwrap_or_default();
            tell!("{}: {first}", measured.method);
        }
    }
    if let Some(verdict) = verdict(compared) {
        tell!("{verdict}\n");
    }
    if let Some(busy) = compared.busy() {
        tell!("{busy}\n");
    }
}

/// How something grows, as a table for the report: a row for each method and size.
pub fn growth_rows(scale: &Scale) -> Vec<[String; 6]> {
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
pub fn growth_words(scale: &Scale) -> Vec<String> {
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

/// Prints how something grows.
pub fn print_scales(scales: &[Scale]) {
    for scale in scales {
        tell!("\n{}", scale.title);
        let mut table = Table::new();
        table.set_header(GROWTH_HEADS);
        for row in growth_rows(scale) {
            table.add_row(row);
        }
        show(table);
        tell!();
        growth_words(scale).iter().for_each(|word| tell!("{word}"));
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

/// Prints it: a line under the head, figures to the right.
fn show(mut table: Table) {
    table
        .load_preset(presets::NOTHING)
        .set_style(TableComponent::HeaderLines, '-')
        .set_content_arrangement(ContentArrangement::Disabled);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for line in table.lines() {
        tell!("{}", line.trim_end());
    }
}
