//! Workers are forked by a master in which threads run Python.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use pycow_testkit::signal::SIGKILL;
use pycow_testkit::{default_host, hosts, is_long, times, Flavour, Host, Instance, Uwsgi};

use super::{Who, NORMAL};

/// Enough to show that one hangs.
const LONG: Duration = Duration::from_secs(15);

/// Four threads that want the GIL all the time, and one that has it for 2 of every 100 ms.
const APP: &str = r#"
import os, threading, time

def busy():
    while True:
        sum(range(1000))

def ticker():
    while True:
        end = time.monotonic() + 0.002
        while time.monotonic() < end:
            pass
        time.sleep(0.1)

for body in [busy] * 4 + [ticker]:
    threading.Thread(target=body, daemon=True).start()

os.register_at_fork(after_in_child=lambda: os.write(2, b"forked %d\n" % os.getpid()))

def application(env, start):
    if env["PATH_INFO"] == "/slow":
        time.sleep(2)
    start("200 OK", [])
    return [b"%d %d" % (os.getpid(), threading.active_count())]
"#;

const WORKERS: usize = 2;

#[derive(Debug, Default)]
struct Outcome {
    starts: usize,
    starts_hung: usize,
    respawns: usize,
    respawns_hung: usize,
}

impl Outcome {
    fn hung(&self) -> usize {
        self.starts_hung + self.respawns_hung
    }

    fn start(&mut self, uwsgi: Uwsgi, limit: Duration) -> Option<Instance> {
        let uwsgi = uwsgi
            .flag("enable-threads")
            .set("processes", WORKERS)
            .launch();
        self.starts += 1;
        let started = uwsgi.accepts_within(WORKERS, limit);
        self.starts_hung += usize::from(!started);
        started.then_some(uwsgi)
    }

    fn respawn(&mut self, uwsgi: &Instance, times: usize, limit: Duration) {
        for number in 0..times {
            uwsgi.kill(uwsgi.workers()[number % WORKERS], SIGKILL);
            self.respawns += 1;
            if !uwsgi.accepts_within(WORKERS + number + 1, limit) {
                // The next one would be counted as this one.
                self.respawns_hung += 1;
                return;
            }
        }
    }
}

fn measure(host: &Host, who: Who, starts: usize, respawns: usize) -> Outcome {
    let mut outcome = Outcome::default();
    for number in 0..starts {
        let Some(uwsgi) = outcome.start(who.on(host).app(APP), NORMAL) else {
            continue;
        };
        // As many respawns as starts, in few instances; few of stock's come so far, and their first hangs.
        if number % 10 == 0 || who == Who::Stock {
            let share = (respawns * 10).div_ceil(starts.max(10));
            outcome.respawn(&uwsgi, share, NORMAL);
        }
    }
    outcome
}

fn measured_hosts() -> Vec<Host> {
    let all = hosts().into_iter();
    all.filter(|host| {
        host.flavour == Flavour::Pypi
            || host.python >= (3, 14)
            || host.name.starts_with("debian-2.0.21")
    })
    .collect()
}

#[test]
fn no_worker_hangs_whatever_threads_the_master_has() {
    for host in measured_hosts() {
        if is_long() {
            println!(
                "{}: stock: {:?}",
                host.name,
                measure(&host, Who::Stock, 5, 5)
            );
        }
        let pycow = measure(&host, Who::Pycow, times(2, 200), times(5, 200));
        println!("{}: pycow: {pycow:?}", host.name);
        assert_eq!(pycow.hung(), 0, "{}", host.name);
    }
}

/// So that the test above can fail.
#[test]
fn forked_the_hosts_way_workers_hang_as_in_stock() {
    let hang = |who: Who| {
        let mut outcome = Outcome::default();
        if let Some(uwsgi) = outcome.start(hosts_way(who, APP), LONG) {
            outcome.respawn(&uwsgi, 3, LONG);
        }
        outcome.hung() > 0
    };
    let (stock, pycow) = std::thread::scope(|scope| {
        let stock = scope.spawn(|| hang(Who::Stock));
        (hang(Who::Pycow), stock.join().unwrap())
    });
    assert_eq!((stock, pycow), (true, true));
}

fn hosts_way(who: Who, app: &str) -> Uwsgi {
    let uwsgi = who.on(&default_host()).app(app);
    match who {
        Who::Pycow => uwsgi.set("pycow-fork", "host"),
        Who::Stock => uwsgi,
    }
}

#[test]
fn forked_the_hosts_way_python_is_told_what_stock_tells_it() {
    // With threads that only sleep, nothing hangs.
    let app = APP.replace("[busy] * 4 + [ticker]", "[lambda: time.sleep(1000)]");
    let told = |who: Who| {
        let mut outcome = Outcome::default();
        let uwsgi = outcome
            .start(hosts_way(who, &app), NORMAL)
            .expect("it starts");
        outcome.respawn(&uwsgi, 1, NORMAL);
        let body = uwsgi.get("/").body;
        let threads = body.split_once(' ').unwrap().1.to_owned();
        (
            outcome.hung(),
            uwsgi.log().matches("forked ").count(),
            threads,
        )
    };
    let stock = told(Who::Stock);
    assert_eq!(told(Who::Pycow), stock);
    assert_eq!(stock.1, 0, "no hook of os.register_at_fork");
}

/// All that uWSGI can do about forks: nothing hangs, nothing crashes, everybody serves.
fn serves(app: &str, change: impl Fn(Uwsgi) -> Uwsgi, path: &str) {
    for host in measured_hosts() {
        let mut outcome = Outcome::default();
        let uwsgi = change(Who::Pycow.on(&host).app(app));
        let uwsgi = outcome
            .start(uwsgi, NORMAL)
            .unwrap_or_else(|| panic!("{}", host.name));
        let respawns = times(2, 50);
        outcome.respawn(&uwsgi, respawns, NORMAL);
        assert_eq!(outcome.hung(), 0, "{}", host.name);
        uwsgi.await_log_times("pawned uWSGI worker ", WORKERS + respawns);
        // The application's threads are the master's: none is in a worker.
        let body = uwsgi.get(path).body;
        let (pid, threads) = body.split_once(' ').unwrap();
        assert_eq!(threads, "1", "{}", host.name);
        assert!(uwsgi.workers().contains(&pid.parse().unwrap()));
        uwsgi.await_log(if path == "/" { "|app: 0|" } else { "|app: 2|" });
        let log = uwsgi.log();
        for sign in [
            "SIGSEGV",
            "Segmentation",
            "DAMN ! worker 0",
            "Fatal Python error",
        ] {
            assert!(!log.contains(sign), "{}: {sign}", host.name);
        }
    }
}

#[test]
fn fork_hooks_run_in_workers_once() {
    for host in measured_hosts() {
        let mut outcome = Outcome::default();
        let uwsgi = outcome
            .start(Who::Pycow.on(&host).app(APP), NORMAL)
            .expect("it starts");
        outcome.respawn(&uwsgi, 1, NORMAL);
        for worker in uwsgi.workers() {
            let line = format!("forked {worker}\n");
            assert_eq!(uwsgi.log().matches(&line).count(), 1, "{}", host.name);
        }
    }
}

#[test]
fn mules_and_spoolers_are_forked_the_same_way() {
    serves(
        APP,
        |uwsgi| {
            let spool = uwsgi.dir().join("spool");
            fs::create_dir(&spool).unwrap();
            uwsgi.set("spooler", spool.display()).set("mules", 2)
        },
        "/",
    );
}

#[test]
fn several_applications_in_interpreters_of_their_own() {
    // All but the first are in interpreters of their own, where threads wait for the GIL, too.
    serves(
        APP,
        |uwsgi| {
            let app = uwsgi.dir().join("app.py").display().to_string();
            uwsgi
                .set("mount", format!("/one={app}"))
                .set("mount", format!("/two={app}"))
                .flag("manage-script-name")
        },
        "/two",
    );
}

#[test]
fn with_the_options_that_do_a_part_of_it() {
    for option in ["py-call-uwsgi-fork-hooks", "py-call-osafterfork"] {
        serves(APP, |uwsgi| uwsgi.flag(option).set("mule", "true"), "/");
    }
}

#[test]
fn workers_that_come_and_go() {
    for host in measured_hosts() {
        let uwsgi = Who::Pycow.on(&host).app(APP).flag("enable-threads");
        let uwsgi = uwsgi
            .set("processes", 2)
            .set("cheaper", 1)
            .set("cheaper-initial", 1)
            .start();
        // With the only one busy for some of the master's seconds, another is forked.
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let client = || {
                while !over.load(Relaxed) {
                    assert_eq!(uwsgi.get("/slow").status, 200);
                }
            };
            let clients = [(); 3].map(|()| scope.spawn(client));
            let came = uwsgi.accepts_within(2, NORMAL);
            over.store(true, Relaxed);
            for client in clients {
                client.join().unwrap();
            }
            assert!(came, "{}", host.name);
        });
    }
}
