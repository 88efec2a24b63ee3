//! Limits on address space that are hit in the middle: pycow steps back, uWSGI serves.

use pycow_testkit::{hosts, times, Host, Uwsgi};

use super::{both, Fault, Life, Who};

/// From the moment `WHEN` on there is no memory in pieces of `PIECES` bytes or more: no address space, and
/// what malloc holds is eaten. There are pieces of 8,000 bytes, since uWSGI crashes where it cannot have the
/// few it needs for a request (`uwsgi_malloc` and `uwsgi_backtrace`, core/utils.c, call each other then).
const APP: &str = r#"
import os, resource, uwsgi
heap = [{str(number): [number]} for number in range(20000)]
eaten = []

def limit():
    left = []
    for _ in range(200):
        left.append(bytearray(8000))
        eaten.append(bytearray(1000))  # between two that will be free
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used, resource.RLIM_INFINITY))
    for size in [size for size in (1000000, 100000, 30000, 10000, 4000, 2000, 1000) if size >= PIECES]:
        try:
            while True:
                eaten.append(bytearray(size))
        except MemoryError:
            pass

def application(env, start):
    start("200 OK", [])
    if env["PATH_INFO"] == "/why":
        return [uwsgi.rpc(None, b"pycow.why") or b"none"]
    return [b"hello"]

def warm(application):
    global warmed
    warmed = [bytearray(50000) for _ in range(200)]

if WHEN == "load":
    limit()
else:
    uwsgi.post_fork_hook = limit
"#;

fn limited(host: &Host, who: Who, when: &str, pieces: usize, options: &[(&str, &str)]) -> Uwsgi {
    let app = format!("WHEN, PIECES = '{when}', {pieces}\n{APP}");
    let uwsgi = Uwsgi::on(host).app(&app);
    if who == Who::Stock {
        return uwsgi;
    }
    let uwsgi = uwsgi.with_pycow().set("pycow-sample", 1);
    options
        .iter()
        .fold(uwsgi, |uwsgi, (key, value)| uwsgi.set(key, value))
}

type Case = (usize, &'static str, &'static [(&'static str, &'static str)]);

/// What pieces of memory are left, from when on, and how pycow is told to live.
const CASES: &[Case] = &[
    (30_000, "load", &[]),
    (30_000, "load", &[("pycow-gc", "immortal")]),
    (30_000, "load", &[("pycow-warmup", "app:warm")]),
    (30_000, "load", &[("pycow-warmup", "/")]),
    (30_000, "load", &[("pycow-gc-threshold", "auto")]),
    (100_000, "load", &[("pycow-gc", "immortal")]),
    (10_000, "fork", &[]),
    (10_000, "fork", &[("pycow-gc", "immortal")]),
    (10_000, "fork", &[("pycow-gc-threshold", "auto")]),
];

fn tried(fault: &mut Fault, cases: &[Case]) {
    // Where objects can be immortal, if there is one.
    let host = hosts()
        .into_iter()
        .max_by_key(|host| host.python == (3, 12))
        .expect("a host");
    for (pieces, when, options) in cases {
        let what = format!("pieces of {pieces} bytes since the {when}, {options:?}");
        let log = both(&what, |who| {
            Life::of(limited(&host, who, when, *pieces, options), |uwsgi| {
                // It needs more than there is, and says so or answers.
                let _ = uwsgi.try_get("/why");
            })
        });
        let log = log.expect("uWSGI alone has what it needs");
        fault.saw(what.replace("[]", "freeze"));
        if *when == "load" {
            assert!(
                log.contains("MemoryError"),
                "{what}: nothing was hit: {log}"
            );
        }
    }
}

#[test]
fn while_freezing_walking_warming_and_sampling() {
    let mut fault = Fault::new("no memory left (RLIMIT_AS)");
    // They take their time.
    tried(&mut fault, &CASES[..times(0, CASES.len())]);
}
