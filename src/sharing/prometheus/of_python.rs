//! What is told of a worker's interpreter: its collector, and the marks of immortal objects.

use std::fmt::{self, Write};

use super::{head, head_of};
use crate::{
    plugin::Role,
    python::gc::Generation,
    sharing::{instance_info::InstanceInfo, slots::SlotTable},
};

/// Marks that were not where they had been put.
pub(super) fn moved_marks(
    out: &mut impl Write,
    facts: &InstanceInfo<'_>,
    table: &SlotTable,
) -> fmt::Result {
    const NAME: &str = "uwsgi_worker_moved_marks_total";
    if facts.immortal == 0 {
        return Ok(());
    }
    let help = "Marks of immortal objects that an extension had moved, put back";
    head_of(out, NAME, help, "counter")?;
    for (role, _) in table.samples() {
        if let (Role::Worker(number), Some(slot)) = (role, table.slot(role)) {
            writeln!(
                out,
                "{NAME}{{worker_id=\"{number}\"}} {}",
                slot.moved_marks()
            )?;
        }
    }
    Ok(())
}

type Number = fn(&Generation) -> f64;

/// Name, meaning and number of what is told of every generation of a worker's collector.
const COLLECTIONS: [(&str, &str, Number); 3] = [
    ("collections", "Collections", |one| one.collections as f64),
    ("seconds", "CPU time of collections", |one| {
        one.nanoseconds as f64 / 1e9
    }),
    (
        "found_objects",
        "Objects that collections found unreachable",
        |one| one.found as f64,
    ),
];

/// Collections of every worker, and the thresholds in force.
pub(super) fn collections(out: &mut impl Write, table: &SlotTable) -> fmt::Result {
    let workers: Vec<_> = table
        .samples()
        .filter_map(|(role, _)| match role {
            Role::Worker(number) => Some((number, table.slot(role)?.collections())),
            _ => None,
        })
        .filter(|(_, told)| told.thresholds.is_some())
        .collect();
    if workers.is_empty() {
        return Ok(());
    }
    for (name, meaning, number) in COLLECTIONS {
        let name = format!("uwsgi_worker_gc_{name}_total");
        head_of(
            out,
            &name,
            format_args!("{meaning}, by the oldest generation looked at"),
            "counter",
        )?;
        for (worker, told) in &workers {
            for (i, one) in told.generations.iter().enumerate() {
                let labels = format!("worker_id=\"{worker}\",generation=\"{i}\"");
                writeln!(out, "{name}{{{labels}}} {}", number(one))?;
            }
        }
    }
    const THRESHOLD: &str = "uwsgi_worker_gc_threshold";
    head(out, THRESHOLD, "The collector's thresholds in force")?;
    for (worker, told) in &workers {
        let thresholds = told.thresholds.iter().flat_map(|t| t.values());
        for (i, threshold) in thresholds.enumerate() {
            let labels = format!("worker_id=\"{worker}\",generation=\"{i}\"");
            writeln!(out, "{THRESHOLD}{{{labels}}} {threshold}")?;
        }
    }
    Ok(())
}
