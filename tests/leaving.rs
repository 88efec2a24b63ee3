//! Leaving: every hook runs in Python's order, nothing is torn down, and the process ends as it
//! would have without pycow.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use pycow_testkit::signal::{SIGCONT, SIGHUP, SIGINT, SIGSTOP, SIGTERM};
use pycow_testkit::{default_host, hosts, proc, Finished, Host, Instance, Uwsgi};

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

def wait_for_the_end():
    threading.main_thread().join()
    say("thread")

def start_thread():
    threading.Thread(target=wait_for_the_end).start()
    say("started")
uwsgi.post_fork_hook = start_thread

if sys.version_info >= (3, 9):
    threading._register_atexit(say, "threading")
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
    // The master may say so later than its worker accepts.
    uwsgi.await_log("spawned uWSGI worker 1 (");
    let [worker] = uwsgi.workers()[..] else {
        panic!("one worker: {:?}", uwsgi.workers())
    };
    worker
}

/// The exit status of a worker, which only its master learns: the master is held until the status
/// was read from the zombie.
fn status_of(uwsgi: &Instance, worker: i32, leave: impl FnOnce()) -> i32 {
    uwsgi.signal(SIGSTOP);
    leave();
    uwsgi.await_gone(worker);
    let stat = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap();
    uwsgi.signal(SIGCONT);
    // proc(5): field 52, counted from the state, which is field 3.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let status: i32 = fields.split_whitespace().nth(49).unwrap().parse().unwrap();
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

#[test]
fn a_workers_hooks_run_in_pythons_order_and_nothing_is_torn_down() {
    for host in hosts() {
        println!("{}", host.name);
        let uwsgi = with_app(&host, HOOKS).start();
        let worker = only_worker(&uwsgi);
        let finished = uwsgi.stop();
        assert_eq!(
            said(&finished.log, worker),
            in_order(&host),
            "{}",
            host.name
        );
        let line = farewell(&finished.log, worker);
        assert!(line.contains(" MB private, hooks took "), "{line}");
    }
}

#[test]
fn what_c_code_has_buffered_is_written_too() {
    const PRINTF: &str = r#"
import ctypes
# uWSGI has C's stdout buffered by lines.
atexit.register(ctypes.CDLL(None).printf, b"printed by C")
"#;
    let host = default_host();
    for uwsgi in [
        with_app(&host, PRINTF),
        with_app(&host, PRINTF).unset("master"),
    ] {
        let finished = uwsgi.start().stop();
        assert_eq!(finished.log.matches("printed by C").count(), 1);
    }
}

#[test]
fn with_pycow_exit_full_the_interpreter_is_torn_down_too() {
    let host = default_host();
    let uwsgi = with_app(&host, HOOKS).set("pycow-exit", "full").start();
    let worker = only_worker(&uwsgi);
    let finished = uwsgi.stop();
    let mut everything = in_order(&host);
    everything.push("torn down");
    assert_eq!(said(&finished.log, worker), everything);
    let line = farewell(&finished.log, worker);
    assert!(
        line.contains(" MB private, hooks and teardown took "),
        "{line}"
    );
}

#[test]
fn the_order_is_that_of_a_uwsgi_without_pycow() {
    let host = default_host();
    let uwsgi = Uwsgi::on(&host).app(&format!("{SAY}{HOOKS}")).start();
    let worker = only_worker(&uwsgi);
    let finished = uwsgi.stop();
    let mut everything = in_order(&host);
    everything.push("torn down");
    assert_eq!(said(&finished.log, worker), everything);
}

#[test]
fn mules_and_spoolers_leave_in_the_same_way() {
    let host = default_host();
    let uwsgi = with_app(&host, HOOKS).set("mule", "true");
    let spool = uwsgi.dir().join("spool");
    fs::create_dir(&spool).unwrap();
    let uwsgi = uwsgi.set("spooler", spool.display()).start();
    uwsgi.await_log("spawned uWSGI mule 1 (");
    uwsgi.await_log("spawned the uWSGI spooler on dir ");
    let ([mule], [spooler]) = (&uwsgi.mules()[..], &uwsgi.spoolers()[..]) else {
        panic!("one mule and one spooler")
    };
    // Both are told by hand: at its end the master kills spoolers outright.
    for (name, pid) in [("mule 1", *mule), ("spooler", *spooler)] {
        uwsgi.await_log(&format!("{pid} says: started"));
        let status = status_of(&uwsgi, pid, || uwsgi.kill(pid, SIGTERM));
        assert_eq!(status, END_CODE, "{name}");
        uwsgi.await_log(&format!("[pycow] {name} (pid {pid}) leaves after "));
        assert_eq!(said(&uwsgi.log(), pid), in_order(&host), "{name}");
    }
}

#[test]
fn a_hook_that_raises_is_printed_and_stops_no_other() {
    let uwsgi = start(
        r#"
def raises(error):
    say("raises %s" % type(error).__name__)
    raise error
uwsgi.atexit = lambda: raises(OSError("from uwsgi.atexit"))
threading._register_atexit(raises, ValueError("from threading"))
atexit.register(say, "the last hook")
atexit.register(raises, LookupError("from atexit"))
atexit.register(raises, SystemExit(3))
atexit.register(raises, KeyboardInterrupt())
"#,
    );
    let worker = only_worker(&uwsgi);
    let status = status_of(&uwsgi, worker, || uwsgi.kill(worker, SIGTERM));
    assert_eq!(status, END_CODE);
    uwsgi.await_accepting(2);
    let finished = uwsgi.stop();
    let expected = [
        "raises OSError",
        "raises ValueError",
        "raises KeyboardInterrupt",
        "raises SystemExit",
        "raises LookupError",
        "the last hook",
    ];
    assert_eq!(said(&finished.log, worker), expected);
    for printed in [
        "OSError: from uwsgi.atexit",
        "ValueError: from threading",
        "LookupError: from atexit",
    ] {
        let lines = finished.log.lines();
        // The worker's, and that of the one which took its place.
        assert_eq!(
            lines.filter(|line| *line == printed).count(),
            2,
            "{printed}"
        );
    }
    assert!(finished.log.contains("Traceback (most recent call last):"));
    assert!(farewell(&finished.log, worker).contains(", hooks took "));
}

#[test]
fn uwsgi_atexit_cannot_end_the_process_by_sys_exit() {
    let uwsgi = start(
        r#"
def leave():
    say("uwsgi.atexit")
    sys.exit(3)
uwsgi.atexit = leave
atexit.register(say, "atexit")
"#,
    );
    let worker = only_worker(&uwsgi);
    let status = status_of(&uwsgi, worker, || uwsgi.kill(worker, SIGTERM));
    uwsgi.await_log(&format!("(pid {worker}) leaves after "));
    assert_eq!(said(&uwsgi.log(), worker), ["uwsgi.atexit", "atexit"]);
    assert_eq!(status, END_CODE);
}

/// A uWSGI without a master that was told to end: its pid, and how it ended. What it was to clean
/// up is gone.
fn alone(uwsgi: Uwsgi, signal: i32) -> (i32, Finished) {
    let socket = uwsgi.dir().join("socket");
    let pidfile = uwsgi.dir().join("pidfile");
    let uwsgi = uwsgi
        .unset("master")
        .set("socket", socket.display())
        .set("pidfile", pidfile.display())
        .flag("vacuum")
        .set("exec-as-user-atexit", "echo the command of the end")
        .start();
    assert!(socket.exists() && pidfile.exists());
    let pid = uwsgi.pid();
    uwsgi.kill(pid, signal);
    uwsgi.await_gone(pid);
    // The folder goes with the instance.
    assert!(!socket.exists(), "the socket is left");
    assert!(!pidfile.exists(), "the pidfile is left");
    let finished = uwsgi.finish();
    let commands = finished.log.matches("\nthe command of the end\n").count();
    assert_eq!(commands, 1);
    (pid, finished)
}

#[test]
fn without_a_master_uwsgi_still_cleans_up() {
    let host = default_host();
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        let (_, stock) = alone(Uwsgi::on(&host).app(&format!("{SAY}{HOOKS}")), signal);
        let (pid, finished) = alone(with_app(&host, HOOKS), signal);
        assert_eq!(finished.status, stock.status, "signal {signal}");
        assert!(finished.status.code().is_some(), "killed");
        assert_eq!(said(&finished.log, pid), in_order(&host));
        assert!(farewell(&finished.log, pid).contains(", hooks took "));
    }
}

#[test]
fn other_plugins_take_their_leave_first() {
    let psgi = Path::new("/usr/lib/uwsgi/plugins/psgi_plugin.so").exists();
    let installed = |host: &Host| host.uwsgi == Path::new("/usr/bin/uwsgi-core");
    let Some(host) = hosts().into_iter().find(installed).filter(|_| psgi) else {
        return println!("skipped: no Debian uWSGI with uwsgi-plugin-psgi here");
    };
    const PERL: &str = r#"
uwsgi::atexit(sub { syswrite(STDERR, "$$ says: perl\n") });
my $app = sub { return [200, [], ["perl"]] };
"#;
    for master in [true, false] {
        let uwsgi = with_app(&host, HOOKS).file("app.pl", PERL);
        let script = uwsgi.dir().join("app.pl");
        let uwsgi = uwsgi.set("plugin", "psgi").set("psgi", script.display());
        let uwsgi = if master { uwsgi } else { uwsgi.unset("master") };
        let uwsgi = uwsgi.start();
        let worker = only_worker(&uwsgi);
        let finished = uwsgi.stop();
        let mut expected = in_order(&host);
        expected.insert(1, "perl");
        assert_eq!(said(&finished.log, worker), expected, "master: {master}");
    }
}

#[test]
fn a_busy_worker_runs_no_hooks() {
    let uwsgi = with_app(
        &default_host(),
        &format!(
            r#"{HOOKS}
def application(env, start):
    say("inside a request")
    open("gate").read(1)
"#
        ),
    );
    let _gate = Gate::in_dir(uwsgi.dir());
    let uwsgi = uwsgi.start();
    let worker = only_worker(&uwsgi);
    std::thread::scope(|scope| {
        // It is cut off.
        scope.spawn(|| uwsgi.try_get("/"));
        uwsgi.await_log("says: inside a request");
        uwsgi.kill(worker, SIGTERM);
        let line = uwsgi.await_log(&format!("(pid {worker}) leaves after "));
        assert!(
            line.ends_with(" MB private, hooks not run: it is busy"),
            "{line}"
        );
        uwsgi.await_gone(worker);
    });
    assert_eq!(said(&uwsgi.log(), worker), ["started", "inside a request"]);
}

#[test]
fn a_worker_in_async_mode_runs_no_hooks() {
    let uwsgi = with_app(&default_host(), HOOKS)
        .set("async", 2)
        .flag("ugreen")
        .start();
    let worker = only_worker(&uwsgi);
    assert_eq!(uwsgi.get("/").body, worker.to_string());
    proc::await_idle(worker);
    let finished = uwsgi.stop();
    let line = farewell(&finished.log, worker);
    assert!(line.contains("leaves after 1 requests: "), "{line}");
    assert!(
        line.ends_with(", hooks not run: it is in async mode"),
        "{line}"
    );
    assert_eq!(said(&finished.log, worker), ["started"]);
}

#[test]
fn a_hijacked_worker_runs_no_hooks() {
    let uwsgi = with_app(&default_host(), HOOKS).file(
        "script.py",
        "import os\nos.write(2, b'the script runs\\n')\nopen('gate').read(1)\n",
    );
    let _gate = Gate::in_dir(uwsgi.dir());
    let script = uwsgi.dir().join("script.py");
    let uwsgi = uwsgi.set("pyrun", script.display()).launch();
    uwsgi.await_log("the script runs");
    let worker = only_worker(&uwsgi);
    uwsgi.kill(worker, SIGTERM);
    let line = uwsgi.await_log(&format!("(pid {worker}) leaves after "));
    assert!(line.ends_with(", hooks not run: it is hijacked"), "{line}");
    uwsgi.await_gone(worker);
    assert_eq!(said(&uwsgi.log(), worker), ["started"]);
}

const BOUND_LINE: &str = "[pycow] WARNING: the exit hooks did not end within pycow-exit-timeout: \
                          leaving without them; what held them:";

/// How long the worker took to leave at SIGTERM, and its status.
fn timed_leave(uwsgi: &Instance, worker: i32) -> (Duration, i32) {
    let start = Instant::now();
    let status = status_of(uwsgi, worker, || uwsgi.kill(worker, SIGTERM));
    let time = start.elapsed();
    // Whatever the worker wrote stands before what its master says of its end.
    uwsgi.await_log(&format!("DAMN ! worker 1 (pid: {worker}) died"));
    (time, status)
}

#[test]
fn hooks_that_never_end_are_left_behind_with_their_stacks() {
    let uwsgi = with_app(
        &default_host(),
        r#"
def in_the_background():
    threading.Event().wait()

def start_thread():
    threading.Thread(target=in_the_background, daemon=True).start()
uwsgi.post_fork_hook = start_thread

def waits_for_a_dead_collector():
    say("the hook begins")
    threading.Event().wait()
atexit.register(say, "never comes")
atexit.register(waits_for_a_dead_collector)
"#,
    )
    .set("pycow-exit-timeout", 1)
    .start();
    let worker = only_worker(&uwsgi);
    let (time, status) = timed_leave(&uwsgi, worker);
    assert!(time >= Duration::from_secs(1), "{time:?}");
    assert!(time < Duration::from_secs(5), "{time:?}");
    assert_eq!(status, END_CODE);
    let log = uwsgi.log();
    assert_eq!(said(&log, worker), ["the hook begins"]);
    let (_, stacks) = log.split_once(BOUND_LINE).expect(BOUND_LINE);
    for function in ["in waits_for_a_dead_collector", "in in_the_background"] {
        assert!(stacks.contains(function), "{function}");
    }
}

#[test]
fn the_bound_covers_a_lock_that_is_never_given_back() {
    // One call into C that holds the GIL from before its line to the end of the process.
    let uwsgi = with_app(
        &default_host(),
        r#"
import ctypes

def keeps_the_gil():
    open("gate").readline()
    ctypes.PyDLL(None).system(b"echo the GIL is held; read line < gate")

def application(env, start):
    threading.Thread(target=keeps_the_gil, daemon=True).start()
    start("200 OK", [])
    return []
atexit.register(say, "never comes")
"#,
    )
    .flag("enable-threads")
    .set("pycow-exit-timeout", 1);
    let gate = Gate::in_dir(uwsgi.dir());
    let uwsgi = uwsgi.start();
    uwsgi.get("/");
    gate.open();
    uwsgi.await_log("the GIL is held");
    let worker = only_worker(&uwsgi);
    proc::await_idle(worker);
    let (time, status) = timed_leave(&uwsgi, worker);
    gate.open();
    assert!(time >= Duration::from_secs(1), "{time:?}");
    assert!(time < Duration::from_secs(5), "{time:?}");
    assert_eq!(status, END_CODE);
    let log = uwsgi.log();
    assert_eq!(said(&log, worker), [""; 0]);
    let (_, stacks) = log.split_once(BOUND_LINE).expect(BOUND_LINE);
    assert!(stacks.contains("in keeps_the_gil"));
}

#[test]
fn without_a_bound_a_hook_takes_its_time() {
    // The same hook under a bound shorter than itself, so that it is known to be too long for one.
    for (bound, expected) in [(1, &["begins"][..]), (0, &["begins", "ends"][..])] {
        let uwsgi = with_app(
            &default_host(),
            r#"
@atexit.register
def slow():
    say("begins")
    time.sleep(2)
    say("ends")
"#,
        )
        .set("pycow-exit-timeout", bound)
        .start();
        let worker = only_worker(&uwsgi);
        let finished = uwsgi.stop();
        assert_eq!(said(&finished.log, worker), expected);
        assert_eq!(finished.log.contains(BOUND_LINE), bound == 1);
    }
}

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

#[test]
fn a_program_that_a_hook_starts_can_be_ended_by_signals() {
    let uwsgi = with_app(
        &default_host(),
        r#"
import signal, subprocess

@atexit.register
def run():
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        program = subprocess.Popen(["sleep", "30"])
        program.send_signal(number)
        say("ended with %d" % program.wait())
"#,
    )
    .set("pycow-exit-timeout", 10)
    .start();
    let worker = only_worker(&uwsgi);
    let finished = uwsgi.stop();
    let expected = ["ended with -15", "ended with -2", "ended with -1"];
    assert_eq!(said(&finished.log, worker), expected);
}

#[test]
fn a_child_of_the_application_is_not_taken_for_the_worker() {
    let uwsgi = start(&format!(
        r#"{HOOKS}
import ctypes

def application(env, start):
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).exit(3)
    status = os.waitpid(child, 0)[1]
    start("200 OK", [])
    return [b"%d ended with %d" % (child, status >> 8)]
"#
    ));
    let worker = only_worker(&uwsgi);
    let children = [(); 2].map(|()| {
        let body = uwsgi.get("/").body;
        let (child, status) = body.split_once(" ended with ").unwrap();
        assert_eq!(status, "3");
        child.parse().unwrap()
    });
    assert_eq!(uwsgi.workers(), [worker]);
    proc::await_idle(worker);
    let finished = uwsgi.stop();
    for child in children {
        assert_eq!(said(&finished.log, child), [""; 0]);
    }
    assert_eq!(finished.log.matches(" leaves after ").count(), 1);
    let line = farewell(&finished.log, worker);
    assert!(line.contains(" leaves after 2 requests: "), "{line}");
}
