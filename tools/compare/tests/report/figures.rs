//! The figures in `results.json`.

use pycow_testkit::Host;
use serde_json::Value;

use super::{common::method, REQUESTS};

fn median(results: &Value, name: &str, key: &str) -> f64 {
    method(results, name)["figures"][key]["median"]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} has no {key}"))
}

/// Each figure of each method is there and can be true.
pub fn every_one_is_there(results: &Value, measured: &[String]) {
    const ABOVE_0: [&str; 12] = [
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
        "ready",
        "first_request",
    ];
    const OTHERS: [&str; 7] = [
        "p99",
        "collections",
        "collecting",
        "errors",
        "dip",
        "hooks_ran",
        "warming",
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
        // The first answer is one of the first worker that is ready.
        assert!(median(results, name, "leaving") < median(results, name, "ready"));
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

/// What a method does shows in its figures.
pub fn tell_the_methods_apart(results: &Value, host: &Host) {
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

/// The line goes through its two points, and the projection follows from it.
pub fn the_scale_is_fitted(results: &Value) {
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
