//! Cycles of links, and of what the operator named, end at a collection, as they do on stock.

use pycow_testkit::immortal;

use super::GROWTH;

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
