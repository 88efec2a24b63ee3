//! `make why`: what is private in a worker by every method, and what to do about it.

mod common;

use common::{newest, without_wrk, Bench};
use pycow_testkit::{default_host, hosts};
use serde_json::Value;

/// Reads one part of its heap, and rewrites the other.
const APP: &str = r#"
class Rewritten:
    __slots__ = ("count",)
    def __init__(self):
        self.count = 0

READ = [[number] for number in range(100_000)]
WRITTEN = [Rewritten() for _ in range(60_000)]

def application(environ, start_response):
    sum(item[0] for item in READ)
    for one in WRITTEN:
        one.count += 1
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]
"#;

fn of<'a>(why: &'a Value, method: &str) -> &'a Value {
    let mut methods = why["methods"].as_array().unwrap().iter();
    methods
        .find(|one| one["method"] == method)
        .unwrap_or_else(|| panic!("no {method}: {why:#}"))
}

fn causes(told: &Value) -> u64 {
    let causes = told["answer"]["causes"].as_object().unwrap();
    causes.values().map(|bytes| bytes.as_u64().unwrap()).sum()
}

#[test]
fn the_report_says_what_to_do() {
    if without_wrk() {
        return;
    }
    let can = hosts()
        .into_iter()
        .rev()
        .find(|host| host.python >= (3, 12));
    let host = can.unwrap_or_else(newest);
    let ran = Bench::on(&host)
        .file("site/wsgi.py", APP)
        .file("warm", "/\n")
        .with("--why --app site/wsgi.py --workers 2 --requests 60 --warmup warm")
        .with("--methods freeze,immortal,freeze+warm")
        .run()
        .well();
    let results = ran.results();
    assert_eq!(results["workloads"].as_array().unwrap().len(), 0);
    let why = &results["whys"][0];
    for name in ["stock", "freeze", "immortal", "freeze+warm"] {
        let told = of(why, name);
        if name == "immortal" && host.python < (3, 12) {
            assert!(told["obstacle"].is_string(), "{told}");
            continue;
        }
        let answer = &told["answer"];
        let mappings = answer["mappings"].as_array().unwrap().iter();
        let copied = mappings.map(|one| one["copied"].as_u64().unwrap());
        assert_eq!(causes(told), copied.sum::<u64>(), "{told}");
        assert!(answer["missing"].is_null(), "{told}");
    }
    let counts = |name| of(why, name)["answer"]["causes"]["reference_counts"].as_u64();
    assert!(counts("stock") > Some(5_000_000), "{why:#}");
    assert!(counts("immortal") < Some(1_000_000), "{why:#}");

    let report = ran.read("out/report.html");
    let words = [
        "<h1>What is private, and why</h1>",
        "were copied because reading an object writes its reference count. pycow-gc = immortal keeps",
        "Rewritten: a class that rewrites itself",
        "Private memory of one worker, by what made it so",
    ];
    for words in words {
        assert!(report.contains(words), "{words}");
        let there = words.starts_with('<') || words.starts_with("Private");
        assert!(there || ran.stdout.contains(words), "{}", ran.stdout);
    }
    // A bar of colour for each of both, in the picture of its own, too.
    let svg = ran.read("out/application-why.svg");
    for color in ["#3C6EC8", "#C83C3C"] {
        assert!(svg.matches(color).count() > 2, "{color}: {svg}");
    }
    assert!(
        ran.stdout.contains("make why")
            || results["command"]
                .as_str()
                .unwrap()
                .starts_with("make why ")
    );
}

#[test]
fn an_application_that_does_not_load_is_an_error() {
    if without_wrk() {
        return;
    }
    let ran = Bench::on(&default_host())
        .file("site/wsgi.py", "import nothing_of_that_name\n")
        .with("--why --app site/wsgi.py --requests 10")
        .run();
    assert!(!ran.succeeded);
    assert!(
        ran.stderr.contains("nothing_of_that_name"),
        "{}",
        ran.stderr
    );
}
