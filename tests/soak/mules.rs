//! A mule and a spooler that are told to leave in the middle of their work.

use std::{fs, thread, time::Duration};

use pycow_testkit::signal::{SIGHUP, SIGINT, SIGTERM};
use pycow_testkit::{is_long, one_of_each, times, Host, Instance};

use super::{has_left, hooks_of, Random, Who};

/// `in_handler` looks for the return of a signal handler (`mov $15, %rax; syscall`) on the C stack.
const APP: &str = r#"
import atexit, ctypes, os

def application(env, start):
    start("200 OK", [])
    return []

libc = ctypes.CDLL(None)
frames = (ctypes.c_void_p * 500)()
# It loads the unwinder at its first call.
libc.backtrace(frames, 500)

def in_handler():
    count = libc.backtrace(frames, 500)
    code = [ctypes.string_at(frames[i], 9) for i in range(count) if frames[i]]
    return b"\x48\xc7\xc0\x0f\0\0\0\x0f\x05" in code

@atexit.register
def hook():
    junk = [bytearray(i) for i in range(2000)]
    where = b"in a handler" if in_handler() else b"at a boundary"
    os.write(2, b"hook of %d\nhook %s\n" % (os.getpid(), where))
"#;

const ALLOCATES: &str = "
while True:
    [bytearray(i) for i in range(300)]
";
const PARSES: &str = "
import json
text = json.dumps([{'name': 'n' * i, 'values': list(range(i))} for i in range(60)])
while True:
    json.loads(text)
";
const COMPRESSES: &str = "
import zlib
data = os.urandom(300_000)
while True:
    zlib.compress(data)
";

const MULES: usize = 4;

#[derive(Debug)]
struct Outcome {
    signals: usize,
    hung: usize,
    hooks: usize,
    in_a_handler: usize,
}

fn outcome(uwsgi: &Instance, told: &[i32], hung: usize) -> Outcome {
    let log = uwsgi.log();
    Outcome {
        signals: told.len(),
        hung,
        hooks: hooks_of(&log, told),
        in_a_handler: log.matches("hook in a handler").count(),
    }
}

fn mules(host: &Host, who: Who, work: &str, rounds: usize) -> Outcome {
    let program = format!("import os\nos.write(2, b'%d works\\n' % os.getpid())\n{work}");
    let uwsgi = who.on(host).app(APP).file("work.py", &program);
    let program = uwsgi.dir().join("work.py");
    let uwsgi = (0..MULES).fold(uwsgi, |uwsgi, _| uwsgi.set("mule", program.display()));
    let uwsgi = uwsgi.start();
    let (mut random, mut told, mut hung) = (Random(1), Vec::new(), 0);
    // All at once: the master looks for those that are gone once a second.
    for round in 0..rounds {
        let lines = uwsgi.await_log_times(" works", (round + 1) * MULES);
        let mules = pids(&lines[round * MULES..]);
        for mule in &mules {
            // Anywhere in its work.
            thread::sleep(Duration::from_micros(random.below(10_000)));
            uwsgi.kill(*mule, SIGTERM);
        }
        hung += mules
            .iter()
            .filter(|mule| !has_left(&uwsgi, **mule))
            .count();
        told.extend(mules);
    }
    outcome(&uwsgi, &told, hung)
}

/// Those that a line begins with.
fn pids(lines: &[String]) -> Vec<i32> {
    let pid = |line: &String| line.split(' ').next().unwrap().parse().unwrap();
    lines.iter().map(pid).collect()
}

fn check(what: &str, pycow: &Outcome) {
    println!("{what}: pycow: {pycow:?}");
    assert_eq!((pycow.hung, pycow.in_a_handler), (0, 0), "{what}");
    assert_eq!(pycow.hooks, pycow.signals, "{what}");
}

#[test]
fn a_mule_leaves_at_a_boundary_whatever_it_does() {
    let hosts = one_of_each();
    let count = if is_long() { 1 } else { hosts.len() };
    for host in &hosts[..count] {
        for (what, work) in [
            ("allocates", ALLOCATES),
            ("JSON", PARSES),
            ("zlib", COMPRESSES),
        ] {
            let what = format!("{}, {what}", host.name);
            if is_long() {
                println!("{what}: stock: {:?}", mules(host, Who::Stock, work, 25));
            }
            check(&what, &mules(host, Who::Pycow, work, times(2, 50)));
        }
    }
}

/// So that the test above can fail.
#[test]
fn without_pycow_hooks_run_inside_of_the_handler() {
    let host = pycow_testkit::default_host();
    // What is cut off inside of malloc may crash, or wait for ever, before it says so: not all do.
    assert_ne!(mules(&host, Who::Stock, PARSES, 1).in_a_handler, 0);
}

const SPOOLS: &str = r#"
import uwsgi

def work(task):
    os.write(2, b"%d works\n" % os.getpid())
    while True:
        [bytearray(i) for i in range(300)]
uwsgi.spooler = work

def application(env, start):
    uwsgi.spool({b"some": b"task"})
    start("200 OK", [])
    return []
"#;

#[test]
fn a_spooler_leaves_in_the_middle_of_a_task() {
    for host in one_of_each() {
        let uwsgi = Who::Pycow.on(&host).app(&format!("{APP}{SPOOLS}"));
        let spool = uwsgi.dir().join("spool");
        fs::create_dir(&spool).unwrap();
        // It has the lowest priority: on a busy machine it needs longer than by default.
        let uwsgi = uwsgi
            .set("spooler", spool.display())
            .set("pycow-exit-grace", 50)
            .start();
        uwsgi.get("/");
        let (mut told, mut hung) = (Vec::new(), 0);
        // The task stays, and the next spooler begins it again.
        for round in 1..=times(2, 50) {
            let lines = uwsgi.await_log_times(" works", round);
            let [spooler] = pids(&lines[round - 1..])[..] else {
                unreachable!()
            };
            uwsgi.kill(spooler, SIGTERM);
            hung += usize::from(!has_left(&uwsgi, spooler));
            told.push(spooler);
        }
        check(&host.name, &outcome(&uwsgi, &told, hung));
    }
}

/// Stock ends it at once: a reload, which is told by SIGHUP, waits for no mule longer than a stop does.
#[test]
fn a_mule_that_is_blocked_in_c_leaves_after_the_grace() {
    // A mutex of somebody else's: no signal interrupts that wait (pthread_mutex_lock(3)).
    const BLOCKED: &str = r#"
import ctypes
os.write(2, b"%d is blocked\n" % os.getpid())
ctypes.CDLL(None).pthread_mutex_lock((ctypes.c_char * 40)(1))
"#;
    for host in one_of_each() {
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            let program = format!("import os\n{BLOCKED}");
            let uwsgi = Who::Pycow.on(&host).app(APP).file("work.py", &program);
            let program = uwsgi.dir().join("work.py");
            let uwsgi = uwsgi
                .set("mule", program.display())
                .set("pycow-exit-grace", 1)
                .start();
            let [mule] = pids(&[uwsgi.await_log(" is blocked")])[..] else {
                unreachable!()
            };
            pycow_testkit::proc::await_idle(mule);
            uwsgi.kill(mule, signal);
            let what = format!("{}, {signal}", host.name);
            assert!(has_left(&uwsgi, mule), "{what}");
            let line = uwsgi.await_log(&format!("(pid {mule}) leaves after "));
            assert!(
                line.ends_with("hooks not run: it did not come to an end in time"),
                "{what}: {line}"
            );
            assert_eq!(hooks_of(&uwsgi.log(), &[mule]), 0, "{what}");
        }
    }
}
