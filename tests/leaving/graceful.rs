//! A worker that is told to leave ends the request that it is serving, and then runs its hooks.

use std::{
    io::{self, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use pycow_testkit::reporting::until;
use pycow_testkit::signal::{SIGHUP, SIGINT, SIGTERM};
use pycow_testkit::{default_host, one_of_each, proc, Host, Uwsgi};

use super::{farewell, in_order, said, with_app, Gate, HOOKS, SAY};

/// A request is in progress from its line until the gate opens.
const SLOW: &str = r#"
def application(env, start):
    if env["PATH_INFO"] == "/slow":
        os.write(2, b"in progress\n")
        open("gate").readline()
    start("200 OK", [])
    return [b"whole"]
"#;

/// What became of the request, and what the process said that served it.
struct Outcome {
    answered: bool,
    said: Vec<String>,
    line: Option<String>,
}

/// When a worker is expected to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    AtOnce,
    AfterItsRequest,
}

/// Signals the worker, or its master, in the middle of a request.
fn interrupted(uwsgi: Uwsgi, signal: i32, master: bool, leaves: Leaves) -> Outcome {
    let gate = Gate::in_dir(uwsgi.dir());
    let pycow = uwsgi.dir().join("pycow").exists();
    let uwsgi = uwsgi.start();
    let worker = super::only_worker(&uwsgi);
    uwsgi.await_log(&format!("{worker} says: started"));
    uwsgi.settle();
    let answered = thread::scope(|scope| {
        let client = scope.spawn(|| uwsgi.try_get("/slow").is_ok_and(|it| it.body == "whole"));
        uwsgi.await_log("in progress");
        uwsgi.kill(if master { uwsgi.pid() } else { worker }, signal);
        if master {
            // It says what it does to its workers.
            uwsgi.await_log("killing workers...");
        }
        if leaves == Leaves::AtOnce {
            uwsgi.await_gone(worker);
        } else {
            // Stock would have left by now.
            let _ = proc::gone_within(worker, Duration::from_millis(300));
        }
        gate.open();
        client.join().unwrap()
    });
    uwsgi.await_gone(worker);
    let log = uwsgi.log();
    Outcome {
        answered,
        said: said(&log, worker).into_iter().map(str::to_owned).collect(),
        line: pycow.then(|| farewell(&log, worker).to_owned()),
    }
}

fn with_pycow(host: &Host) -> Uwsgi {
    with_app(host, &format!("{HOOKS}{SLOW}")).file("pycow", "")
}

fn check(host: &Host, what: &str, outcome: &Outcome) {
    assert!(outcome.answered, "{what}: cut off");
    assert_eq!(outcome.said, in_order(host), "{what}");
    let line = outcome.line.as_deref().unwrap();
    assert!(
        line.contains("after 1 request: ") && line.contains(", hooks took "),
        "{line}"
    );
}

#[test]
fn a_request_in_progress_is_answered_whatever_the_signal() {
    for host in one_of_each() {
        for threads in [false, true] {
            for signal in [SIGTERM, SIGINT, SIGHUP] {
                let what = format!("{}, signal {signal}, threads {threads}", host.name);
                let uwsgi = with_pycow(&host);
                let uwsgi = if threads {
                    uwsgi.set("threads", 3)
                } else {
                    uwsgi
                };
                let outcome = interrupted(uwsgi, signal, false, Leaves::AfterItsRequest);
                check(&host, &what, &outcome);
            }
        }
    }
}

#[test]
fn a_request_in_progress_is_answered_when_the_instance_ends() {
    for host in one_of_each() {
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            if signal == SIGHUP && !host.reloads() {
                continue;
            }
            let what = format!("{}, signal {signal}", host.name);
            let outcome = interrupted(with_pycow(&host), signal, true, Leaves::AfterItsRequest);
            check(&host, &what, &outcome);
        }
    }
}

#[test]
fn without_pycow_it_is_cut_off_and_no_hook_runs() {
    for host in one_of_each() {
        let app = format!("{SAY}{HOOKS}{SLOW}");
        let stock = Uwsgi::on(&host).app(&app);
        let stock = interrupted(stock, SIGTERM, false, Leaves::AtOnce);
        assert!(!stock.answered, "{}", host.name);
        assert_eq!(stock.said, ["started"], "{}", host.name);
    }
}

#[test]
fn with_no_grace_it_is_as_without_pycow() {
    let uwsgi = with_pycow(&default_host()).set("pycow-exit-grace", 0);
    let outcome = interrupted(uwsgi, SIGTERM, false, Leaves::AtOnce);
    assert!(!outcome.answered);
    assert_eq!(outcome.said, ["started"]);
    let line = outcome.line.unwrap();
    assert!(line.ends_with(", hooks not run: it is busy"), "{line}");
}

/// An answer that does not fit into the sockets, to a client that reads it only when the worker was told.
const LARGE: &str = r#"
def application(env, start):
    start("200 OK", [("Content-Length", "20000000")])
    os.write(2, b"in progress\n")
    return [b"x" * 20_000_000]
"#;

/// How much of it comes.
fn read_slowly(uwsgi: Uwsgi, signal: i32) -> u64 {
    let uwsgi = uwsgi.start();
    let worker = super::only_worker(&uwsgi);
    let mut client = TcpStream::connect(("127.0.0.1", uwsgi.port())).unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    uwsgi.await_log("in progress");
    // It waits until the client takes more.
    until("sleeping worker", || proc::sleeps(worker).then_some(()));
    uwsgi.kill(worker, signal);
    let _ = proc::gone_within(worker, Duration::from_millis(300));
    io::copy(&mut client, &mut io::sink()).unwrap_or(0)
}

#[test]
fn who_is_slow_to_take_an_answer_gets_all_of_it() {
    let app = format!("{SAY}{LARGE}");
    for host in one_of_each() {
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            let what = format!("{}, signal {signal}", host.name);
            let came = read_slowly(with_app(&host, LARGE), signal);
            assert!(came > 20_000_000, "{what}: {came} bytes");
            let stock = read_slowly(Uwsgi::on(&host).app(&app), signal);
            assert!(stock < 20_000_000, "stock, {what}: {stock} bytes");
        }
    }
}

/// With `thunder-lock` the workers but one wait for a lock, which no signal interrupts.
#[test]
fn workers_that_wait_for_the_thunder_lock_leave_at_once() {
    for host in one_of_each() {
        for threads in [false, true] {
            let uwsgi = with_app(&host, HOOKS)
                .flag("thunder-lock")
                .set("processes", 3);
            let uwsgi = if threads {
                uwsgi.set("threads", 2)
            } else {
                uwsgi
            };
            let uwsgi = uwsgi.start();
            let workers = uwsgi.workers();
            for worker in &workers {
                uwsgi.await_log(&format!("{worker} says: started"));
            }
            let finished = uwsgi.stop();
            assert!(finished.status.success(), "{}", host.name);
            for worker in workers {
                assert_eq!(
                    said(&finished.log, worker),
                    in_order(&host),
                    "{}",
                    host.name
                );
            }
        }
    }
}

/// They have no request to end, and leave before the grace is over: who of the threads waits for events, and
/// who for the lock of the one that does, is chance.
#[test]
fn idle_workers_do_not_wait_for_their_grace() {
    for host in one_of_each() {
        for (threads, signal) in [(1, SIGTERM), (3, SIGTERM), (3, SIGINT), (3, SIGHUP)] {
            let uwsgi = with_app(&host, HOOKS)
                .set("threads", threads)
                .set("processes", 4)
                .set("pycow-exit-grace", 50)
                .set("worker-reload-mercy", 100)
                .start();
            let workers = uwsgi.workers();
            uwsgi.settle();
            for worker in &workers {
                uwsgi.kill(*worker, signal);
            }
            for worker in workers {
                let what = format!("{}, signal {signal}, {threads} threads", host.name);
                assert!(proc::gone_within(worker, Duration::from_secs(40)), "{what}");
                assert_eq!(said(&uwsgi.log(), worker), in_order(&host), "{what}");
            }
        }
    }
}

/// An event loop of the application's waits in a request, one event at a time: where CPython has its `select` built in
/// and is a part of uWSGI's own object, through the call by which uWSGI waits for requests.
const LOOPS: &str = r#"
import asyncio

def application(env, start):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    start("200 OK", [])
    return [b"whole"]
"#;

/// Which thread served last, and which one waits now, is chance.
#[test]
fn nor_do_those_whose_requests_waited_in_a_loop_of_their_own() {
    for host in one_of_each() {
        for round in 1..=4 {
            let uwsgi = with_app(&host, &format!("{HOOKS}{LOOPS}"))
                .set("threads", 3)
                .set("pycow-exit-grace", 50)
                .set("worker-reload-mercy", 100)
                .start();
            let worker = super::only_worker(&uwsgi);
            for _ in 0..9 + round {
                assert_eq!(uwsgi.get("/").body, "whole");
            }
            uwsgi.settle();
            uwsgi.kill(worker, SIGTERM);
            let what = format!("{}, round {round}", host.name);
            assert!(proc::gone_within(worker, Duration::from_secs(40)), "{what}");
            assert_eq!(said(&uwsgi.log(), worker), in_order(&host), "{what}");
        }
    }
}
