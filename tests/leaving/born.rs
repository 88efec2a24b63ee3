//! A process that is told to leave while it is forked: it has its master's handlers, or none, and knows
//! nothing of itself.

use std::time::Duration;

use pycow_testkit::signal::{SIGHUP, SIGINT, SIGTERM};
use pycow_testkit::{compile_library, default_host, one_of_each, proc, Instance, Uwsgi};

use super::{farewell, said, Gate, SAY};

/// The child of the fork of that number gets the signal in its first moment: from a terminal, or from a
/// service manager that signals a whole group, it would be chance.
/// (A host may be started by shells, which fork, too. dlsym has another version in each glibc; `__libc_fork` is
/// fork in all of them.)
const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern pid_t __libc_fork(void);

pid_t fork(void) {
    static int forks;
    forks += strcmp(program_invocation_short_name, "sh") != 0;
    pid_t pid = __libc_fork();
    if (pid == 0 && forks == atoi(getenv("TOLD_AT_FORK"))) {
        raise(atoi(getenv("TOLD_BY")));
    }
    return pid;
}
"#;

/// The first fork is that of worker 1, the second that of a mule.
fn told_at_fork(uwsgi: Uwsgi, number: i32, signal: i32) -> Uwsgi {
    compile_library(uwsgi.dir(), LIBRARY);
    let library = uwsgi.dir().join("library.so");
    uwsgi
        .through("exec env LD_PRELOAD=\"$LIBRARY\" \"$@\"")
        .env("LIBRARY", library)
        .env("TOLD_AT_FORK", number.to_string())
        .env("TOLD_BY", signal.to_string())
}

/// The process that a line of the log says it of: `spawned uWSGI .. (pid: 77`.
fn pid_in(line: &str) -> i32 {
    let (_, rest) = line.split_once("(pid: ").unwrap();
    rest.split([',', ')']).next().unwrap().parse().unwrap()
}

/// SIGINT is its end at once: an application may have taken it from Python.
const APP: &str = r#"
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
atexit.register(say, "the hook")
"#;

/// A worker that was told so, and the instance that goes on.
fn told_worker(uwsgi: Uwsgi, signal: i32) -> (Instance, i32) {
    let uwsgi = told_at_fork(uwsgi, 1, signal).launch();
    let worker = pid_in(&uwsgi.await_log("spawned uWSGI worker 1 (pid: "));
    (uwsgi, worker)
}

#[test]
fn a_worker_has_its_hooks() {
    for host in one_of_each() {
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let what = format!("{}, signal {signal}", host.name);
            let uwsgi = Uwsgi::on(&host).with_pycow();
            let uwsgi = uwsgi.app(&format!("{SAY}{APP}"));
            let (uwsgi, worker) = told_worker(uwsgi, signal);
            // It, and who takes its place.
            uwsgi.await_accepting(2);
            let log = uwsgi.log();
            assert_eq!(said(&log, worker), ["the hook"], "{what}");
            assert!(farewell(&log, worker).contains(", hooks took "), "{what}");
        }
    }
}

/// So that the test above can fail.
#[test]
fn in_stock_it_has_none_or_stays() {
    let host = default_host();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let stock = Uwsgi::on(&host).app(&format!("{SAY}{APP}"));
        let (uwsgi, worker) = told_worker(stock, signal);
        let is_gone = proc::gone_within(worker, Duration::from_secs(3));
        assert_eq!(is_gone, signal == SIGINT, "signal {signal}");
        assert_eq!(said(&uwsgi.log(), worker), [""; 0], "signal {signal}");
    }
}

/// It would load for as long as that takes, and nobody is served by it.
#[test]
fn a_worker_that_loads_by_itself_does_not_load_to_the_end() {
    for host in one_of_each() {
        let uwsgi = Uwsgi::on(&host).with_pycow();
        let _gate = Gate::in_dir(uwsgi.dir());
        let uwsgi = uwsgi.app(&format!("{SAY}open('gate').readline()\n"));
        let (uwsgi, worker) = told_worker(uwsgi.flag("lazy-apps"), SIGTERM);
        uwsgi.await_gone(worker);
    }
}

/// It never waits as uWSGI does.
#[test]
fn a_worker_that_python_takes_for_itself_leaves() {
    for host in one_of_each() {
        let uwsgi = Uwsgi::on(&host).with_pycow().app(SAY);
        let script = uwsgi.dir().join("script.py");
        let uwsgi = uwsgi
            .file("script.py", "open('gate').read(1)\n")
            .set("pyrun", script.display());
        let _gate = Gate::in_dir(uwsgi.dir());
        // Not when its grace is over.
        let (uwsgi, worker) = told_worker(uwsgi.set("pycow-exit-grace", 300), SIGTERM);
        let line = uwsgi.await_log(&format!("(pid {worker}) leaves after "));
        assert!(line.ends_with(", hooks not run: it is hijacked"), "{line}");
        uwsgi.await_gone(worker);
    }
}

/// Nor does a mule's program, and no bytecode boundary tells of what came before.
#[test]
fn a_mule_with_a_program_leaves() {
    for host in one_of_each() {
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let uwsgi = Uwsgi::on(&host).with_pycow();
            let path = uwsgi.dir().join("mule.py");
            let uwsgi = uwsgi
                .app(&format!("{SAY}{APP}"))
                .file("mule.py", "import time\nwhile True: time.sleep(0.1)\n")
                .set("mule", path.display());
            let uwsgi = told_at_fork(uwsgi, 2, signal).launch();
            let mule = pid_in(&uwsgi.await_log("spawned uWSGI mule 1 (pid: "));
            uwsgi.await_gone(mule);
            let log = uwsgi.log();
            assert_eq!(said(&log, mule), ["the hook"], "{}, {signal}", host.name);
        }
    }
}
