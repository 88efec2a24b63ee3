//! Signals that come before a process has handlers of its own.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    time::Duration,
};

use pycow_testkit::signal::{SIGHUP, SIGINT, SIGTERM};
use pycow_testkit::{
    default_host, host_of, one_of_each, proc, Flavour, Host, Instance, Uwsgi, HELLO,
};

use super::{farewell, said, Gate, SAY};

/// A worker that is told in its first moment, before it has handlers of its own.
///
/// What is ignored there would be lost: uWSGI starts with SIGTERM and SIGHUP ignored, and what a shell
/// starts in the background with SIGINT.
fn told_before_it_has_handlers(uwsgi: Uwsgi, signal: i32) -> (Instance, i32) {
    const BORN: &str = r#"
def born():
    if not os.path.exists("born"):
        open("born", "w").close()
        say("born")
        open("gate").readline()
uwsgi.post_fork_hook = born
atexit.register(say, "the hook")
"#;
    let gate = Gate::in_dir(uwsgi.dir());
    let uwsgi = uwsgi
        .app(&format!("{SAY}{BORN}"))
        .through("trap '' INT; exec \"$@\"")
        .launch();
    let line = uwsgi.await_log(" says: born");
    let worker = line.split(' ').next().unwrap().parse().unwrap();
    uwsgi.kill(worker, signal);
    gate.open();
    // It, or who takes its place.
    uwsgi.await_accepting(1);
    (uwsgi, worker)
}

#[test]
fn a_worker_that_is_told_before_it_has_handlers_leaves_all_the_same() {
    for host in one_of_each() {
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let what = format!("{}, signal {signal}", host.name);
            let (uwsgi, worker) =
                told_before_it_has_handlers(Uwsgi::on(&host).with_pycow(), signal);
            uwsgi.await_gone(worker);
            uwsgi.await_log(&format!("(pid {worker}) leaves after "));
            let log = uwsgi.log();
            assert_eq!(said(&log, worker), ["born", "the hook"], "{what}");
            assert!(farewell(&log, worker).contains(", hooks took "), "{what}");
        }
    }
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let (_uwsgi, worker) = told_before_it_has_handlers(Uwsgi::on(&default_host()), signal);
        let is_lost = !proc::gone_within(worker, Duration::from_secs(3));
        assert!(is_lost, "stock, signal {signal}");
    }
}

/// An instance that was told to stop while it loads its application, and then has loaded it.
fn stopped_while_loading(uwsgi: Uwsgi) -> (Instance, Gate) {
    let gate = Gate::in_dir(uwsgi.dir());
    let loads = "say('loads')\nopen('gate').readline()\n";
    let uwsgi = uwsgi.app(&format!("{SAY}{loads}")).launch();
    uwsgi.await_log(" says: loads");
    uwsgi.signal(SIGTERM);
    gate.open();
    (uwsgi, gate)
}

/// The master tells its workers to leave when they have just been forked: by SIGINT, which a shell's
/// background job ignores.
#[test]
fn who_stops_an_instance_that_is_loading_is_heard() {
    for host in one_of_each() {
        for (master, ignored) in [(true, true), (true, false), (false, false)] {
            let uwsgi = Uwsgi::on(&host).with_pycow();
            let uwsgi = if master { uwsgi } else { uwsgi.unset("master") };
            let uwsgi = if ignored {
                uwsgi.through("trap '' INT; exec \"$@\"")
            } else {
                uwsgi
            };
            let (uwsgi, _gate) = stopped_while_loading(uwsgi);
            // Where it is lost, the master's patience ends after 60 seconds.
            let limit = Duration::from_secs(50);
            let what = format!("{}, master {master}, ignored {ignored}", host.name);
            assert!(uwsgi.ends_within(limit), "{what}");
        }
    }
}

/// Plugins are loaded by then, and not set up yet.
#[test]
fn who_stops_an_instance_before_python_starts_is_heard() {
    let told = |uwsgi: Uwsgi| {
        let uwsgi = uwsgi.set("hook-asap", "exec:kill -TERM $PPID");
        uwsgi.app(HELLO).launch()
    };
    for host in one_of_each() {
        let uwsgi = told(Uwsgi::on(&host).with_pycow());
        assert!(uwsgi.ends_within(Duration::from_secs(50)), "{}", host.name);
    }
    let stock = told(Uwsgi::on(&default_host()));
    stock.await_accepting(1);
    assert!(!stock.ends_within(Duration::from_secs(3)));
}

/// What pycow keeps for a child is none of what a program finds that uWSGI starts.
#[test]
fn a_program_that_uwsgi_starts_ignores_what_it_ignores_in_stock() {
    let ignored = |uwsgi: Uwsgi| {
        let uwsgi = uwsgi
            .app(HELLO)
            .set("exec-pre-app", "sed s/^/early-/ /proc/self/status >&2")
            .set(
                "attach-daemon",
                "sh -c 'sed s/^/daemon-/ /proc/self/status >&2; exec sleep 1000'",
            )
            .set(
                "hook-accepting1",
                "exec:sed s/^/late-/ /proc/self/status >&2",
            )
            .set(
                "hook-post-fork",
                "exec:sed s/^/born-/ /proc/self/status >&2",
            )
            .set("hook-asap", "exec:sed s/^/asap-/ /proc/self/status >&2")
            .set("hook-as-user", "exec:sed s/^/user-/ /proc/self/status >&2")
            .through("trap '' INT; exec \"$@\"")
            .start();
        let programs = ["asap", "user", "early", "daemon", "born", "late"];
        programs.map(|name| uwsgi.await_log(&format!("{name}-SigIgn:")))
    };
    for host in one_of_each() {
        let stock = ignored(Uwsgi::on(&host));
        assert_eq!(stock, ignored(Uwsgi::on(&host).with_pycow()));
    }
}

/// pycow hears a stop while the application is loaded, which finds what it finds in stock: many put back at
/// the end what they found.
#[test]
fn an_application_finds_the_signals_of_stock() {
    const ASKS: &str = r#"
import signal
for number in signal.SIGHUP, signal.SIGINT, signal.SIGTERM:
    say("found %s" % signal.getsignal(number))
"#;
    let found = |uwsgi: Uwsgi| {
        let uwsgi = uwsgi.app(&format!("{SAY}{ASKS}")).start();
        let log = uwsgi.log();
        let lines = log.lines().filter_map(|line| line.split_once("says: "));
        let found: Vec<String> = lines.map(|(_, said)| said.to_owned()).collect();
        found
    };
    for host in one_of_each() {
        let stock = found(Uwsgi::on(&host));
        assert_eq!(stock.len(), 3, "{}", host.name);
        assert_eq!(found(Uwsgi::on(&host).with_pycow()), stock, "{}", host.name);
    }
}

/// The next reload is asked for when uWSGI has become a program that has not set its signals yet. Stock
/// dies of that, too, but it takes longer to get there.
#[test]
fn a_reload_right_after_a_reload_does_not_end_the_instance() {
    let hosts = [Flavour::Pypi, Flavour::Debian];
    let hosts = hosts.into_iter().filter_map(host_of);
    for host in hosts.filter(Host::reloads) {
        let uwsgi = Uwsgi::on(&host).with_pycow().app(HELLO);
        let program = uwsgi.dir().join("impatient");
        let script = format!(
            "#!/bin/sh\nkill -HUP $$\nexec {} \"$@\"\n",
            host.uwsgi.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let uwsgi = uwsgi.set("binary-path", program.display()).start();
        uwsgi.kill(uwsgi.pid(), SIGHUP);
        uwsgi.await_accepting(2);
        uwsgi.get("/");
    }
}

/// So that [`who_stops_an_instance_that_is_loading_is_heard`] can fail.
#[test]
fn in_stock_it_serves_as_if_nothing_had_come() {
    let (uwsgi, _gate) = stopped_while_loading(Uwsgi::on(&default_host()));
    uwsgi.await_accepting(1);
    uwsgi.get("/");
    assert!(!uwsgi.ends_within(Duration::from_secs(3)));
}
