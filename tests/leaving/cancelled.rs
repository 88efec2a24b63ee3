//! A worker's threads end before its hooks run. Up to 2.0.24 uWSGI cancels them where they are.

use std::{fs, time::Duration};

use pycow_testkit::signal::{SIGHUP, SIGINT, SIGTERM};
use pycow_testkit::{one_of_each, proc, until, Host, Instance, Uwsgi};

use super::{farewell, only_worker, said, with_app, Gate, SAY};

/// While a thread of uWSGI's begins, it has a lock that the hook wants, too: as it has the GIL there, and
/// the interpreter's own locks.
const APP: &str = r#"
lock = threading.Lock()
usual = threading.current_thread

def begins():
    if threading.main_thread().ident != threading.get_ident() and not os.path.exists("began"):
        open("began", "w").close()
        with lock:
            say("a thread begins")
            open("gate").readline()
    return usual()

def in_worker():
    threading.current_thread = begins
uwsgi.post_fork_hook = in_worker

@atexit.register
def hook():
    with lock:
        say("the hook")
"#;

/// What a worker says that ends gracefully. On releases that wake no thread pycow ends it as after its last
/// request.
fn ends(host: &Host) -> &'static str {
    if matches!(host.version().as_str(), "2.0.25" | "2.0.25.1" | "2.0.26") {
        " is done. Seeya!"
    } else {
        "Gracefully killing worker 1"
    }
}

/// A worker that is told while its second thread begins. It waits for the end of that thread.
fn told_while_a_thread_begins(host: &Host, uwsgi: Uwsgi, signal: i32) -> (Instance, i32) {
    let uwsgi = uwsgi.set("threads", 2).launch();
    uwsgi.await_log(" says: a thread begins");
    let worker = only_worker(&uwsgi);
    uwsgi.kill(worker, signal);
    uwsgi.await_log(ends(host));
    proc::await_idle(worker);
    (uwsgi, worker)
}

#[test]
fn a_thread_that_begins_keeps_no_lock_that_a_hook_wants() {
    for host in one_of_each() {
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            let what = format!("{}, signal {signal}", host.name);
            let uwsgi = with_app(&host, APP);
            let gate = Gate::in_dir(uwsgi.dir());
            let (uwsgi, worker) = told_while_a_thread_begins(&host, uwsgi, signal);
            gate.open();
            uwsgi.await_gone(worker);
            uwsgi.await_log(&format!("(pid {worker}) leaves after "));
            let log = uwsgi.log();
            assert_eq!(
                said(&log, worker),
                ["a thread begins", "the hook"],
                "{what}"
            );
            assert!(farewell(&log, worker).contains(", hooks took "), "{what}");
        }
    }
}

/// So that the test above can fail.
#[test]
fn in_stock_the_hooks_wait_for_a_thread_that_was_cancelled() {
    let hosts = one_of_each().into_iter();
    for host in hosts.filter(|host| host.version().as_str() < "2.0.25") {
        let stock = Uwsgi::on(&host).app(&format!("{SAY}{APP}"));
        let _gate = Gate::in_dir(stock.dir());
        let (uwsgi, worker) = told_while_a_thread_begins(&host, stock, SIGHUP);
        let threads = || fs::read_dir(format!("/proc/{worker}/task")).map_or(0, Iterator::count);
        until("the thread is gone", || (threads() == 1).then_some(()));
        assert!(!proc::gone_within(worker, Duration::from_secs(3)));
        assert_eq!(
            said(&uwsgi.log(), worker),
            ["a thread begins"],
            "{}",
            host.name
        );
    }
}
