//! The report in Prometheus's text format, version 0.0.4.
//!
//! The names stand beside those of uwsgi_exporter: `uwsgi_worker_..` with the label `worker_id`. Mules
//! and spoolers have the same under `uwsgi_mule_..` and `uwsgi_spooler_..`, the master, of which there
//! is one, under `uwsgi_master_..` without a label.

mod labels;
mod memory;
mod of_python;

use std::fmt::{self, Display, Write};

use labels::Label;

use super::{instance_info::InstanceInfo, slots::SlotTable};
use crate::plugin::Role;

/// The whole report, every line of it with the label `instance` where there is such a name.
pub fn text(
    facts: &InstanceInfo<'_>,
    table: &SlotTable,
    instance: Option<&str>,
) -> Result<String, fmt::Error> {
    let mut text = String::new();
    write(&mut text, facts, table)?;
    match instance {
        Some(instance) => labels::with_instance(&text, instance),
        None => Ok(text),
    }
}

fn write(out: &mut impl Write, facts: &InstanceInfo<'_>, table: &SlotTable) -> fmt::Result {
    info(out, facts)?;
    objects(out, facts)?;
    memory::of_processes(out, table)?;
    if facts.sample > 0 {
        memory::total(out, table)?;
    }
    of_python::moved_marks(out, facts, table)?;
    of_python::collections(out, table)?;
    hooks(out, facts, table)
}

fn head(out: &mut impl Write, name: impl Display, help: impl Display) -> fmt::Result {
    head_of(out, name, help, "gauge")
}

fn head_of(
    out: &mut impl Write,
    name: impl Display,
    help: impl Display,
    kind: &str,
) -> fmt::Result {
    write!(out, "# HELP {name} {help}.\n# TYPE {name} {kind}\n")
}

fn info(out: &mut impl Write, facts: &InstanceInfo<'_>) -> fmt::Result {
    const NAME: &str = "uwsgi_pycow_info";
    head(out, NAME, "Versions, and the policy in force")?;
    writeln!(
        out,
        "{NAME}{{version=\"{}\",uwsgi=\"{}\",python=\"{}\",gc=\"{}\",exit=\"{}\"}} 1",
        Label(facts.pycow),
        Label(facts.uwsgi),
        Label(facts.python),
        Label(facts.gc),
        Label(facts.exit),
    )
}

fn objects(out: &mut impl Write, facts: &InstanceInfo<'_>) -> fmt::Result {
    for (name, meaning, number) in [
        ("frozen", "left the collector's sight", facts.frozen),
        ("immortal", "were made immortal", facts.immortal),
    ] {
        let name = format!("uwsgi_pycow_{name}_objects");
        head(
            out,
            &name,
            format_args!("Preloaded Python objects that {meaning}"),
        )?;
        writeln!(out, "{name} {number}")?;
    }
    Ok(())
}

fn hooks(out: &mut impl Write, facts: &InstanceInfo<'_>, table: &SlotTable) -> fmt::Result {
    const BOUND: &str = "uwsgi_pycow_exit_timeout_seconds";
    head(out, BOUND, "How long exit hooks may take, 0 for no bound")?;
    writeln!(out, "{BOUND} {}", facts.exit_timeout)?;
    const NAME: &str = "uwsgi_worker_exit_hooks_seconds";
    let workers = || {
        let slots = table.slots();
        slots.filter_map(|(role, slot)| match role {
            Role::Worker(number) => Some((number, slot.hooks()?)),
            _ => None,
        })
    };
    for (i, (number, microseconds)) in workers().enumerate() {
        if i == 0 {
            head(
                out,
                NAME,
                "What the exit hooks of the last worker took that left this place",
            )?;
        }
        writeln!(
            out,
            "{NAME}{{worker_id=\"{number}\"}} {}.{:06}",
            microseconds / 1_000_000,
            microseconds % 1_000_000
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sharing::{instance_info::EXAMPLE, slot::Sample, slots::empty};

    fn text(table: &SlotTable) -> String {
        let mut text = String::new();
        write(&mut text, &EXAMPLE, table).unwrap();
        text
    }

    #[test]
    fn an_instance_stands_in_every_line() {
        let text = super::text(&EXAMPLE, &empty(1), Some("a\"b")).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.contains("{instance=\"a\\\"b\""), "{line}");
        }
        for line in [
            "# TYPE uwsgi_total_pss_bytes gauge",
            "uwsgi_total_pss_bytes{instance=\"a\\\"b\"} 0",
            "uwsgi_pycow_info{instance=\"a\\\"b\",version=\"0.1.0\",uwsgi=\"2.0.31\",",
        ] {
            assert!(
                text.lines().any(|it| it.starts_with(line)),
                "{line}\n{text}"
            );
        }
    }

    #[test]
    fn labels_are_escaped() {
        let text = text(&empty(1));
        let line = "uwsgi_pycow_info{version=\"0.1.0\",uwsgi=\"2.0.31\",\
                    python=\"3.11.2 (\\\"odd\\\\\\n)\",gc=\"freeze\",exit=\"fast\"} 1";
        assert!(text.contains(line), "{text}");
        assert!(!text.contains("uwsgi_worker_"), "{text}");
    }

    #[test]
    fn every_process_has_its_numbers() {
        let table = empty(2);
        let sample = Sample {
            pid: 9,
            shared: 400,
            inherited: 500,
            pss: 60,
            private: 70,
            ..Sample::default()
        };
        for role in [
            Role::Master,
            Role::Worker(1),
            Role::Worker(2),
            Role::Mule(1),
            Role::Spooler(3),
        ] {
            table.slot(role).unwrap().write(&sample);
        }
        let second = table.slot(Role::Worker(2)).unwrap();
        second.hooks_over(1_000_002);
        second.looked_at(9, 20);
        table.sweep(|_| true);
        let text = text(&table);
        for line in [
            "# TYPE uwsgi_worker_shared_bytes gauge",
            "uwsgi_master_shared_bytes 400",
            "uwsgi_worker_shared_bytes{worker_id=\"1\"} 400",
            "uwsgi_worker_inherited_bytes{worker_id=\"2\"} 500",
            "uwsgi_worker_private_bytes{worker_id=\"1\"} 70",
            "uwsgi_worker_private_bytes{worker_id=\"2\",cause=\"copied\"} 20",
            "uwsgi_worker_private_bytes{worker_id=\"2\",cause=\"new\"} 50",
            "uwsgi_mule_pss_bytes{mule_id=\"1\"} 60",
            "uwsgi_spooler_ksm_bytes{spooler_id=\"3\"} 0",
            "uwsgi_total_pss_bytes 300",
            "uwsgi_worker_exit_hooks_seconds{worker_id=\"2\"} 1.000002",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        assert!(!text.contains("uwsgi_master_inherited"), "{text}");
        assert_eq!(text.matches("# TYPE uwsgi_worker_pss_bytes").count(), 1);
    }
}
