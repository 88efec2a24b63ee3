//! The hooks run in Python's order, and nothing is torn down.

use std::fs;
use std::path::Path;

use pycow_testkit::signal::{SIGHUP, SIGINT, SIGTERM};
use pycow_testkit::{default_host, hosts, skip, Finished, Host, Uwsgi};

use super::{
    farewell, in_order, only_worker, said, start, status_of, with_app, END_CODE, HOOKS, SAY,
};

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
fn the_grace_of_a_request_is_not_that_of_a_teardown() {
    const SLOW: &str = "
@atexit.register
def slow():
    say('begins')
    time.sleep(2.5)
    say('ends')
";
    for exit in ["fast", "full"] {
        let uwsgi = with_app(&default_host(), SLOW)
            .set("pycow-exit", exit)
            .set("pycow-exit-grace", 1)
            .start();
        let worker = only_worker(&uwsgi);
        // Idle, so that it leaves at once.
        uwsgi.settle();
        uwsgi.kill(worker, SIGTERM);
        uwsgi.await_gone(worker);
        uwsgi.await_log(&format!("(pid {worker}) leaves after "));
        assert_eq!(said(&uwsgi.log(), worker), ["begins", "ends"], "{exit}");
    }
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
    // A spooler has the lowest priority: on a busy machine it needs longer than by default.
    let uwsgi = uwsgi
        .set("spooler", spool.display())
        .set("pycow-exit-grace", 50)
        .start();
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
if sys.version_info >= (3, 9):
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
    let has_threading = default_host().python >= (3, 9);
    let mut expected = vec![
        "raises OSError",
        "raises ValueError",
        "raises KeyboardInterrupt",
        "raises SystemExit",
        "raises LookupError",
        "the last hook",
    ];
    expected.retain(|what| has_threading || *what != "raises ValueError");
    assert_eq!(said(&finished.log, worker), expected);
    for (printed, is_there) in [
        ("OSError: from uwsgi.atexit", true),
        ("ValueError: from threading", has_threading),
        ("LookupError: from atexit", true),
    ] {
        let lines = finished.log.lines();
        // The worker's, and that of the one which took its place.
        let expected = if is_there { 2 } else { 0 };
        assert_eq!(
            lines.filter(|line| *line == printed).count(),
            expected,
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
fn other_plugins_take_their_leave_too() {
    let psgi = Path::new("/usr/lib/uwsgi/plugins/psgi_plugin.so").exists();
    let installed = |host: &Host| host.uwsgi == Path::new("/usr/bin/uwsgi-core");
    let Some(host) = hosts().into_iter().find(installed).filter(|_| psgi) else {
        return skip("no Debian uWSGI with uwsgi-plugin-psgi");
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
        // Without a master uWSGI's own exit handler calls them, after pycow has run Python's hooks.
        let place = if master { 1 } else { expected.len() };
        expected.insert(place, "perl");
        assert_eq!(said(&finished.log, worker), expected, "master: {master}");
    }
}
