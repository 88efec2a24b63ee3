//! What Python finds on both sides of a fork of uWSGI's: no lock that nobody releases, no signal that waits.

use std::fs;

use pycow_testkit::signal::{SIGKILL, SIGTERM};
use pycow_testkit::{one_of_each, proc, until, Uwsgi};

/// An import takes a lock, which the main thread has to itself if the fork left it to that.
const THREADS: &str = r#"
import os, threading

def application(env, start):
    done = threading.Event()
    def load():
        __import__("xmlrpc.client")
        done.set()
    threading.Thread(target=load, daemon=True).start()
    start("200 OK", [])
    return [b"%d %s" % (os.getppid(), b"imports" if done.wait(20) else b"hangs")]
"#;

/// uWSGI has loaded the applications when it forks the process that becomes the master.
#[test]
fn threads_import_in_an_instance_that_became_a_daemon_after_loading() {
    for host in one_of_each() {
        let uwsgi = Uwsgi::on(&host)
            .app(THREADS)
            .with_pycow()
            .flag("enable-threads")
            .set("daemonize2", "/dev/stderr")
            .start();
        let answer = uwsgi.try_get("/");
        let master = uwsgi.await_log("spawned uWSGI master process (pid: ");
        let (_, master) = master.rsplit_once(' ').unwrap();
        let master = master.trim_end_matches(')').parse().unwrap();
        uwsgi.kill(master, SIGTERM);
        let what = host.name;
        assert_eq!(answer.unwrap().body, format!("{master} imports"), "{what}");
        uwsgi.await_log(" leaves after 1 request: ");
        uwsgi.await_gone(master);
    }
}

/// Says which signals wait.
const MASK: &str = r#"
import os, signal, threading

def mask(when):
    waiting = sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, [])))
    os.write(2, b"%d: in the %s %s wait\n" % (os.getpid(), when, str(waiting).encode()))

os.register_at_fork(after_in_child=lambda: mask(b"hook"))

def application(env, start):
    mask(b"warm-up" if "pycow.warmup" in env else b"request")
    start("200 OK", [])
    return [b"%d" % os.getpid()]
"#;

/// A thread that is started there, and a program, would have them wait for good.
#[test]
fn no_signal_waits_where_the_application_runs() {
    for host in one_of_each() {
        for lazy in [false, true] {
            let uwsgi = Uwsgi::on(&host)
                .app(MASK)
                .with_pycow()
                .set("lazy-apps", lazy)
                .set("pycow-warmup", "/")
                .start();
            let first = uwsgi.get("/").body;
            uwsgi.kill(first.parse().unwrap(), SIGKILL);
            uwsgi.await_accepting(2);
            let second = uwsgi.get("/").body;
            let finished = uwsgi.stop();
            let said = finished.log.lines().filter(|line| line.ends_with(" wait"));
            let said: Vec<&str> = said.collect();
            let what = format!("{}, lazy {lazy}: {said:?}", host.name);
            for worker in [first, second] {
                let when = if lazy { "warm-up" } else { "hook" };
                for when in [when, "request"] {
                    let line = format!("{worker}: in the {when} [] wait");
                    assert!(said.contains(&line.as_str()), "{what}");
                }
            }
            assert!(said.iter().all(|line| line.contains(" [] ")), "{what}");
        }
    }
}

/// A request that has the next fork of the master's do what an application has registered for it.
const TELL: &str = r#"
def application(env, start):
    open("told", "w").close()
    start("200 OK", [])
    return [b"%d" % os.getpid()]
"#;

/// A signal that comes when nothing waits is not lost: the first thing that a worker runs is a hook.
#[test]
fn a_worker_that_is_told_in_its_first_hook_leaves_when_it_can() {
    const APP: &str = r#"
import atexit, os, signal

def told():
    if os.path.exists("told"):
        os.kill(os.getpid(), signal.SIGTERM)
        os.unlink("told")
        os.write(2, b"%d told\n" % os.getpid())
os.register_at_fork(after_in_child=told)
atexit.register(lambda: os.write(2, b"hook of %d\n" % os.getpid()))
"#;
    for host in one_of_each() {
        let uwsgi = Uwsgi::on(&host)
            .app(&format!("{APP}{TELL}"))
            .with_pycow()
            .start();
        let first = uwsgi.get("/").body.parse().unwrap();
        uwsgi.kill(first, SIGKILL);
        let line = uwsgi.await_log(" told");
        let second = line.split(' ').next().unwrap();
        uwsgi.await_log(&format!("hook of {second}"));
        uwsgi.await_gone(second.parse().unwrap());
        assert!(proc::alive(uwsgi.pid()), "{}", host.name);
    }
}

/// The master hears signals again where it waits itself, not where another thread of uWSGI's does: that of
/// alarms, which comes to its wait between two bells.
#[test]
fn a_thread_of_the_masters_that_waits_leaves_its_signals_alone() {
    const APP: &str = r#"
import os, time, uwsgi

def ring():
    if os.path.exists("told"):
        os.unlink("told")
        for bell in "first", "second":
            uwsgi.alarm("bell", bell)
            while not os.path.exists(bell):
                time.sleep(0.01)
os.register_at_fork(before=ring)
"#;
    for host in one_of_each() {
        let uwsgi = Uwsgi::on(&host).app(&format!("{APP}{TELL}")).with_pycow();
        let uwsgi = uwsgi.set("alarm", "bell cmd:xargs touch").start();
        let worker = uwsgi.get("/").body.parse().unwrap();
        uwsgi.kill(worker, SIGKILL);
        uwsgi.await_accepting(2);
        assert!(uwsgi.dir().join("second").exists(), "{}", host.name);
        let master = format!("/proc/{}/status", uwsgi.pid());
        until("the master hears signals", || {
            let status = fs::read_to_string(&master).unwrap();
            let mut lines = status.lines();
            lines
                .any(|line| line == "SigBlk:\t0000000000000000")
                .then_some(())
        });
    }
}
