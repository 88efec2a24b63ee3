//! Leaving: every hook runs in Python's order, nothing is torn down, and the process ends as it
//! would have without pycow.

mod born;
mod bound;
mod cancelled;
mod children;
mod early;
mod exempt;
mod finalized;
mod graceful;
mod order;
mod saved;
mod signals;
mod thread_locals;
mod waits;

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    process::Command,
};

use pycow_testkit::{default_host, Host, Instance, Uwsgi};

/// The status with which uWSGI's own signal handlers end a process (UWSGI_END_CODE).
const END_CODE: i32 = 30;

/// `say` writes a line at once, whatever becomes of Python's own streams.
const SAY: &str = r#"
import atexit, os, sys, threading, time
import uwsgi

def say(what, write=os.write, pid=os.getpid):
    write(2, b"%d says: %s\n" % (pid(), what.encode()))

def application(env, start):
    start("200 OK", [])
    return [b"%d" % os.getpid()]
"#;

/// One hook of each kind, and something that speaks if the interpreter is torn down.
const HOOKS: &str = r#"
# What uWSGI gives as stdout has no buffer.
sys.stdout = os.fdopen(os.dup(1), "w")

def first_of_all():
    print(os.getpid(), "says: was buffered")
    say("uwsgi.atexit")
uwsgi.atexit = first_of_all

# From 3.9 to 3.12 the main thread counts as ended before these are called.
called = threading.Event()

def wait_for_the_end():
    threading.main_thread().join()
    called.wait()
    say("thread")

def start_thread():
    threading.Thread(target=wait_for_the_end).start()
    say("started")
uwsgi.post_fork_hook = start_thread

def call():
    say("threading")
    called.set()

if sys.version_info >= (3, 9):
    threading._register_atexit(call)
else:
    called.set()
atexit.register(say, "atexit, registered first")
atexit.register(say, "atexit, registered last")

class Heap:
    def __del__(self, say=say):
        say("torn down")
heap = Heap()
"#;

fn in_order(host: &Host) -> Vec<&'static str> {
    let mut order = vec![
        "started",
        "uwsgi.atexit",
        "threading",
        "thread",
        "atexit, registered last",
        "atexit, registered first",
        "was buffered",
    ];
    // threading._register_atexit came with 3.9.
    order.retain(|what| *what != "threading" || host.python >= (3, 9));
    order
}

/// What that process said, in its order.
fn said(log: &str, pid: i32) -> Vec<&str> {
    let start = format!("{pid} says: ");
    log.lines()
        .filter_map(|line| line.strip_prefix(&start))
        .collect()
}

/// The line that process left.
fn farewell(log: &str, pid: i32) -> &str {
    let who = format!("(pid {pid}) leaves after ");
    let mut lines = log
        .lines()
        .filter(|line| line.starts_with("[pycow] ") && line.contains(&who));
    let line = lines
        .next()
        .unwrap_or_else(|| panic!("no farewell of {pid}"));
    assert_eq!(lines.next(), None, "two farewells");
    line
}

fn with_app(host: &Host, app: &str) -> Uwsgi {
    Uwsgi::on(host).app(&format!("{SAY}{app}")).with_pycow()
}

fn start(app: &str) -> Instance {
    with_app(&default_host(), app).start()
}

fn only_worker(uwsgi: &Instance) -> i32 {
    let [worker] = uwsgi.workers()[..] else {
        panic!("one worker: {:?}", uwsgi.workers())
    };
    worker
}

/// The exit status of a worker that ended by itself.
fn status_of(uwsgi: &Instance, worker: i32, leave: impl FnOnce()) -> i32 {
    let status = uwsgi.wait_status(worker, leave);
    assert_eq!(status & 0xff, 0, "ended by a signal");
    status >> 8
}

/// A FIFO: who reads a line of it waits for [`Gate::open`]. Who comes later finds the line there, as
/// long as this lives.
struct Gate(File);

impl Gate {
    fn in_dir(dir: &Path) -> Self {
        let path = dir.join("gate");
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        // Open for both, a FIFO never blocks its opener.
        let file = OpenOptions::new().read(true).write(true).open(path);
        Self(file.unwrap())
    }

    fn open(&self) {
        (&self.0).write_all(b"go\n").unwrap();
    }
}
