//! What an application sets leaves nothing of pycow's thresholds behind: one that is never reached would keep
//! full collections away for good.

use pycow_testkit::{hosts, Host, Uwsgi};

use crate::{number, pacing::after, said, usual};

/// Every request makes garbage that survives young collections. Answers the thresholds, full collections so
/// far, and the garbage that is there.
const APP: &str = r#"
import collections, gc, uwsgi

def start_worker():
    HOOK
uwsgi.post_fork_hook = start_worker

class Node:
    alive = 0
    def __init__(self):
        self.me = self
        Node.alive += 1
    def __del__(self):
        Node.alive -= 1

old = collections.deque(maxlen=20000)
seen = None

def put_back():
    global seen
    if seen is None:
        seen = gc.get_threshold()
    gc.set_threshold(1000)
    [[i] for i in range(5000)]
    gc.set_threshold(*seen)

def application(env, start):
    for _ in range(5000):
        old.append(Node())
    globals().get(env["PATH_INFO"][1:], int)()
    start("200 OK", [("Content-Type", "text/plain")])
    return ["now={} full={} alive={}.".format(
        ",".join(map(str, gc.get_threshold())), gc.get_stats()[2]["collections"], Node.alive
    ).encode()]
"#;

fn app(hook: &str) -> String {
    APP.replace("HOOK", hook)
}

/// CPython's own thresholds with that first one.
fn with_first(host: &Host, first: u32) -> String {
    let usual = usual(host);
    let (_, others) = usual.split_once(',').unwrap();
    format!("{first},{others}")
}

#[test]
fn one_threshold_leaves_the_others_to_cpython() {
    for host in hosts() {
        println!("{}", host.name);
        let served = |uwsgi: Uwsgi| {
            let uwsgi = uwsgi.set("processes", 1).start();
            let answer = after(&uwsgi, "/", 100);
            (answer, uwsgi)
        };
        let app = app("gc.set_threshold(1000)");
        let (stock, _) = served(Uwsgi::on(&host).app(&app));
        let (ours, uwsgi) = served(Uwsgi::on(&host).app(&app).with_pycow());
        let wanted = with_first(&host, 1000);
        assert_eq!(said(&ours, "now"), wanted, "{ours}");
        uwsgi.await_log(&format!("set the collector's thresholds to {wanted}: "));
        // 500,000 were made: without a full collection nearly all of them stay.
        let most = number(&stock, "alive").max(100_000) * 2;
        assert!(number(&ours, "alive") < most, "{ours} stock: {stock}");
    }
}

#[test]
fn a_multiple_of_what_is_in_force_is_one_of_cpythons() {
    for host in hosts() {
        println!("{}", host.name);
        let hook = "_, b, c = gc.get_threshold(); gc.set_threshold(50000, b * 2, c * 2)";
        let served = |uwsgi: Uwsgi| after(&uwsgi.set("processes", 1).start(), "/", 100);
        let stock = served(Uwsgi::on(&host).app(&app(hook)));
        let ours = served(Uwsgi::on(&host).app(&app(hook)).with_pycow());
        assert_eq!(said(&ours, "now"), said(&stock, "now"), "{}", host.name);
    }
}

#[test]
fn thresholds_that_are_put_back_later_are_none_of_ours() {
    for host in hosts() {
        println!("{}", host.name);
        let uwsgi = Uwsgi::on(&host).app(&app("pass")).with_pycow();
        let uwsgi = uwsgi.set("processes", 1).start();
        let ended = |_| {
            uwsgi.get("/put_back");
            uwsgi
                .log()
                .contains("pycow-gc-threshold = auto ends in this worker")
        };
        assert!((0..1000).any(ended), "{}", uwsgi.log());
        let answer = after(&uwsgi, "/put_back", 20);
        let settled = after(&uwsgi, "/", 100);
        assert_eq!(said(&settled, "now"), usual(&host), "{answer} {settled}");
        assert!(
            number(&settled, "full") > number(&answer, "full"),
            "{answer} {settled}"
        );
    }
}
