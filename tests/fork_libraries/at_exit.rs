//! What libraries expect at the exit of a worker happens, as with uWSGI alone and within the time limit, and
//! no worker crashes. Each has a file in at_exit/: `use` is called by requests, `after` by the worker that follows.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use pycow_testkit::{
    default_host,
    signal::SIGTERM,
    supported::{tell, Verdict},
    Uwsgi,
};

use crate::{
    servers::{libraries, prepared, Server, Sink},
    Ports,
};

const REQUESTS: usize = 5;

/// What is seen of a worker that leaves.
#[derive(Debug, PartialEq)]
struct Seen {
    /// Requests that arrived at the sink meanwhile: none, or some.
    sends: bool,
    /// Lines of its own.
    says: usize,
    /// What the worker after it finds.
    after: String,
    /// As wait(2) tells it.
    status: i32,
    /// All exit hooks were over in time.
    in_time: bool,
}

/// A worker that has left after that many requests, and how long that took.
fn leaves(library: &str, pycow: bool, ports: &Ports, sent: impl Fn() -> usize) -> (Seen, Duration) {
    let file = format!("tests/fork_libraries/at_exit/{library}.py");
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let Ports {
        sink,
        postgres,
        grpc,
        ..
    } = ports;
    let app = format!(
        r#"
import atexit, os, time
SINK, POSTGRES, GRPC = {sink}, {postgres}, {grpc}

def say(what):
    os.write(2, b"the library says: %s\n" % what.encode())

def wrap(application):
    return application

def after():
    return 0

{source}
def application(env, start):
    answer = after() if env["PATH_INFO"] == "/after" else use()
    start("200 OK", [])
    return [str(answer).encode()]

application = wrap(application)
"#
    );
    let uwsgi = Uwsgi::on(&default_host())
        .app(&app)
        .set("pythonpath", prepared("fork-libraries").display())
        .set("pythonpath", prepared("exit-libraries").display())
        .env("LD_LIBRARY_PATH", libraries())
        .flag("enable-threads");
    let uwsgi = match pycow {
        true => uwsgi
            .with_pycow()
            .set("pycow-exit-timeout", LIMIT.as_secs()),
        false => uwsgi,
    };
    let uwsgi = uwsgi.start();
    let worker = uwsgi.workers()[0];
    for _ in 0..REQUESTS {
        assert_eq!(uwsgi.get("/").body, "None", "{library}");
    }
    uwsgi.settle();
    let before = sent();
    let begin = Instant::now();
    let status = uwsgi.wait_status(worker, || uwsgi.kill(worker, SIGTERM));
    let took = begin.elapsed();
    uwsgi.await_accepting(2);
    let after = uwsgi.get("/after").body;
    let log = uwsgi.log();
    let seen = Seen {
        sends: sent() > before,
        says: log.matches("the library says: ").count(),
        after,
        status,
        in_time: !log.contains("did not end within pycow-exit-timeout"),
    };
    (seen, took)
}

/// Longer than any of them takes, but for the one that is cut short.
const LIMIT: Duration = Duration::from_secs(8);
/// The status with which uWSGI's own signal handlers end a process (UWSGI_END_CODE), as wait(2) tells it.
const ENDED: i32 = 30 << 8;

/// A library, whether it sends something while the worker leaves, how many lines it writes, and what the
/// next worker finds.
type Expected = (&'static str, bool, usize, &'static str);

fn check(ports: &Ports, sent: impl Fn() -> usize, expected: &[Expected]) {
    for (library, sends, says, after) in expected {
        let (stock, stock_took) = leaves(library, false, ports, &sent);
        let (pycow, took) = leaves(library, true, ports, &sent);
        println!("{library}: stock {stock:?} in {stock_took:?}, pycow {pycow:?} in {took:?}");
        let expected = Seen {
            sends: *sends,
            says: *says,
            after: (*after).to_owned(),
            status: ENDED,
            in_time: true,
        };
        let verdict = if pycow == expected {
            Verdict::Yes
        } else {
            Verdict::No
        };
        let cell = |seen: &Seen, took: Duration| {
            let what = if *seen == expected {
                "all that it expects"
            } else {
                "**not** what it expects"
            };
            format!("{what}, {:.1} s", took.as_secs_f64())
        };
        let cells = [cell(&stock, stock_took), cell(&pycow, took)];
        tell("libraries", library, verdict, &cells);
        assert_eq!(pycow, expected, "{library}");
    }
}

#[test]
#[ignore = "make fork-libraries"]
fn what_is_told_to_a_server() {
    let server = Sink::start();
    check(
        &server.ports(),
        || server.count(),
        &[
            ("sentry_sdk", true, 0, "0"),
            ("opentelemetry", true, 0, "0"),
            ("ddtrace", true, 0, "0"),
        ],
    );
}

#[test]
#[ignore = "make fork-libraries"]
fn what_stays_here() {
    let (postgres, grpc) = (Server::postgres(), Server::played("grpc"));
    let ports = Ports {
        postgres: postgres.port,
        grpc: grpc.port,
        ..Ports::default()
    };
    check(
        &ports,
        || 0,
        &[
            ("newrelic", false, 0, "1"),
            ("prometheus_client", false, 0, "5"),
            ("grpc", false, 1, "0"),
            ("pyarrow", false, 1, "0"),
            ("psycopg_pool", false, 1, "0"),
            ("concurrent_futures", false, 10 * REQUESTS, "0"),
            ("queue_listener", false, 20 * REQUESTS, "0"),
        ],
    );
}

/// A collector that takes everything and answers nothing holds a worker no longer than the time limit.
#[test]
#[ignore = "make fork-libraries"]
fn a_dead_collector() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let ports = Ports {
        sink: listener.local_addr().unwrap().port(),
        ..Ports::default()
    };
    let (stock, stock_took) = leaves("opentelemetry", false, &ports, || 0);
    let (pycow, took) = leaves("opentelemetry", true, &ports, || 0);
    println!("a dead collector: stock {stock:?} in {stock_took:?}, pycow {pycow:?} in {took:?}");
    let bounded = took < LIMIT + Duration::from_secs(2) && pycow.status == ENDED;
    let verdict = if bounded { Verdict::Yes } else { Verdict::No };
    let cell = |took: Duration| format!("leaves after {:.1} s", took.as_secs_f64());
    let cells = [
        cell(stock_took),
        format!("{} (limit {} s)", cell(took), LIMIT.as_secs()),
    ];
    tell(
        "libraries",
        "opentelemetry, the collector dead",
        verdict,
        &cells,
    );
    assert!(bounded, "{pycow:?} in {took:?}");
}
