//! The report as JSON, for people and scripts. Sizes in bytes, times in seconds.

use std::{
    fmt::{self, Display, Write},
    sync::atomic::Ordering::Relaxed,
};

use super::{
    collections::Collections, instance_info::InstanceInfo, slot::Sample, slots::SlotTable,
};
use crate::{config::Thresholds, plugin::Role};

/// Writes the whole report; `now` is the time on the samples' clock, in milliseconds.
pub fn write(
    out: &mut impl Write,
    facts: &InstanceInfo<'_>,
    thresholds: Option<&Thresholds>,
    table: &SlotTable,
    now: i64,
) -> fmt::Result {
    write!(
        out,
        "{{\"pycow\":{},\"uwsgi\":{},\"python\":{},\"policy\":",
        Text(facts.pycow),
        Text(facts.uwsgi),
        Text(facts.python),
    )?;
    policy(out, facts, thresholds)?;
    write!(
        out,
        ",\"objects\":{{\"frozen\":{},\"immortal\":{}}},\"total_pss\":",
        facts.frozen, facts.immortal,
    )?;
    // Nobody has added anything up where nothing is sampled.
    match facts.sample {
        0 => out.write_str("null")?,
        _ => write!(out, "{}", table.total_pss().load(Relaxed))?,
    }
    out.write_str(",\"processes\":[")?;
    for (i, (role, sample)) in table.samples().enumerate() {
        if i > 0 {
            out.write_char(',')?;
        }
        process(out, role, &sample, now)?;
        if let Some(slot) = table.slot(role) {
            write!(out, ",\"moved_marks\":{}", slot.moved_marks())?;
            of_collector(out, &slot.collections())?;
            if let Some(microseconds) = slot.hooks() {
                write!(out, ",\"exit_hooks\":{}", Thousandths(microseconds / 1000))?;
            }
        }
        out.write_char('}')?;
    }
    out.write_str("]}\n")
}

fn policy(
    out: &mut impl Write,
    facts: &InstanceInfo<'_>,
    thresholds: Option<&Thresholds>,
) -> fmt::Result {
    write!(out, "{{\"gc\":{},\"thresholds\":[", Text(facts.gc))?;
    if let Some(thresholds) = thresholds {
        write!(out, "{thresholds}")?;
    }
    write!(
        out,
        "],\"guard\":{},\"exit\":{},\"exit_timeout\":{},\"ksm\":{},\"sample\":{}}}",
        facts.guarded,
        Text(facts.exit),
        facts.exit_timeout,
        facts.ksm,
        facts.sample,
    )
}

fn process(out: &mut impl Write, role: Role, sample: &Sample, now: i64) -> fmt::Result {
    write!(
        out,
        "{{\"role\":{},\"id\":{},\"pid\":{},\"requests\":{},\"inherited\":{},\"shared\":{},\
         \"private\":{},\"pss\":{},\"ksm\":{},\"age\":{}",
        Text(role.name()),
        role.number(),
        sample.pid,
        sample.requests,
        sample.inherited,
        sample.shared,
        sample.private,
        sample.pss,
        sample.ksm,
        Thousandths(now.saturating_sub(sample.at).max(0) as u64),
    )?;
    let Some([copied, new]) = sample.causes() else {
        return Ok(());
    };
    write!(
        out,
        ",\"private_by_cause\":{{\"{}\":{},\"{}\":{}}}",
        copied.0, copied.1, new.0, new.1
    )
}

/// Numbers by generation. Of the master nothing is told: it does not serve.
fn of_collector(out: &mut impl Write, told: &Collections) -> fmt::Result {
    let Some(thresholds) = &told.thresholds else {
        return Ok(());
    };
    let [a, b, c] = &told.generations;
    write!(
        out,
        ",\"gc\":{{\"thresholds\":[{thresholds}],\"collections\":[{},{},{}],\
         \"seconds\":[{},{},{}],\"found\":[{},{},{}]}}",
        a.collections,
        b.collections,
        c.collections,
        Thousandths(a.nanoseconds / 1_000_000),
        Thousandths(b.nanoseconds / 1_000_000),
        Thousandths(c.nanoseconds / 1_000_000),
        a.found,
        b.found,
        c.found,
    )
}

/// A number of milliseconds as one of seconds.
struct Thousandths(u64);

impl Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// A text in quotes (RFC 8259, section 7).
pub(super) struct Text<'a>(pub &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, Value};

    use super::*;
    use crate::{
        python::gc::Generation,
        sharing::{instance_info::EXAMPLE, slots::empty},
    };

    fn parsed(table: &SlotTable) -> Value {
        let mut text = String::new();
        let thresholds = Thresholds::new(&[700, 10, 10]);
        write(&mut text, &EXAMPLE, thresholds.as_ref(), table, 5_250).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn an_empty_report_is_json_too() {
        let report = parsed(&empty(2));
        assert_eq!(report["python"], EXAMPLE.python);
        assert_eq!(report["processes"], json!([]));
        let policy = json!({
            "gc": "freeze", "thresholds": [700, 10, 10], "guard": false, "exit": "fast",
            "exit_timeout": 30, "ksm": true, "sample": 10,
        });
        assert_eq!(report["policy"], policy);
        assert_eq!(report["objects"], json!({"frozen": 12345, "immortal": 0}));
    }

    #[test]
    fn every_process_has_its_numbers() {
        let table = empty(2);
        let sample = Sample {
            pid: 77,
            requests: 3,
            inherited: 5 << 40,
            shared: 400,
            private: 30,
            copied: Some(20),
            pss: 60,
            ksm: 7,
            at: 5_000,
        };
        table.slot(Role::Master).unwrap().write(&sample);
        let worker = table.slot(Role::Worker(2)).unwrap();
        worker.hooks_over(1_500_000);
        worker.write(&sample);
        worker.count_moved_marks(3);
        worker.tell_collections(&Collections {
            thresholds: Thresholds::new(&[700, 10, 10]),
            generations: [3, 2, 1].map(|n| Generation {
                collections: n,
                nanoseconds: n * 1_500_000,
                found: n * 10,
            }),
        });
        table.sweep(|_| true);
        let report = parsed(&table);
        assert_eq!(report["total_pss"], 120);
        let expected = json!({
            "role": "worker", "id": 2, "pid": 77, "requests": 3, "inherited": 5u64 << 40,
            "shared": 400, "private": 30, "pss": 60, "ksm": 7, "age": 0.25,
            "private_by_cause": {"copied": 20, "new": 10}, "exit_hooks": 1.5, "moved_marks": 3,
            "gc": {
                "thresholds": [700, 10, 10], "collections": [3, 2, 1],
                "seconds": [0.004, 0.003, 0.001], "found": [30, 20, 10],
            },
        });
        assert_eq!(report["processes"][1], expected);
        assert_eq!(report["processes"][0]["role"], "master");
    }

    #[test]
    fn every_text_comes_back() {
        for text in ["", "a\"b\\c", "\u{0}\u{1f}\n\t", "ü€\u{7f}"] {
            let quoted = Text(text).to_string();
            assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
        }
    }
}
