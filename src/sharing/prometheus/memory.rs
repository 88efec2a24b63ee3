//! Memory of every process, and of all together.

use std::{
    fmt::{self, Write},
    sync::atomic::Ordering::Relaxed,
};

use super::head;
use crate::{
    plugin::Role,
    sharing::{slot::Sample, slots::SlotTable},
};

type Size = fn(&Sample) -> u64;

/// The one that is told by its causes: they add up to it, and stand in its place.
const PRIVATE: &str = "private";

/// Name, meaning and number of what is told of every process.
const SIZES: [(&str, &str, Size); 5] = [
    ("shared", "Memory shared with another process", |s| s.shared),
    (
        PRIVATE,
        "Memory of the process alone; by cause once that is known: copied of what it inherited, or new",
        |s| s.private,
    ),
    (
        "pss",
        "Proportional set size, every page divided by the number of its users",
        |s| s.pss,
    ),
    ("inherited", "Memory shared right after the fork", |s| {
        s.inherited
    }),
    ("ksm", "Memory merged with equal pages by the kernel", |s| {
        s.ksm
    }),
];

/// What is told of every process.
pub fn of_processes(out: &mut impl Write, table: &SlotTable) -> fmt::Result {
    for who in ["master", "worker", "mule", "spooler"] {
        for (name, meaning, size) in SIZES {
            sizes(out, table, who, name, meaning, size)?;
        }
    }
    Ok(())
}

fn sizes(
    out: &mut impl Write,
    table: &SlotTable,
    who: &str,
    name: &str,
    meaning: &str,
    size: Size,
) -> fmt::Result {
    // Nobody forked the master.
    if who == "master" && name == "inherited" {
        return Ok(());
    }
    let full = format!("uwsgi_{who}_{name}_bytes");
    let mut is_first = true;
    for (role, sample) in table.samples().filter(|(role, _)| role.name() == who) {
        if is_first {
            head(out, &full, meaning)?;
            is_first = false;
        }
        let number = role.number();
        match (role, sample.causes().filter(|_| name == PRIVATE)) {
            (Role::Master, _) => writeln!(out, "{full} {}", size(&sample))?,
            (_, None) => writeln!(out, "{full}{{{who}_id=\"{number}\"}} {}", size(&sample))?,
            (_, Some(causes)) => {
                for (cause, bytes) in causes {
                    writeln!(
                        out,
                        "{full}{{{who}_id=\"{number}\",cause=\"{cause}\"}} {bytes}"
                    )?;
                }
            }
        }
    }
    Ok(())
}

/// The sum over them.
pub fn total(out: &mut impl Write, table: &SlotTable) -> fmt::Result {
    const NAME: &str = "uwsgi_total_pss_bytes";
    head(
        out,
        NAME,
        "Proportional set size of master, workers, mules and spoolers together",
    )?;
    writeln!(out, "{NAME} {}", table.total_pss().load(Relaxed))
}
