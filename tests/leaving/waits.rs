//! Where uWSGI waits, and for what: a safe point it is only where nothing is begun.

use pycow_testkit::signal::{SIGHUP, SIGINT, SIGTERM};
use pycow_testkit::{one_of_each, proc};

use super::{only_worker, said, with_app, Gate};

/// A lock of uWSGI's is where an idle worker leaves; a hook that takes one has begun to.
#[test]
fn a_hook_may_take_uwsgis_locks() {
    const APP: &str = r#"
@atexit.register
def hook():
    uwsgi.lock()
    uwsgi.unlock()
    say("cleared: %s" % uwsgi.cache_clear())
"#;
    for host in one_of_each() {
        let uwsgi = with_app(&host, APP).set("cache2", "name=c,items=10");
        let uwsgi = uwsgi.start();
        let worker = only_worker(&uwsgi);
        uwsgi.settle();
        let finished = uwsgi.stop();
        assert_eq!(
            said(&finished.log, worker),
            ["cleared: True"],
            "{}",
            host.name
        );
    }
}

/// A mule's wait for a message ends at a signal, so that Python comes to a boundary.
#[test]
fn a_mule_that_waits_for_a_message_for_some_time_leaves_at_once() {
    const MULE: &str = r#"
import os, uwsgi
os.write(2, b"%d says: waits\n" % os.getpid())
while True:
    uwsgi.mule_get_msg(timeout=300)
"#;
    for host in one_of_each() {
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            let uwsgi = with_app(&host, "atexit.register(say, 'the hook')\n");
            let path = uwsgi.dir().join("mule.py");
            let uwsgi = uwsgi.file("mule.py", MULE).set("mule", path.display());
            let uwsgi = uwsgi.set("pycow-exit-grace", 300).start();
            let line = uwsgi.await_log("says: waits");
            let mule = line.split(' ').next().unwrap().parse().unwrap();
            proc::await_idle(mule);
            uwsgi.kill(mule, signal);
            uwsgi.await_gone(mule);
            let what = format!("{}, signal {signal}", host.name);
            assert_eq!(said(&uwsgi.log(), mule), ["waits", "the hook"], "{what}");
        }
    }
}

/// Nor is a lock of uWSGI's a safe point in the middle of a request.
#[test]
fn a_request_that_takes_uwsgis_lock_is_answered() {
    const APP: &str = r#"
def application(env, start):
    say("in progress")
    open("gate").readline()
    uwsgi.lock()
    uwsgi.unlock()
    start("200 OK", [])
    return [b"whole"]

atexit.register(say, "the hook")
"#;
    for host in one_of_each() {
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            let what = format!("{}, signal {signal}", host.name);
            let uwsgi = with_app(&host, APP);
            let gate = Gate::in_dir(uwsgi.dir());
            let uwsgi = uwsgi.start();
            let worker = only_worker(&uwsgi);
            std::thread::scope(|scope| {
                let client = scope.spawn(|| uwsgi.try_get("/").map(|answer| answer.body));
                uwsgi.await_log("says: in progress");
                uwsgi.kill(worker, signal);
                gate.open();
                let body = client.join().unwrap();
                assert_eq!(body.ok().as_deref(), Some("whole"), "{what}");
            });
            uwsgi.await_gone(worker);
            assert_eq!(
                said(&uwsgi.log(), worker),
                ["in progress", "the hook"],
                "{what}"
            );
        }
    }
}

/// What it has put off is for the next one.
#[test]
fn a_spooler_that_is_told_while_it_waits_begins_no_task() {
    const APP: &str = r#"
def task(arguments):
    say("begins")
    return uwsgi.SPOOL_RETRY
uwsgi.spooler = task

def application(env, start):
    uwsgi.spool({b"what": b"ever"})
    start("200 OK", [])
    return [b""]

atexit.register(say, "the hook")
"#;
    for host in one_of_each() {
        let uwsgi = with_app(&host, APP).set("spooler-frequency", 300);
        let folder = uwsgi.dir().join("spool");
        std::fs::create_dir(&folder).unwrap();
        let uwsgi = uwsgi.set("spooler", folder.display()).start();
        uwsgi.get("/");
        let line = uwsgi.await_log(" says: begins");
        let spooler = line.split(' ').next().unwrap().parse().unwrap();
        proc::await_idle(spooler);
        let before = said(&uwsgi.log(), spooler).len();
        uwsgi.kill(spooler, SIGTERM);
        uwsgi.await_gone(spooler);
        let log = uwsgi.log();
        assert_eq!(said(&log, spooler)[before..], ["the hook"], "{}", host.name);
    }
}

/// One worker waits for the lock, which is in the signal's handler: what the hook starts is not to inherit
/// that this blocks the signal.
#[test]
fn a_program_that_a_hook_starts_at_the_thunder_lock_can_be_ended() {
    const APP: &str = r#"
import signal, subprocess

@atexit.register
def run():
    program = subprocess.Popen(["sleep", "50"])
    program.send_signal(signal.SIGINT)
    program.send_signal(signal.SIGTERM)
    say("ended: %s" % (program.wait() in (-2, -15)))
    say(open("/proc/self/status").read().split("SigBlk:")[1].split()[0])
"#;
    for host in one_of_each() {
        let uwsgi = with_app(&host, APP).flag("thunder-lock");
        let uwsgi = uwsgi.set("processes", 2).start();
        let workers = uwsgi.workers();
        uwsgi.settle();
        for worker in &workers {
            proc::await_idle(*worker);
        }
        let finished = uwsgi.stop();
        for worker in workers {
            let expected = ["ended: True", "0000000000000000"];
            assert_eq!(said(&finished.log, worker), expected, "{}", host.name);
        }
    }
}

/// Signals wait until a worker is at its wait, and no longer: not in a teardown either.
#[test]
fn a_hook_finds_no_signal_blocked() {
    const APP: &str = r#"
@atexit.register
def hook():
    say(open("/proc/self/status").read().split("SigBlk:")[1].split()[0])
"#;
    for host in one_of_each() {
        for policy in ["fast", "full"] {
            let uwsgi = with_app(&host, APP).set("pycow-exit", policy).start();
            let worker = only_worker(&uwsgi);
            uwsgi.settle();
            proc::await_idle(worker);
            uwsgi.kill(worker, SIGTERM);
            uwsgi.await_gone(worker);
            let what = format!("{}, {policy}", host.name);
            assert_eq!(said(&uwsgi.log(), worker), ["0000000000000000"], "{what}");
        }
    }
}
