//! Collections are counted, whatever the policy.

use pycow_testkit::{default_host, Instance};
use serde_json::Value;

use crate::{
    number,
    pacing::{after, APP, CPYTHON},
    started, usual_first,
};

/// What the report says of the worker's collector.
fn reported(uwsgi: &Instance) -> Value {
    let report: Value = serde_json::from_str(&uwsgi.get("/json").body).unwrap();
    let processes = report["processes"].as_array().unwrap();
    let worker = processes.iter().find(|one| one["role"] == "worker");
    worker.unwrap()["gc"].clone()
}

#[test]
fn collections_are_counted_whatever_the_policy() {
    let host = default_host();
    for policy in ["keep", "freeze", "off"] {
        let options = [
            ("pycow-gc", policy),
            CPYTHON,
            ("route", "^/json$ rpc:pycow.json"),
            ("route", "^/metrics$ rpc:pycow.prometheus"),
        ];
        let uwsgi = started(&host, APP, &options);
        let both = || {
            let seen = number(&uwsgi.get("/").body, "collections");
            let told = reported(&uwsgi);
            let numbers = told["collections"].as_array().unwrap();
            (
                seen,
                numbers.iter().map(|n| n.as_u64().unwrap()).sum::<u64>(),
            )
        };
        let begin = both();
        after(&uwsgi, "/temporary", 50);
        let end = both();
        assert_eq!(end.0 - begin.0, end.1 - begin.1, "{policy}");
        assert_eq!(end.1 > begin.1, policy != "off", "{policy}");

        let told = reported(&uwsgi);
        let first = if policy == "off" {
            0
        } else {
            usual_first(&host)
        };
        assert_eq!(told["thresholds"], Value::from(vec![first, 10, 10]));
        let text = uwsgi.get("/metrics").body;
        let line = format!(
            "uwsgi_worker_gc_collections_total{{worker_id=\"1\",generation=\"0\"}} {}",
            told["collections"][0]
        );
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        assert!(text.contains("# TYPE uwsgi_worker_gc_seconds_total counter"));
        let seconds = told["seconds"][0].as_f64().unwrap();
        assert_eq!(seconds > 0.0, policy != "off", "{told}");
    }
}
