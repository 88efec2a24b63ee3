//! Collections are paced by what they cost and find (`pycow-gc-threshold = auto`, the default).

use pycow_testkit::{default_host, hosts, Instance, Uwsgi};

use crate::{mounted_twice, number, said, started, usual};

/// Each path does something that matters to a collector; every answer says what is in force, and what
/// was collected by generation.
pub const APP: &str = r#"
import gc
import collections, os

in_request = False
full = []  # for every full collection: was a request being served?
def seen(phase, info):
    if phase == "stop" and info["generation"] == 2:
        full.append(in_request)
gc.callbacks.append(seen)
own = gc.callbacks[:]

class Node:
    alive = 0
    def __init__(self, size=0):
        self.me = self
        self.data = b"x" * size
        Node.alive += 1
    def __del__(self):
        Node.alive -= 1

ring = collections.deque(maxlen=300)

def temporary():
    return sum(len(row) for row in [[i, [i]] for i in range(3000)])
def large():
    Node(1_000_000)
kept = []
def keep():
    kept.extend([i] for i in range(1000))
def late():
    ring.append([Node() for _ in range(100)])
def set():
    gc.set_threshold(50, 5, 5)
def clear():
    gc.callbacks.clear()
def disable():
    gc.disable()
def fork():
    child = os.fork()
    if child == 0:
        for _ in range(300):
            late()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

def application(env, start):
    global in_request
    in_request = True
    todo = globals().get(env["PATH_INFO"].rsplit("/", 1)[-1])
    if todo:
        todo()
    start("200 OK", [("Content-Type", "text/plain")])
    stats = [one["collections"] for one in gc.get_stats()]
    in_request = False
    return ["now={} collections={} alive={} full={} inside={}.".format(
        ",".join(map(str, gc.get_threshold())), sum(stats), Node.alive, len(full), sum(full)
    ).encode()]
"#;

pub const CPYTHON: (&str, &str) = ("pycow-gc-threshold", "cpython");

/// The answer to the last of so many requests.
pub fn after(uwsgi: &Instance, path: &str, times: usize) -> String {
    let mut body = String::new();
    for _ in 0..times {
        let answer = uwsgi.get(path);
        assert_eq!(answer.status, 200);
        body = answer.body;
    }
    body
}

/// Serves requests until that was logged: it is looked for when one is over, now and then.
fn until_logged(uwsgi: &Instance, needle: &str) {
    let logged = |_| {
        uwsgi.get("/temporary");
        uwsgi.log().contains(needle)
    };
    assert!((0..2_000).any(logged), "no line says {needle:?}");
}

#[test]
fn collections_that_find_little_become_rare_on_every_host() {
    for host in hosts() {
        println!("{}", host.name);
        let collections = |options: &[_]| {
            let uwsgi = started(&host, APP, options);
            let answer = after(&uwsgi, "/temporary", 300);
            let finished = uwsgi.stop();
            assert!(!finished.log.contains("internal error"));
            (
                number(&answer, "collections"),
                said(&answer, "now").to_owned(),
            )
        };
        let (usually, thresholds) = collections(&[CPYTHON]);
        assert_eq!(thresholds, usual(&host));
        let (paced, thresholds) = collections(&[]);
        assert_ne!(thresholds, usual(&host));
        assert!(paced * 3 < usually * 2, "{paced} of {usually}");
    }
}

#[test]
fn few_objects_that_hold_much_are_not_waited_for() {
    // CPython counts objects, and these are few. Where its count stands at the first is up to the host.
    let usually = started(&default_host(), APP, &[CPYTHON]);
    let is_many = |_| number(&usually.get("/large").body, "alive") > 100;
    assert!((0..400).any(is_many));
    drop(usually);
    // They are 1 MB each. How many come between two looks depends on the machine.
    let paced = started(&default_host(), APP, &[]);
    let paced = number(&after(&paced, "/large", 150), "alive");
    assert!(paced < 60, "{paced}");
}

#[test]
fn full_collections_run_between_requests() {
    for host in hosts() {
        println!("{}", host.name);
        let uwsgi = started(&host, APP, &[]);
        let answer = after(&uwsgi, "/late", 1500);
        assert!(number(&answer, "full") > 0, "{answer}");
        assert_eq!(number(&answer, "inside"), 0, "{answer}");
        // 300 requests' worth is in use, and as much again may wait to be collected.
        assert!(number(&answer, "alive") < 30_000 * 3, "{answer}");
    }
}

#[test]
fn a_heap_that_grows_without_garbage_is_sampled_instead_of_collected() {
    for host in hosts().into_iter().filter(|host| host.python >= (3, 12)) {
        println!("{}", host.name);
        let uwsgi = started(&host, APP, &[]);
        let answer = after(&uwsgi, "/keep", 600);
        // The master's, and one while all is small.
        let before = number(&answer, "full");
        assert!(before <= 2, "{answer}");
        // Garbage that comes after that is still found, before there is more of it than of the rest.
        let answer = after(&uwsgi, "/late", 5000);
        assert!(number(&answer, "full") > before, "{answer}");
        assert!(number(&answer, "alive") < 400_000, "{answer}");
        assert_eq!(number(&answer, "inside"), 0, "{answer}");
    }
}

#[test]
fn what_the_application_sets_wins() {
    let host = default_host();
    let uwsgi = started(&host, APP, &[]);
    after(&uwsgi, "/set", 1);
    until_logged(
        &uwsgi,
        "the application set the collector's thresholds to 50,5,5: \
         pycow-gc-threshold = auto ends in this worker",
    );
    assert_eq!(said(&after(&uwsgi, "/late", 300), "now"), "50,5,5");

    let while_loading = APP.replace("import gc", "import gc\ngc.set_threshold(321)");
    let uwsgi = started(&host, &while_loading, &[]);
    assert_eq!(said(&after(&uwsgi, "/temporary", 50), "now"), "321,10,10");
    uwsgi.await_log("set the collector's thresholds to 321,10,10: workers keep them");
}

#[test]
fn without_its_eyes_it_gives_cpythons_own_back() {
    let host = default_host();
    let uwsgi = started(&host, APP, &[]);
    after(&uwsgi, "/temporary", 100);
    after(&uwsgi, "/clear", 1);
    until_logged(&uwsgi, "the application emptied gc.callbacks");
    assert_eq!(said(&uwsgi.get("/").body, "now"), usual(&host));
}

#[test]
fn a_collector_that_is_switched_off_stays_off() {
    let uwsgi = started(&default_host(), APP, &[]);
    let before = number(&after(&uwsgi, "/disable", 1), "collections");
    let answer = after(&uwsgi, "/late", 1000);
    assert_eq!(number(&answer, "collections"), before, "{answer}");
}

#[test]
fn threads_and_sub_interpreters_are_served() {
    for host in hosts() {
        println!("{}", host.name);
        let uwsgi = mounted_twice(&host, APP).set("threads", 3).start();
        std::thread::scope(|scope| {
            for path in ["/late", "/second/late", "/temporary", "/second/temporary"] {
                let uwsgi = &uwsgi;
                scope.spawn(move || after(uwsgi, path, 400));
            }
        });
        let answer = after(&uwsgi, "/second/late", 400);
        assert!(number(&answer, "full") > 0, "{answer}");
        let finished = uwsgi.stop();
        assert!(!finished.log.contains("internal error"));
    }
}

#[test]
fn what_a_worker_forks_collects_too() {
    for host in hosts() {
        println!("{}", host.name);
        let uwsgi = started(&host, APP, &[]);
        after(&uwsgi, "/temporary", 50);
        after(&uwsgi, "/fork", 3);
        assert!(!uwsgi.stop().log.contains("internal error"));
    }
}

#[test]
fn mules_keep_cpythons_own() {
    let mule = "import gc, os, uwsgi\nos.write(2, b'mule (%d, %d, %d)\\n' % gc.get_threshold())\n\
                while True:\n    uwsgi.mule_get_msg()\n";
    let host = default_host();
    let uwsgi = Uwsgi::on(&host).app(APP).file("mule.py", mule).with_pycow();
    let path = uwsgi.dir().join("mule.py").display().to_string();
    let uwsgi = uwsgi.set("mule", path).start();
    let usual = usual(&host);
    uwsgi.await_log(&format!(
        "gc freeze (thresholds {usual} in workers, paced), exit fast"
    ));
    uwsgi.await_log(&format!("mule ({})", usual.replace(',', ", ")));
}
