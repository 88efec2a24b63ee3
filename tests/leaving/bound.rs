//! Hooks that do not end are left behind after `pycow-exit-timeout`.

use std::time::{Duration, Instant};

use pycow_testkit::signal::SIGTERM;
use pycow_testkit::{default_host, proc, Instance};

use pycow_testkit::{hosts, one_of_each, skip, until, Host};

use super::{only_worker, said, status_of, with_app, Gate, END_CODE};

/// Sooner than by any limit but the one that is set, on a machine that is busy with other things, too.
const SOON: Duration = Duration::from_secs(25);

const BOUND_LINE: &str = "the exit hooks did not end within pycow-exit-timeout: \
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
    assert!(time < SOON, "{time:?}");
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
    let worker = only_worker(&uwsgi);
    uwsgi.get("/");
    // Inside of the request it would want the GIL once more, and sleep for it.
    proc::await_waiting(worker);
    gate.open();
    uwsgi.await_log("the GIL is held");
    let (time, status) = timed_leave(&uwsgi, worker);
    gate.open();
    assert!(time >= Duration::from_secs(1), "{time:?}");
    assert!(time < SOON, "{time:?}");
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
    time.sleep(5)
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

/// A worker whose standard error is a pipe that nobody reads and that is full.
const FULL: &str = r#"
def application(env, start):
    global pipe
    pipe = os.pipe()
    os.set_blocking(pipe[1], False)
    try:
        while True:
            os.write(pipe[1], b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(pipe[1], True)
    os.dup2(pipe[1], 2)
    start("200 OK", [])
    return []
"#;

#[test]
fn a_log_that_nobody_reads_does_not_hold_a_worker() {
    const HANGS: &str = "atexit.register(threading.Event().wait)\n";
    for host in one_of_each() {
        for hook in ["", HANGS] {
            let uwsgi = with_app(&host, &format!("{FULL}{hook}"));
            let uwsgi = uwsgi.set("pycow-exit-timeout", 1).flag("disable-logging");
            let uwsgi = uwsgi.start();
            let worker = only_worker(&uwsgi);
            uwsgi.get("/");
            uwsgi.settle();
            let start = Instant::now();
            let status = status_of(&uwsgi, worker, || uwsgi.kill(worker, SIGTERM));
            assert_eq!(status, END_CODE, "{}", host.name);
            assert!(start.elapsed() < SOON, "{}", host.name);
        }
    }
}

#[test]
fn nor_one_whose_hooks_do_not_run() {
    let busy = "    open('busy', 'w').close()\n    threading.Event().wait()\n    start(";
    for host in one_of_each() {
        let uwsgi = with_app(&host, &FULL.replace("    start(", busy));
        let uwsgi = uwsgi
            .set("pycow-exit-timeout", 1)
            .set("pycow-exit-grace", 0)
            .start();
        let worker = only_worker(&uwsgi);
        std::thread::scope(|scope| {
            scope.spawn(|| drop(uwsgi.try_get("/")));
            let is_busy = || uwsgi.dir().join("busy").exists().then_some(());
            until("the worker is busy", is_busy);
            let start = Instant::now();
            let status = status_of(&uwsgi, worker, || uwsgi.kill(worker, SIGTERM));
            assert_eq!(status, END_CODE, "{}", host.name);
            assert!(start.elapsed() < SOON, "{}", host.name);
        });
    }
}

#[test]
fn a_hook_that_blocks_every_signal_is_killed() {
    let uwsgi = with_app(
        &default_host(),
        r#"
import signal

@atexit.register
def deaf():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    threading.Event().wait()
"#,
    )
    .set("pycow-exit-timeout", 1)
    .start();
    let worker = only_worker(&uwsgi);
    const SIGKILLED: i32 = 9;
    assert_eq!(
        uwsgi.wait_status(worker, || uwsgi.kill(worker, SIGTERM)),
        SIGKILLED
    );
}

#[test]
fn another_plugins_callback_is_under_the_bound_too() {
    let psgi = std::path::Path::new("/usr/lib/uwsgi/plugins/psgi_plugin.so").exists();
    let installed = |host: &Host| host.uwsgi == std::path::Path::new("/usr/bin/uwsgi-core");
    let Some(host) = hosts().into_iter().find(installed).filter(|_| psgi) else {
        return skip("no Debian uWSGI with uwsgi-plugin-psgi");
    };
    const PERL: &str = r#"
uwsgi::atexit(sub { while (1) { sleep(1000); } });
my $app = sub { return [200, [], ["perl"]] };
"#;
    let uwsgi = with_app(&host, "").file("app.pl", PERL);
    let script = uwsgi.dir().join("app.pl");
    let uwsgi = uwsgi
        .set("plugin", "psgi")
        .set("psgi", script.display())
        .set("pycow-exit-timeout", 1)
        .start();
    let worker = only_worker(&uwsgi);
    let (time, status) = timed_leave(&uwsgi, worker);
    assert!(time < SOON, "{time:?}");
    assert_eq!(status, END_CODE);
    uwsgi.await_log(BOUND_LINE);
}

#[test]
fn a_stream_that_a_thread_reads_does_not_hold_the_exit() {
    for host in one_of_each() {
        let uwsgi = with_app(
            &host,
            r#"
import ctypes
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p

def read():
    stream = libc.fopen(b"gate", b"r+")
    say("reads")
    libc.fgetc(ctypes.c_void_p(stream))

def start_thread():
    threading.Thread(target=read, daemon=True).start()
uwsgi.post_fork_hook = start_thread
"#,
        );
        let _gate = Gate::in_dir(uwsgi.dir());
        let uwsgi = uwsgi.flag("enable-threads").start();
        let worker = only_worker(&uwsgi);
        uwsgi.await_log("says: reads");
        uwsgi.settle();
        let (time, status) = timed_leave(&uwsgi, worker);
        assert!(time < SOON, "{}: {time:?}", host.name);
        assert_eq!(status, END_CODE);
    }
}
