//! The guest leaves no trace: what an application could trip over is in every process as without pycow.

use std::{collections::BTreeMap, fs};

use pycow_testkit::{hosts, proc, Host, Instance, Uwsgi, HELLO};

/// What /proc tells of a process that a program can trip over.
#[derive(Debug, PartialEq, Eq)]
struct Trace {
    threads: usize,
    /// Signals blocked, ignored and caught, as the kernel writes them.
    signals: Vec<String>,
    /// How many descriptors there are of each kind.
    descriptors: BTreeMap<String, usize>,
}

fn trace(pid: i32) -> Trace {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let signals = status
        .lines()
        .filter(|line| line.starts_with("Sig") && !line.starts_with("SigQ"));
    let mut descriptors = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        // socket:[123] is a socket, a file of the test's own folder is named by its end.
        let target = target.display().to_string();
        let kind = target.split(":[").next().unwrap();
        let kind = kind.rsplit('/').next().unwrap().to_owned();
        *descriptors.entry(kind).or_default() += 1;
    }
    Trace {
        threads: fs::read_dir(format!("/proc/{pid}/task")).unwrap().count(),
        signals: signals.map(str::to_owned).collect(),
        descriptors,
    }
}

fn start(host: &Host, pycow: bool) -> Instance {
    let uwsgi = Uwsgi::on(host)
        .app(HELLO)
        .set("processes", 2)
        .set("mule", "true");
    let spool = uwsgi.dir().join("spool");
    fs::create_dir(&spool).unwrap();
    let uwsgi = uwsgi.set("spooler", spool.display());
    let uwsgi = if pycow {
        uwsgi.with_pycow().set("pycow-sample", 1)
    } else {
        uwsgi
    };
    let uwsgi = uwsgi.start();
    uwsgi.get("/");
    for pid in proc::children(uwsgi.pid()) {
        proc::await_idle(pid);
    }
    uwsgi
}

/// Worker, mule and spooler, in that order.
fn processes(uwsgi: &Instance) -> Vec<i32> {
    let all = [uwsgi.workers(), uwsgi.mules(), uwsgi.spoolers()];
    all.concat()
}

#[test]
fn threads_signals_and_descriptors_are_those_of_stock() {
    for host in hosts() {
        println!("{}", host.name);
        let (stock, ours) = (start(&host, false), start(&host, true));
        // A respawned worker, too: it inherits what the master has by then.
        for uwsgi in [&stock, &ours] {
            uwsgi.kill(uwsgi.workers()[1], pycow_testkit::signal::SIGKILL);
            uwsgi.await_accepting(3);
            // Until it waits again, a master that has forked holds signals.
            uwsgi.settle();
        }
        let (theirs, own) = (processes(&stock), processes(&ours));
        assert_eq!(theirs.len(), own.len());
        for (stock, ours) in theirs.into_iter().zip(own) {
            assert_eq!(trace(ours), trace(stock), "{} {ours}", host.name);
        }
        let (master, stock) = (trace(ours.pid()), trace(stock.pid()));
        assert_eq!(
            (master.threads, &master.signals),
            (stock.threads, &stock.signals)
        );
    }
}

/// From Python's own point of view.
const ASKS: &str = r#"
import os, signal, threading, warnings

def application(env, start):
    start("200 OK", [])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    handlers = [signal.getsignal(number) for number in (1, 2, 15)]
    words = [len(seen), threading.active_count(), handlers]
    if hasattr(os, "unshare"):
        child = os.fork()
        if child == 0:
            try:
                os.unshare(os.CLONE_NEWUSER)
            except OSError as error:
                os._exit(error.errno)
            os._exit(0)
        words.append(os.waitpid(child, 0)[1])
    return [repr(words).encode()]
"#;

#[test]
fn an_application_that_looks_sees_what_it_sees_in_stock() {
    for host in hosts() {
        let [stock, ours] = [false, true].map(|pycow| {
            let uwsgi = Uwsgi::on(&host).app(ASKS);
            let uwsgi = if pycow { uwsgi.with_pycow() } else { uwsgi };
            uwsgi.start().get("/").body
        });
        assert_eq!(ours, stock, "{}", host.name);
    }
}
