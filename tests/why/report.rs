//! The answer of `pycow.why`, and what is true of every one. It is asked for at `/why`.

use std::time::Instant;

use pycow_testkit::{proc, until, Instance};
use serde_json::Value;

/// What the worker says.
pub fn why(uwsgi: &Instance) -> Value {
    let answer = uwsgi.get("/why");
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
}

/// A number, or a failure that shows what stands there instead.
pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

/// The names of an object's numbers, the greatest first.
pub fn falling(object: &Value) -> Vec<(String, u64)> {
    let object = object.as_object().unwrap();
    let numbers = object.iter().filter(|(_, value)| value.is_u64());
    let mut all: Vec<_> = numbers
        .map(|(name, value)| (name.clone(), number(value)))
        .collect();
    all.sort_by_key(|(_, value)| std::cmp::Reverse(*value));
    all
}

/// The sum of one number of all members.
pub fn sum(list: &Value, of: &str) -> u64 {
    list.as_array()
        .unwrap()
        .iter()
        .map(|it| number(&it[of]))
        .sum()
}

/// A report whose parts are those of the whole, and the whole is what the kernel says: before or after it,
/// for pages of libraries are private until another test maps them.
pub fn that_adds_up(uwsgi: &Instance) -> Value {
    until("report that the kernel agrees with", || {
        let kernel = || proc::rollup(uwsgi.workers()[0]).private();
        let before = kernel();
        let report = consistent(uwsgi);
        let after = kernel();
        let (least, most) = (before.min(after), before.max(after));
        let private = number(&report["private"]);
        (least - least / 50..=most + most / 50)
            .contains(&private)
            .then_some(report)
    })
}

/// A report whose parts are those of the whole.
fn consistent(uwsgi: &Instance) -> Value {
    let report = why(uwsgi);
    let bytes = |of: &Value| falling(of).iter().map(|(_, bytes)| bytes).sum::<u64>();
    let all = |of| sum(&report["mappings"], of);
    let copied = all("copied");
    assert_eq!(
        all("new") + copied,
        number(&report["private"]),
        "{report:#}"
    );
    let types = sum(&report["copied"]["types"], "bytes");
    assert_eq!(bytes(&report["copied"]) + types, copied, "{report:#}");
    assert_eq!(bytes(&report["causes"]), copied, "{report:#}");
    report
}

/// Half a megabyte is the most that an answer may take.
pub fn that_looking_costs_nothing(uwsgi: &Instance) {
    let worker = uwsgi.workers()[0];
    // A copied page is dirty; others become private when another test's uWSGI ends.
    let private = || proc::rollup(worker).private_dirty;
    let (before, begin) = (private(), Instant::now());
    why(uwsgi);
    let took = begin.elapsed();
    let after = private();
    println!("private {before} -> {after} in {took:?}");
    assert!(after < before + 500_000, "{before} {after}");
}
