//! The comparison of an application of one's own: every method really is played, every figure is there,
//! and the report can be read in a browser.

mod browser;
#[path = "../common/mod.rs"]
mod common;
mod figures;

use std::collections::HashMap;

use common::{method, newest, without_wrk, Bench, Ran};
use pycow_testkit::Host;
use serde_json::Value;

/// Tells, once in every worker, what has become of the collector and of a preloaded object.
const APP: &str = r#"
import gc, json, os, sys
import uwsgi

HEAP = [[number] for number in range(100_000)]
KEPT = []
told = False

def tell():
    global told
    told = True
    method = os.environ.get("PYCOW_BENCH_METHOD") or uwsgi.opt.get("pycow-gc", b"").decode()
    if "skip-atexit-teardown" in uwsgi.opt:
        method = "skip-atexit-teardown"
    seen = {
        "method": method or "stock",
        "threshold": gc.get_threshold()[0],
        "frozen": gc.get_freeze_count(),
        "references": sys.getrefcount(HEAP[0]),
    }
    with open(os.environ["SEEN"], "a") as file:
        file.write(json.dumps(seen) + "\n")

def application(environ, start_response):
    if not told:
        tell()
    KEPT.extend([] for _ in range(300))
    del KEPT[:-30_000]
    sum(item[0] for item in HEAP)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]
"#;

const REQUESTS: u64 = 400;

fn run(host: &Host) -> Ran {
    Bench::on(host)
        .file("site/wsgi.py", APP)
        .file("urls", "# the paths\n/first\n\n/second?with=query\n")
        .with("--app site/wsgi.py --urls urls --workers 2 --rounds 2 --requests 400 --scale 1,2")
        .with("--host-gb 64")
        .run()
        .well()
}

#[test]
fn an_application_is_compared() {
    if without_wrk() {
        return;
    }
    let host = newest();
    let ran = run(&host);
    let results = ran.results();
    let measured = measured(&results);
    assert!(
        measured.len() >= 6,
        "{} methods were measured",
        measured.len()
    );
    every_method_was_played(&ran, &measured, &host);
    figures::every_one_is_there(&results, &measured);
    figures::tell_the_methods_apart(&results, &host);
    figures::the_scale_is_fitted(&results);
    the_terminal_shows_it(&ran, &measured);
    the_plots_are_there(&ran);
    browser::nothing_else_is_needed(&ran);
    browser::the_report_is_shown(&ran, &measured);
}

/// The methods with figures.
fn measured(results: &Value) -> Vec<String> {
    let methods = results["workloads"][0]["methods"].as_array().unwrap();
    let measured = methods.iter().filter(|one| one["obstacle"].is_null());
    let named = measured.map(|one| one["method"].as_str().unwrap().to_owned());
    named.collect()
}

fn every_method_was_played(ran: &Ran, measured: &[String], host: &Host) {
    let told = ran.read("seen");
    let lines: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut by_method: HashMap<&str, Vec<&Value>> = HashMap::new();
    for line in &lines {
        by_method
            .entry(line["method"].as_str().unwrap())
            .or_default()
            .push(line);
    }
    let all = |name: &str, what: &str, holds: &dyn Fn(&Value) -> bool| {
        let lines = by_method
            .get(name)
            .unwrap_or_else(|| panic!("{name} was not played"));
        assert!(
            lines.iter().all(|line| holds(line)),
            "{name}: {what}: {lines:?}"
        );
    };
    let number = |line: &Value, key: &str| line[key].as_i64().unwrap();
    for name in measured {
        match name.as_str() {
            "stock" | "skip-atexit-teardown" => all(name, "untouched", &|line| {
                number(line, "threshold") > 0 && number(line, "frozen") == 0
            }),
            "bootstrap" | "off" => all(name, "no collections", &|line| {
                number(line, "threshold") == 0
            }),
            "recipe" | "freeze" => all(name, "frozen", &|line| {
                number(line, "threshold") > 0 && number(line, "frozen") > 100_000
            }),
            // CinderX and pycow make a count that is not counted; below 3.14 it is a billion.
            "cinderx" | "immortal" => all(name, "immortal", &|line| {
                number(line, "references") > 1 << 28
            }),
            // uwsgi.opt says "freeze" or "immortal" for them, too.
            "freeze+ksm" | "freeze+cpython" | "immortal+cpython" => {}
            other => panic!("{other}: a method that this test does not know"),
        }
    }
    if host.python >= (3, 12) {
        assert!(measured.iter().any(|name| name == "immortal"));
    }
}

fn the_terminal_shows_it(ran: &Ran, measured: &[String]) {
    for name in measured {
        let rows = ran
            .stdout
            .lines()
            .filter(|line| line.trim_start().starts_with(&format!("{name} ")));
        // Memory, serving, restarting.
        assert!(rows.count() >= 3, "{name} is not in the tables");
        for round in 1..=2 {
            let progress = format!("round {round} of 2: {name}: shared ");
            assert!(ran.stdout.contains(&progress), "no {progress:?}");
        }
    }
    assert!(ran.stdout.contains("a host of 64 GB takes "));
    assert_eq!(ran.stderr, "");
}

fn the_plots_are_there(ran: &Ran) {
    for name in [
        "application-shared",
        "application-total_pss",
        "application-cpu_per_request",
        "application-leaving",
        "application-restart",
        "scale-workers",
        "scale-workers-leaving",
    ] {
        let svg = ran.read(&format!("out/{name}.svg"));
        assert!(svg.starts_with("<svg"), "{name}");
        assert!(svg.contains("freeze"), "{name} does not name the methods");
    }
}

/// One method that the application does not bear is no reason to lose the others.
#[test]
fn a_method_that_fails_is_told() {
    if without_wrk() {
        return;
    }
    let app = r#"
import os
if os.environ.get("PYCOW_BENCH_METHOD") == "recipe":
    raise RuntimeError("not with me")
def application(environ, start_response):
    start_response("200 OK", [])
    return [b""]
"#;
    let ran = Bench::on(&newest())
        .file("wsgi.py", app)
        .with("--app wsgi.py --workers 1 --rounds 1 --requests 20 --scale 0 --methods recipe,off")
        .run()
        .well();
    let results = ran.results();
    let why = method(&results, "recipe")["obstacle"].as_str().unwrap();
    assert!(
        why.starts_with("failed: ") && why.contains("not with me"),
        "{why}"
    );
    assert!(method(&results, "off")["obstacle"].is_null());
    assert!(ran.read("out/report.html").contains("not with me"));
}

/// The bundled application runs, too; its figures are for a quiet machine.
#[test]
fn the_bundled_workloads_are_compared() {
    if without_wrk() {
        return;
    }
    let ran = Bench::bare()
        .with("--workloads tiny,lazy --rounds 1 --requests 40 --scale 0 --methods freeze")
        .run()
        .well();
    let results = ran.results();
    let names = results["workloads"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["tiny", "lazy"]);
    let loaded = |workload: usize| {
        let methods = &results["workloads"][workload]["methods"];
        methods[0]["figures"]["total_pss"]["median"]
            .as_f64()
            .unwrap()
    };
    // Four workers and a master, each with a catalogue of its own.
    assert!(loaded(1) > 5.0 * loaded(0));
}
