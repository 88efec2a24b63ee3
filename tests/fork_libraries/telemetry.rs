//! Tracing agents, metrics, and clients of HTTP.

use crate::{check, servers::Sink, Library};

#[test]
#[ignore = "make fork-libraries"]
fn telemetry() {
    let server = Sink::start();
    check(
        &server.ports(),
        &[
            Library {
                name: "sentry_sdk",
                at_load: &["a connection to 127.0.0.1:"],
                in_warmup: &[],
                survives: false,
            },
            Library {
                name: "opentelemetry",
                at_load: &["a connection to 127.0.0.1:"],
                in_warmup: &[],
                survives: false,
            },
            Library {
                name: "ddtrace",
                at_load: &[],
                in_warmup: &[],
                survives: true,
            },
            Library {
                name: "newrelic",
                at_load: &["the thread NR-Harvest-Thread of newrelic, in "],
                in_warmup: &[],
                survives: false,
            },
            Library {
                name: "elasticapm",
                at_load: &["a connection to 127.0.0.1:"],
                in_warmup: &[],
                survives: false,
            },
            Library {
                name: "prometheus_client",
                at_load: &[],
                in_warmup: &[],
                survives: true,
            },
        ],
    );
    assert!(server.count() > 100, "{} requests", server.count());
}

#[test]
#[ignore = "make fork-libraries"]
fn http() {
    let server = Sink::start();
    check(
        &server.ports(),
        &[
            Library {
                name: "requests",
                at_load: &["a connection to 127.0.0.1:"],
                in_warmup: &[],
                survives: false,
            },
            Library {
                name: "httpx",
                at_load: &["a connection to 127.0.0.1:"],
                in_warmup: &[],
                survives: false,
            },
            Library {
                name: "boto3",
                at_load: &["a connection to 127.0.0.1:"],
                in_warmup: &[],
                survives: false,
            },
        ],
    );
}
