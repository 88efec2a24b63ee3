//! Signals reach the process that they are for, and cut no hook short.

use std::fs;

use pycow_testkit::signal::{SIGHUP, SIGINT, SIGTERM};
use pycow_testkit::{default_host, one_of_each, proc};

use super::{farewell, only_worker, said, status_of, with_app, Gate, END_CODE};

#[test]
fn a_second_signal_does_not_cut_the_hooks_short() {
    for master in [true, false] {
        let uwsgi = with_app(
            &default_host(),
            r#"
@atexit.register
def waits():
    say("waits")
    open("gate").readline()
    say("waited")
atexit.register(say, "the first hook")
"#,
        );
        let gate = Gate::in_dir(uwsgi.dir());
        let uwsgi = if master { uwsgi } else { uwsgi.unset("master") };
        let uwsgi = uwsgi.start();
        let worker = only_worker(&uwsgi);
        let leave = || {
            uwsgi.kill(worker, SIGTERM);
            uwsgi.await_log("says: waits");
            for signal in [SIGTERM, SIGINT, SIGHUP] {
                uwsgi.kill(worker, signal);
            }
            gate.open();
        };
        if master {
            assert_eq!(status_of(&uwsgi, worker, leave), END_CODE);
        } else {
            leave();
            uwsgi.await_gone(worker);
        }
        uwsgi.await_log(&format!("(pid {worker}) leaves after "));
        let log = uwsgi.log();
        let expected = ["the first hook", "waits", "waited"];
        assert_eq!(said(&log, worker), expected, "master: {master}");
        assert!(farewell(&log, worker).contains(", hooks took "));
    }
}

/// A signal comes in C code after the last bytecode: the process leaves where it waits, and Python, which
/// learns of the signal in the first hook, does not end it there.
#[test]
fn a_signal_after_the_last_bytecode_cuts_no_hook_short() {
    const APP: &str = r#"
import ctypes, functools

class Once:
    """SIGTERM at the first time in a mule and a spooler; else 0, which is no signal."""
    @property
    def _as_parameter_(self):
        mark = "told-%d" % uwsgi.mule_id()
        if uwsgi.worker_id() or os.path.exists(mark):
            return 0
        open(mark, "w").close()
        return 15

# C calls C: no bytecode follows.
uwsgi.post_fork_hook = functools.partial(getattr(ctypes.CDLL(None), "raise"), Once())
atexit.register(say, "the first hook")
atexit.register(say, "the last hook")
"#;
    for host in one_of_each() {
        // A spooler has the lowest priority: on a busy machine it comes to its wait late.
        let uwsgi = with_app(&host, APP)
            .set("mule", "true")
            .set("pycow-exit-grace", 50);
        let spool = uwsgi.dir().join("spool");
        fs::create_dir(&spool).unwrap();
        let uwsgi = uwsgi.set("spooler", spool.display()).start();
        for who in ["spooler (pid ", "mule 1 (pid "] {
            let line = uwsgi.await_log(&format!("[pycow] {who}"));
            let (_, rest) = line.split_once("(pid ").unwrap();
            let pid = rest.split(')').next().unwrap().parse().unwrap();
            let expected = ["the last hook", "the first hook"];
            assert_eq!(said(&uwsgi.log(), pid), expected, "{}, {who}", host.name);
        }
    }
}

/// The kernel gives a signal to a thread of the application's where the main one blocks it: for the moment
/// in which it is about to wait.
#[test]
fn a_signal_that_another_thread_gets_ends_an_idle_worker_at_once() {
    const APP: &str = r#"
import signal

def told():
    open("gate").readline()
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    threading.Event().wait()

def start_thread():
    if uwsgi.worker_id():
        threading.Thread(target=told, daemon=True).start()
uwsgi.post_fork_hook = start_thread
atexit.register(say, "the hook")
"#;
    for host in one_of_each() {
        let uwsgi = with_app(&host, APP).flag("enable-threads");
        // Longer than this test waits: where the grace ends it, no hook runs.
        let uwsgi = uwsgi.set("pycow-exit-grace", 300);
        let gate = Gate::in_dir(uwsgi.dir());
        let uwsgi = uwsgi.start();
        let worker = only_worker(&uwsgi);
        proc::await_idle(worker);
        assert_eq!(status_of(&uwsgi, worker, || gate.open()), END_CODE);
        assert_eq!(said(&uwsgi.log(), worker), ["the hook"], "{}", host.name);
    }
}

/// What `signal.getsignal` shows may be kept and put back: then CPython's own handler stands in the place of
/// pycow's, and calls what was put back.
#[test]
fn a_mule_that_puts_a_handler_back_leaves() {
    const MULE: &str = r#"
import os, signal

for number in signal.SIGHUP, signal.SIGINT, signal.SIGTERM:
    kept = signal.signal(number, print)
    signal.signal(number, kept)
os.write(2, b"%d says: kept\n" % os.getpid())
while True:
    signal.pause()
"#;
    for host in one_of_each() {
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            let uwsgi = with_app(&host, "atexit.register(say, \"the hook\")\n");
            let path = uwsgi.dir().join("mule.py");
            let uwsgi = uwsgi
                .file("mule.py", MULE)
                .set("mule", path.display())
                .start();
            let line = uwsgi.await_log("says: kept");
            let (mule, _) = line.split_once(' ').unwrap();
            let mule = mule.parse().unwrap();
            uwsgi.kill(mule, signal);
            uwsgi.await_gone(mule);
            assert_eq!(
                said(&uwsgi.log(), mule),
                ["kept", "the hook"],
                "{}, {signal}",
                host.name
            );
        }
    }
}

/// uWSGI's log asks for the date, which libc tells under a lock that is not made for signal handlers.
#[test]
fn with_dates_in_the_log_who_holds_the_lock_of_dates_leaves_too() {
    const WORKERS: usize = 4;
    let app = r#"
import ctypes
libc = ctypes.CDLL(None)

def application(env, start):
    say("asks for the time zone")
    while True:
        libc.tzset()
"#;
    for host in one_of_each() {
        let uwsgi = with_app(&host, app).flag("log-date").flag("log-master");
        let uwsgi = uwsgi
            .set("pycow-exit-grace", 0)
            .set("processes", WORKERS)
            .start();
        uwsgi.await_log_times("pawned uWSGI worker ", WORKERS);
        let workers = uwsgi.workers();
        std::thread::scope(|scope| {
            for _ in &workers {
                scope.spawn(|| drop(uwsgi.try_get("/")));
            }
            uwsgi.await_log_times("says: asks for the time zone", WORKERS);
            for worker in &workers {
                uwsgi.kill(*worker, SIGTERM);
            }
            for worker in &workers {
                uwsgi.await_gone(*worker);
            }
        });
        for worker in workers {
            let line = uwsgi.await_log(&format!("(pid {worker}) leaves after "));
            assert!(line.ends_with("hooks not run: it is busy"), "{line}");
        }
    }
}
