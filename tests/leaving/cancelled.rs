//! A worker's threads end before its hooks run. Up to 2.0.24 uWSGI cancels them where they are.

use std::{fs, io::Write, path::Path, time::Duration};

use pycow_testkit::signal::{SIGHUP, SIGINT, SIGTERM};
use pycow_testkit::{one_of_each, proc, until, Instance, Uwsgi};

use super::{farewell, only_worker, said, with_app, SAY};

/// A thread of uWSGI's begins, and keeps the GIL as long as the first byte of `gate` is its own.
const APP: &str = r#"
import mmap

gate = mmap.mmap(os.open("gate", os.O_RDWR), 1)
usual = threading.current_thread

def begins():
    if threading.main_thread().ident != threading.get_ident() and gate[0] == ord("0"):
        gate[0] = ord("1")
        while gate[0] == ord("1"):
            pass
    return usual()

def in_worker():
    # Nobody waits for the GIL so long.
    sys.setswitchinterval(1000)
    threading.current_thread = begins
uwsgi.post_fork_hook = in_worker
atexit.register(say, "the hook")
"#;

fn open_gate(dir: &Path) {
    // Written in place: the worker has it mapped.
    let gate = fs::OpenOptions::new().write(true).open(dir.join("gate"));
    gate.unwrap().write_all(b"2").unwrap();
}

/// A worker that is told while its second thread begins. It waits for the end of that thread.
fn told_while_a_thread_begins(uwsgi: Uwsgi, signal: i32) -> (Instance, i32) {
    let uwsgi = uwsgi.file("gate", "0").set("threads", 2).launch();
    let gate = uwsgi.dir().join("gate");
    until("a thread begins", || {
        (fs::read(&gate).unwrap() == b"1").then_some(())
    });
    let worker = only_worker(&uwsgi);
    uwsgi.kill(worker, signal);
    uwsgi.await_log("Gracefully killing worker 1");
    proc::await_idle(worker);
    (uwsgi, worker)
}

fn threads_of(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

#[test]
fn a_thread_that_begins_keeps_no_lock_of_the_interpreters() {
    for host in one_of_each() {
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            let what = format!("{}, signal {signal}", host.name);
            let (uwsgi, worker) = told_while_a_thread_begins(with_app(&host, APP), signal);
            open_gate(uwsgi.dir());
            uwsgi.await_gone(worker);
            uwsgi.await_log(&format!("(pid {worker}) leaves after "));
            let log = uwsgi.log();
            assert_eq!(said(&log, worker), ["the hook"], "{what}");
            assert!(farewell(&log, worker).contains(", hooks took "), "{what}");
        }
    }
}

/// So that the test above can fail.
#[test]
fn in_stock_the_hooks_wait_for_the_thread_that_was_cancelled() {
    let hosts = one_of_each().into_iter();
    for host in hosts.filter(|host| host.version().as_str() < "2.0.25") {
        let stock = Uwsgi::on(&host).app(&format!("{SAY}{APP}"));
        let (uwsgi, worker) = told_while_a_thread_begins(stock, SIGHUP);
        until("the thread is gone", || {
            (threads_of(worker) == 1).then_some(())
        });
        open_gate(uwsgi.dir());
        assert!(!proc::gone_within(worker, Duration::from_secs(3)));
        assert_eq!(said(&uwsgi.log(), worker), [""; 0], "{}", host.name);
    }
}
