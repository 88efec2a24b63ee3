//! Cycles of what stays mortal end at a collection, as they do on stock.

use pycow_testkit::{immortal, skip};

use super::GROWTH;

/// Preloaded cycles whose end matters; `/drop` drops and collects them, and answers which are still there.
const CYCLES: &str = r#"
import functools, gc, os, tempfile

alive = set()

class Resource:
    def __init__(self, name):
        self.name = name
        alive.add(name)
    def __del__(self): alive.discard(self.name)
    def method(self): pass

class Node: pass

def itself(one): one.itself = one
def callbacks(one): one.callbacks = [one.method, lambda: one]
def by_name(one): one.by_name = {"name": [one.method]}
def memo(one):
    one.memo = functools.lru_cache(one.method)
    one.memo()
def others(one):
    one.first, second = Node(), Node()
    one.first.second, second.first, second.one = second, one.first, one

held = []
for make in itself, callbacks, by_name, memo, others:
    held.append(Resource(make.__name__))
    make(held[-1])
descriptors = []
try:
    import sqlite3
    # Its memo of statements refers to it.
    connection = sqlite3.connect(tempfile.mkdtemp() + "/x")
    connection.execute("CREATE TABLE x (y)")
    descriptors = [fd for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd)
                   and os.readlink("/proc/self/fd/" + fd).endswith("/x")]
except ImportError:
    connection = None
many = [Resource("many") for _ in range(int(os.environ["MANY"]))]

def application(env, start):
    global connection
    start("200 OK", [])
    if env["PATH_INFO"] == "/drop":
        connection = None
        held.clear()
        gc.collect()
    opened = [fd for fd in descriptors if os.path.exists("/proc/self/fd/" + fd)]
    return [("%s %d %d" % (sorted(alive - {"many"}), len(descriptors), len(opened))).encode()]
"#;

#[test]
fn cycles_of_what_stays_mortal_end_at_a_collection() {
    let mut databases = false;
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, CYCLES).env("MANY", "0").start();
        let before = uwsgi.get("/").body;
        databases |= before.ends_with(" 1 1");
        assert!(
            before.starts_with("['by_name', 'callbacks', 'itself', 'memo', 'others'] "),
            "{before}"
        );
        let after = uwsgi.get("/drop").body;
        assert!(after.starts_with("[] ") && after.ends_with(" 0"), "{after}");
    }
    if !databases {
        skip("no CPython with sqlite3");
    }
}

/// A history that lets go of its oldest three at a time, which refer to each other; `/` does 300,000 steps, and answers
/// by how many kilobytes the process has grown.
const TRIMMED: &str = r#"
import gc, os

class Link:
    def __init__(self, value): self.value, self.next, self.previous = value, None, None

class Resource:
    def __del__(self): pass

class History:
    def __init__(self):
        self.first = self.last = Link(None)
        for i in range(5): self.add("preloaded")
    def add(self, value):
        new = Link(value)
        new.previous, self.last.next = self.last, new
        self.last = new
    def work(self, times):
        for i in range(times):
            self.add("value %d" % i)
            if i % 3 == 2:
                self.first = self.first.next.next.next
                self.first.previous = None
        gc.collect()

history, many = History(), [Resource() for _ in range(int(os.environ["MANY"]))]

def application(env, start):
    start("200 OK", [])
    return growth(history, 300000)
"#;

#[test]
fn links_dropped_several_at_a_time_do_not_grow() {
    let app = format!("{GROWTH}{TRIMMED}");
    for host in immortal::hosts() {
        // With many others that stay mortal, links are still left to the collector.
        for many in ["0", "5000"] {
            let uwsgi = immortal::uwsgi(&host, &app).env("MANY", many);
            let uwsgi = uwsgi.set("pycow-gc-threshold", "cpython").start();
            let grown: i64 = uwsgi.get("/").body.parse().unwrap();
            // With these frozen it is over 30,000 kB.
            assert!(grown < 5000, "{grown} kB with {many} others");
        }
    }
}
