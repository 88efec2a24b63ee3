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

/// Structures that let go of links in cycles. `/NAME` does 300,000 steps, and answers by how many kilobytes the process
/// has grown.
const CUT: &str = r#"
import gc, os

class Link:
    def __init__(self, value): self.value, self.next, self.previous = value, None, None

class Entry:
    def __init__(self, link): self.link = link

class Resource:
    def __del__(self): pass

class History:
    """Lets go of its oldest three at a time."""
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

class Entries(History):
    """Each link and its value refer to each other: the operator named the value's class."""
    def add(self, value):
        super().add(None)
        self.last.value = Entry(self.last)
    def work(self, times):
        for i in range(times):
            self.add(None)
            self.first = self.first.next
            self.first.previous = None
        gc.collect()

structures, many = {"history": History(), "entries": Entries()}, [Resource() for _ in range(int(os.environ["MANY"]))]

def application(env, start):
    start("200 OK", [])
    return growth(structures[env["PATH_INFO"][1:]], 300000)
"#;

#[test]
fn links_dropped_in_cycles_do_not_grow() {
    for host in immortal::hosts() {
        // Links and named ones are left to the collector though many others stay mortal.
        for many in ["0", "5000"] {
            let uwsgi = immortal::uwsgi(&host, "from cut import application");
            let uwsgi = uwsgi.file("cut.py", &format!("{GROWTH}{CUT}"));
            let uwsgi = uwsgi.env("MANY", many).set("pycow-mortal", "cut.Entry");
            let uwsgi = uwsgi.set("pycow-gc-threshold", "cpython").start();
            for name in ["history", "entries"] {
                let grown: i64 = uwsgi.get(&format!("/{name}")).body.parse().unwrap();
                // With these frozen it is over 30,000 kB.
                assert!(grown < 10_000, "{name}: {grown} kB with {many} others");
            }
        }
    }
}
