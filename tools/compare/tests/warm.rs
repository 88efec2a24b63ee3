//! What warming and `lazy-apps` change, side by side in one run.

mod common;

use common::{method, without_wrk, Bench};
use pycow_testkit::default_host;
use serde_json::Value;

/// Takes its time for the first request, wherever that is served.
const APP: &str = "import time

cold = True

def application(environ, start_response):
    global cold
    if cold:
        cold = False
        time.sleep(0.5)
    start_response('200 OK', [])
    return (part for part in [b'hello'])
";

/// What `APP` sleeps, milliseconds.
const COLD: f64 = 500.0;

fn numbers(of: &Value) -> Vec<f64> {
    let numbers = of.as_array().expect("a list").iter();
    numbers.map(|one| one.as_f64().expect("numbers")).collect()
}

#[test]
fn warming_and_lazy_apps_are_compared_in_one_run() {
    if without_wrk() {
        return;
    }
    let ran = Bench::on(&default_host())
        .file(
            "uwsgi.ini",
            "[uwsgi]\nwsgi-file = %dapp.py\nprocesses = 2\nlazy-apps = true\n",
        )
        .file("app.py", APP)
        .file("paths", "/\n")
        .with("--ini uwsgi.ini --warmup paths --lazy-apps both --rounds 1 --requests 20 --scale 0")
        .with("--methods stock+warm,freeze+warm")
        .run()
        .well();
    let results = ran.results();
    let workloads = results["workloads"].as_array().unwrap();
    let names: Vec<_> = workloads.iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["application", "application-lazy"]);

    let restart = |name: &str| &method(&results, name)["rounds"][0]["restart"];
    let cold = numbers(&restart("stock")["first_requests"]);
    assert!(
        cold.len() == 2 && cold.iter().all(|first| *first >= COLD),
        "{cold:?}"
    );
    for name in ["stock+warm", "freeze+warm"] {
        let warming = restart(name)["warming"].as_f64().unwrap() * 1000.0;
        assert!(warming >= COLD, "{name}: {warming} ms");
        assert_eq!(numbers(&restart(name)["first_requests"]).len(), 2, "{name}");
    }
    let copied = |name: &str| method(&results, name)["rounds"][0]["copied"].as_u64();
    assert!(copied("freeze+warm") > Some(0));
    assert_eq!(copied("stock+warm"), None);
    assert_eq!(restart("stock")["warming"], 0.0);

    let report = ran.read("out/report.html");
    for line in [
        "stock+warm beside stock: private memory ",
        "first request of a worker after a restart, p99 of 2: ",
        "stock without lazy-apps, beside stock with it: total PSS ",
        "freeze+warm without lazy-apps, beside stock with it: total PSS ",
    ] {
        assert!(ran.stdout.contains(line), "no {line:?}: {}", ran.stdout);
        assert!(report.contains(line), "no {line:?} in the report");
    }
}

/// The shop serves requests itself while it is loaded; where a method warms, that one does it.
#[test]
fn the_shop_is_warmed_by_the_method_alone() {
    if without_wrk() {
        return;
    }
    let ran = Bench::on(&default_host())
        .with("--workloads tiny --methods freeze,freeze+warm --workers 1 --rounds 1 --requests 20")
        .with("--scale 0")
        .run()
        .well();
    let results = ran.results();
    let title = results["workloads"][0]["title"].as_str().unwrap();
    assert!(title.ends_with(", cold where no method warms"), "{title}");
    let warming = |name: &str| method(&results, name)["figures"]["warming"]["median"].as_f64();
    assert_eq!(warming("freeze"), Some(0.0));
    assert!(warming("freeze+warm") > Some(0.0));
    let copied = "freeze+warm beside freeze: private memory ";
    let line = ran.stdout.lines().find(|line| line.starts_with(copied));
    assert!(
        line.is_some_and(|line| line.contains(" (of a worker's, copied are ")),
        "{line:?}"
    );
}
