//! What was found, on the terminal.

use comfy_table::{presets, CellAlignment, ContentArrangement, Row, Table, TableComponent};

use crate::{
    growth,
    progress::tell,
    results::{Compared, Scale},
    table::{brief, sheets, verdict, Ratio, Sheet},
    why::{advice::advice, figures, Why},
};

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

/// Prints how something grows.
pub fn print_scales(scales: &[Scale]) {
    for scale in scales {
        tell!("\n{}", scale.title);
        let mut table = Table::new();
        table.set_header(growth::HEADS);
        for row in growth::rows(scale) {
            table.add_row(row);
        }
        show(table);
        tell!();
        growth::words(scale).iter().for_each(|word| tell!("{word}"));
    }
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

/// Prints what is private, and why: a row for each method, and what to do about it.
pub fn print_why(why: &Why) {
    tell!(
        "\n{}: what is private in one of {} workers after {} requests, and why, in MB",
        why.title,
        why.workers,
        why.requests
    );
    let mut table = Table::new();
    table.set_header(figures::HEADS);
    for (method, answer) in why.answers() {
        table.add_row([method.to_owned()].into_iter().chain(figures::row(answer)));
    }
    show(table);
    for (method, answer) in why.answers() {
        tell!(
            "\n{method}: most of what was copied: {}",
            figures::first_types(answer, 5)
        );
        for words in advice(method, method.ends_with("+warm"), answer) {
            tell!("  {words}");
        }
    }
    for told in &why.methods {
        if let Some(obstacle) = &told.obstacle {
            tell!(
                "{}: {}",
                told.method,
                obstacle.lines().next().unwrap_or_default()
            );
        }
    }
    tell!();
}
