//! The testkit itself, on every host: uWSGI as it comes, without the plugin.

use std::time::Duration;

use pycow_testkit::signal::{SIGHUP, SIGKILL};
use pycow_testkit::{default_host, hosts, load, proc, Instance, Uwsgi};

const HELLO: &str = r#"
import os, sys

def application(env, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [("%d %d.%d" % (os.getpid(), *sys.version_info[:2])).encode()]
"#;

#[test]
fn every_host_starts_answers_and_stops() {
    for host in hosts() {
        println!("{}", host.name);
        let uwsgi = Uwsgi::on(&host).app(HELLO).set("processes", 2).start();
        let workers = uwsgi.workers();
        assert_eq!(workers.len(), 2);
        assert_eq!(proc::children(uwsgi.pid()), workers);

        let answer = uwsgi.get("/");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        let (pid, python) = answer.body.split_once(' ').unwrap();
        assert!(workers.contains(&pid.parse().unwrap()));
        assert_eq!(python, format!("{}.{}", host.python.0, host.python.1));

        let finished = uwsgi.stop();
        assert!(finished.status.success(), "{}", finished.status);
        assert!(finished.log.contains("goodbye to uWSGI."));
        assert!(!workers.iter().any(|&pid| proc::alive(pid)));
    }
}

#[test]
fn a_host_sees_the_packages_of_its_folder() {
    let app = format!("import django\n{HELLO}");
    Uwsgi::on(&default_host()).app(&app).start().get("/");
}

#[test]
fn a_killed_worker_is_followed_by_another() {
    let uwsgi = hello();
    let [first] = uwsgi.workers()[..] else {
        panic!("one worker")
    };
    uwsgi.kill(first, SIGKILL);
    uwsgi.await_gone(first);
    uwsgi.await_accepting(2);
    let second = uwsgi.workers();
    assert_eq!(second.len(), 1);
    assert_ne!(second, [first]);
}

#[test]
fn a_reloaded_uwsgi_keeps_its_port() {
    for host in hosts() {
        println!("{}", host.name);
        let uwsgi = Uwsgi::on(&host).app(HELLO).start();
        let before = uwsgi.workers();
        uwsgi.signal(SIGHUP);
        uwsgi.await_accepting(2);
        assert_ne!(uwsgi.workers(), before);
        assert_eq!(uwsgi.get("/").status, 200);
    }
}

#[test]
fn mules_and_spoolers_are_found() {
    let uwsgi = Uwsgi::on(&default_host()).app(HELLO).set("mules", 2);
    let spool = uwsgi.dir().display().to_string();
    let uwsgi = uwsgi.set("spooler", spool).start();
    let before = (uwsgi.mules(), uwsgi.spoolers());
    assert_eq!((before.0.len(), before.1.len()), (2, 1));
    // A mule that has only just been forked takes the signal for its master's.
    uwsgi.settle();
    uwsgi.signal(SIGHUP);
    uwsgi.await_accepting(2);
    let after = (uwsgi.mules(), uwsgi.spoolers());
    assert_eq!((after.0.len(), after.1.len()), (2, 1));
    assert!(before.0 != after.0 && before.1 != after.1);
}

#[test]
fn lazy_workers_are_awaited_with_their_application() {
    let slow = format!("import time\ntime.sleep(0.3)\n{HELLO}");
    let uwsgi = Uwsgi::on(&default_host())
        .app(&slow)
        .flag("lazy-apps")
        .set("processes", 2)
        .start();
    assert_eq!(uwsgi.log().matches("WSGI app 0").count(), 2);
}

#[test]
fn a_single_process_needs_no_master() {
    let uwsgi = Uwsgi::on(&default_host())
        .app(HELLO)
        .unset("master")
        .start();
    assert_eq!(uwsgi.workers(), [uwsgi.pid()]);
    assert!(uwsgi.get("/").body.starts_with(&uwsgi.pid().to_string()));
    uwsgi.stop();
}

#[test]
fn a_wrong_option_ends_the_start() {
    let finished = Uwsgi::on(&default_host())
        .flag("strict")
        .flag("no-such-option")
        .run();
    assert!(!finished.status.success());
    assert!(finished.log.contains("no-such-option"));
}

#[test]
fn a_panic_leaves_no_process() {
    let uwsgi = hello();
    let pids = [uwsgi.workers(), vec![uwsgi.pid()]].concat();
    std::thread::spawn(move || {
        let _uwsgi = uwsgi;
        panic!("on purpose");
    })
    .join()
    .unwrap_err();
    // They are killed: the kernel takes its time.
    let soon = Duration::from_secs(60);
    assert!(pids.iter().all(|&pid| proc::gone_within(pid, soon)));
}

#[test]
fn a_master_that_another_forked_is_killed_with_it() {
    let uwsgi = Uwsgi::on(&default_host()).app(HELLO);
    let fifo = uwsgi.dir().join("fifo");
    let uwsgi = uwsgi.set("master-fifo", fifo.display()).start();
    uwsgi.settle();
    uwsgi.command("f");
    uwsgi.await_accepting(2);
    let pids = proc::children(uwsgi.pid());
    let second = pids
        .iter()
        .copied()
        .find(|&pid| !proc::children(pid).is_empty());
    let pids = [proc::children(second.expect("a second master")), pids].concat();
    drop(uwsgi);
    let soon = Duration::from_secs(60);
    assert!(pids.iter().all(|&pid| proc::gone_within(pid, soon)));
}

#[test]
fn load_is_counted() {
    let uwsgi = hello();
    let report = load::run(uwsgi.port(), |n| format!("/{n}"), 500, 4);
    assert_eq!((report.errors, report.latencies.len()), (0, 500));
    println!("{:.0} requests/s, p99 {:?}", report.rate(), report.p99());
}

fn hello() -> Instance {
    Uwsgi::on(&default_host()).app(HELLO).start()
}
