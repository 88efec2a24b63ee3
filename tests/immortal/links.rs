//! Linked structures do not grow; trees are none.

use pycow_testkit::immortal;

use super::GROWTH;

/// Structures whose links are made and dropped over and over, some of them preloaded; `/NAME` does 100,000
/// operations and answers by how many kilobytes the process has grown.
const LINKED: &str = r#"
import asyncio, collections, concurrent.futures, functools, itertools, os, queue

class Node:
    def __init__(self, value): self.value, self.next = value, None

class SlottedNode:
    __slots__ = "value", "next", "previous"
    def __init__(self, value): self.value, self.next, self.previous = value, None, None

class Queue:
    def __init__(self, node, length):
        self.node, self.count = node, 0
        self.head = self.tail = node(None)
        for _ in range(length): self.put("preloaded")
    def put(self, value):
        self.count += 1
        self.tail.next = self.tail = self.node(value)
    def get(self):
        self.head = self.head.next
        return self.head.value
    def work(self, times):
        for i in range(times):
            self.put("value %d" % i); self.get()

class Lru:
    """Doubly linked, its ends are one root; links are dropped when they are too many."""
    def __init__(self, length):
        self.root = SlottedNode(None)
        self.root.next = self.root.previous = self.root
        self.links = {}
        self.most = max(length, 5)
        for i in range(length): self.put("preloaded %d" % i)
    def put(self, key):
        link, last = SlottedNode(key), self.root.previous
        last.next = self.root.previous = link
        link.previous, link.next = last, self.root
        self.links[key] = link
        if len(self.links) > self.most:
            first = self.root.next
            del self.links[first.value]
            self.root.next = first.next
            first.next.previous = self.root
    def work(self, times):
        for i in range(times): self.put("key %d" % i)

class Lists:
    """The same with lists as links."""
    def __init__(self, length):
        self.root = root = []
        root[:] = [root, root, None]
        for i in range(length): self.append(i)
    def append(self, key):
        last = self.root[0]
        last[1] = self.root[0] = [last, self.root, key]
    def work(self, times):
        for i in range(times):
            self.append("value %d" % i)
            first = self.root[1]
            self.root[1] = first[1]
            first[1][0] = self.root

class Tee:
    def __init__(self):
        self.one, self.other = itertools.tee(itertools.count(10**6))
        next(self.one)
    def work(self, times):
        for _ in range(times): next(self.one); next(self.other)

class Cached:
    def __init__(self):
        self.function = functools.lru_cache(100)(lambda i: [i])
        for i in range(100): self.function(i)
    def work(self, times):
        for i in range(times): self.function(i)

class Asyncio:
    def __init__(self):
        self.queue = asyncio.Queue()
        self.queue.put_nowait("preloaded")
    def work(self, times):
        for i in range(times): self.queue.put_nowait("value %d" % i); self.queue.get_nowait()

class Threads:
    def __init__(self):
        self.queue, self.simple = queue.Queue(), queue.SimpleQueue()
        self.ordered = collections.OrderedDict.fromkeys(range(10))
        self.queue.put("preloaded"), self.simple.put("preloaded")
    def work(self, times):
        for i in range(times // 3):
            for queue in self.queue, self.simple: queue.put("value %d" % i); queue.get()
            self.ordered["key %d" % i] = i; self.ordered.popitem(last=False)

structures = {
    "empty": Queue(Node, 0), "one": Queue(Node, 1), "many": Queue(Node, 50), "slots": Queue(SlottedNode, 3),
    "lru": Lru(0), "lru50": Lru(50), "lists": Lists(0), "lists50": Lists(50), "tee": Tee(), "cached": Cached(),
    "asyncio": Asyncio(), "threads": Threads(),
}

def application(env, start):
    start("200 OK", [])
    return growth(structures[env["PATH_INFO"][1:]], 100000)
"#;

#[test]
fn linked_structures_do_not_grow() {
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, &format!("{GROWTH}{LINKED}")).start();
        for name in [
            "empty", "one", "many", "slots", "lru", "lru50", "lists", "lists50", "tee", "cached",
            "asyncio", "threads",
        ] {
            let grown: i64 = uwsgi.get(&format!("/{name}")).body.parse().unwrap();
            assert!(grown < 2000, "{name}: {grown} kB");
        }
    }
}

/// A catalogue of many records that know their parents, as trees do.
const CATALOGUE: &str = r#"
import sys

class Category:
    def __init__(self, name, parent):
        self.name, self.parent, self.children = name, parent, []
        if parent: parent.children.append(self)

root = Category("root", None)
all_of_them, level = [root], [root]
while len(all_of_them) < 20000:
    level = [Category("category", parent) for parent in level for _ in range(3)]
    all_of_them += level
matrix = [[i, [i, i + 1]] for i in range(20000)]

def application(env, start):
    start("200 OK", [])
    share = lambda things: len([one for one in things if sys.getrefcount(one) > 1 << 30]) / len(things)
    return [("%.3f %.3f" % (share(all_of_them), share(matrix))).encode()]
"#;

#[test]
fn records_that_know_their_parents_are_immortal() {
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, CATALOGUE).start();
        assert_eq!(uwsgi.get("/").body, "1.000 1.000");
    }
}
