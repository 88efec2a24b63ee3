//! The comparison of an application of one's own: every method really is played, every figure is there,
//! and the report can be read in a browser.

mod common;

use std::{collections::HashMap, fs, path::Path, process::Command};

use common::{method, newest, Bench, Ran};
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
    every_figure_is_there(&results, &measured);
    the_figures_tell_the_methods_apart(&results, &host);
    the_scale_is_fitted(&results);
    the_terminal_shows_it(&ran, &measured);
    the_plots_are_there(&ran);
    the_report_needs_nothing_else(&ran);
    the_report_can_be_read_in_a_browser(&ran, &measured);
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
            // uwsgi.opt says "freeze" for it, too.
            "freeze+ksm" => {}
            other => panic!("{other}: a method that this test does not know"),
        }
    }
    if host.python >= (3, 12) {
        assert!(measured.iter().any(|name| name == "immortal"));
    }
}

fn median(results: &Value, name: &str, key: &str) -> f64 {
    method(results, name)["figures"][key]["median"]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} has no {key}"))
}

fn every_figure_is_there(results: &Value, measured: &[String]) {
    const ABOVE_0: [&str; 10] = [
        "shared_start",
        "shared_end",
        "private",
        "total_pss",
        "minor_faults",
        "requests_per_second",
        "p50",
        "cpu_per_request",
        "leaving",
        "restart",
    ];
    const OTHERS: [&str; 6] = [
        "p99",
        "collections",
        "collecting",
        "errors",
        "dip",
        "hooks_ran",
    ];
    for name in measured {
        let one = method(results, name);
        assert_eq!(one["rounds"].as_array().unwrap().len(), 2);
        for key in ABOVE_0.iter().chain(&OTHERS) {
            let spread = &one["figures"][key];
            let number = |what: &str| {
                let number = spread[what].as_f64();
                number.unwrap_or_else(|| panic!("{name} has no {key}"))
            };
            assert!(
                number("min") <= number("median") && number("median") <= number("max"),
                "{name}, {key}: {spread}"
            );
        }
        for key in ABOVE_0 {
            assert!(median(results, name, key) > 0.0, "{name}: {key} is 0");
        }
        assert!(median(results, name, "p50") <= median(results, name, "p99"));
        assert_eq!(median(results, name, "errors"), 0.0, "{name}");
        let curve = one["curve"].as_array().unwrap();
        let requests = |point: Option<&Value>| point.unwrap()[0].as_u64().unwrap();
        assert_eq!(requests(curve.first()), 0);
        assert_eq!(requests(curve.last()), REQUESTS);
        // uWSGI's own flag leaves out Python's atexit functions, and keeps uwsgi.atexit.
        let hooks = match name.as_str() {
            "skip-atexit-teardown" => 50.0,
            _ => 100.0,
        };
        assert_eq!(median(results, name, "hooks_ran"), hooks, "{name}");
    }
}

fn the_figures_tell_the_methods_apart(results: &Value, host: &Host) {
    let median = |name: &str, key: &str| median(results, name, key);
    assert!(median("stock", "collections") > 0.0 && median("stock", "collecting") > 0.0);
    assert_eq!(median("bootstrap", "collections"), 0.0);
    assert_eq!(median("off", "collections"), 0.0);
    if host.python >= (3, 12) {
        // Every request reads all of the heap: the counts alone have it copied.
        let lost = |name: &str| median(name, "shared_start") - median(name, "shared_end");
        assert!(lost("immortal") < lost("stock") / 2.0);
    }
}

fn the_scale_is_fitted(results: &Value) {
    let scale = &results["scales"][0];
    assert_eq!(scale["over"], "workers");
    let methods = scale["methods"].as_array().unwrap();
    let growth = methods.iter().find(|one| one["method"] == "freeze");
    let growth = growth.expect("freeze is in the scale part");
    let workers = growth["points"].as_array().unwrap().iter();
    let workers: Vec<u64> = workers
        .map(|point| point["workers"].as_u64().unwrap())
        .collect();
    assert_eq!(workers, [1, 2]);
    let point = |i: usize| growth["points"][i]["total_pss"].as_f64().unwrap();
    let slope = growth["line"]["slope"].as_f64().unwrap();
    assert!((slope - (point(1) - point(0))).abs() < 1e-6, "{growth}");
    let fits = growth["fits"].as_u64().unwrap() as f64;
    let base = growth["line"]["base"].as_f64().unwrap();
    assert!(
        base + slope * fits <= 65_536.0 && base + slope * (fits + 1.0) > 65_536.0,
        "{growth}"
    );
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

fn the_report_needs_nothing_else(ran: &Ran) {
    let report = ran.read("out/report.html");
    for outside in ["src=", "href=", "@import", "url(", "<script"] {
        assert!(!report.contains(outside), "the report has {outside}");
    }
}

/// What a reader's browser makes of it.
fn the_report_can_be_read_in_a_browser(ran: &Ran, measured: &[String]) {
    const PROBE: &str = r#"<script>
        const all = selector => [...document.querySelectorAll(selector)];
        const shown = one => one.getBoundingClientRect().width > 100 && one.getBoundingClientRect().height > 50;
        const found = {
            mode: document.compatMode,
            heads: all("h2").length,
            plots: all("svg").length,
            shown: all("svg").filter(shown).length,
            words: all("svg text").length,
            rows: all("table")[0].tBodies[0].rows.length,
            cells: all("table")[0].tBodies[0].rows[0].cells.length,
            wider: document.documentElement.scrollWidth - window.innerWidth,
            loaded: performance.getEntriesByType("resource").length,
            first: all("tbody th")[0].firstChild.data,
        };
        document.body.innerHTML = "<pre>" + JSON.stringify(found) + "</pre>";
    </script>"#;
    let probing = ran.path("probing.html");
    fs::write(&probing, ran.read("out/report.html") + PROBE).unwrap();
    let Some(dom) = chromium(&probing, &ran.path("profile")) else {
        eprintln!("skipped: no chromium here");
        return;
    };
    let json = dom
        .split_once("<pre>")
        .and_then(|(_, rest)| rest.split_once("</pre>"))
        .unwrap_or_else(|| panic!("Chromium shows no page: {dom}"));
    let found: Value = serde_json::from_str(json.0).unwrap();
    assert_eq!(found["mode"], "CSS1Compat", "{found}");
    // The application, and how it grows with workers.
    assert_eq!(found["heads"], 2, "{found}");
    assert_eq!(found["plots"], 7, "{found}");
    assert_eq!(found["shown"], found["plots"], "{found}");
    assert!(found["words"].as_u64() > Some(50), "{found}");
    assert!(
        found["rows"].as_u64() >= Some(measured.len() as u64),
        "{found}"
    );
    assert_eq!(found["cells"], 6, "{found}");
    assert!(found["wider"].as_i64() <= Some(0), "{found}");
    assert_eq!(found["loaded"], 0, "{found}");
    assert_eq!(found["first"], "stock", "{found}");
}

/// The page as Chromium has it after its scripts ran.
fn chromium(page: &Path, profile: &Path) -> Option<String> {
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args(["--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", page.display()))
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// One method that the application does not bear is no reason to lose the others.
#[test]
fn a_method_that_fails_is_told() {
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
