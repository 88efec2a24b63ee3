//! Singly linked structures of other shapes do not grow either, nor do those whose links have a dict of their own.

use pycow_testkit::immortal;

use super::GROWTH;

/// Queues that a worker appends to and takes from; `/NAME` does 30,000 times both and answers by how many kilobytes
/// the process has grown.
const CHAINS: &str = r#"
import concurrent.futures

class Queue:
    """Of nodes of one class, each with its successor."""
    def __init__(self, length):
        self.count = 0
        self.head = self.tail = self.node(None)
        for _ in range(length): self.put("preloaded")
    def node(self, value): return Node(value)
    def put(self, value):
        self.count += 1
        new = self.node(value)
        self.link(self.tail, new)
        self.tail = new
    def link(self, last, new): last.next = new
    def following(self, node): return node.next
    def work(self, times):
        for i in range(times):
            self.put("value %d" % i)
            self.head = self.following(self.head)

class Node:
    def __init__(self, value): self.value, self.next = value, None
class Odd(Node): pass
class Even(Node): pass
class Edge:
    def __init__(self, to): self.to = to
class Holder: pass

class Lists(Queue):
    def node(self, value): return [value, None]
    def link(self, last, new): last[1] = new
    def following(self, node): return node[1]

class Dicts(Queue):
    def node(self, value): return {"value": value, "next": None}
    def link(self, last, new): last["next"] = new
    def following(self, node): return node["next"]

class InTurn(Queue):
    def node(self, value): return (Odd if self.count % 2 else Even)(value)

class Edges(Queue):
    def link(self, last, new): last.next = Edge(new)
    def following(self, node): return node.next.to

class KnownEnd(Queue):
    def __init__(self, length):
        self.know = [Holder() for _ in range(5)]
        super().__init__(length)
    def link(self, last, new):
        super().link(last, new)
        for holder in self.know: holder.tail = new

class Attributes(Queue):
    def node(self, value):
        node = Node(value)
        vars(node)["a name that no other has %d" % self.count] = value
        return node

class Both(Attributes):
    """Doubly linked, so that each link has more than one other."""
    def link(self, last, new): last.next, new.last = new, last
    def following(self, node):
        node.next.last = None
        return node.next

class Futures(Queue):
    """Each is told to its predecessor, as by an executor that runs one after the other."""
    def node(self, value): return concurrent.futures.Future()
    def link(self, last, new): last.add_done_callback(lambda _: new.done())
    def following(self, node): return self.tail

class Named(Queue):
    """The successor is in a list, as in trees: the operator named the class."""
    class Step:
        def __init__(self, value): self.value, self.next = value, [None]
    def node(self, value): return self.Step(value)
    def link(self, last, new): last.next[0] = new
    def following(self, node): return node.next[0]

queues = {
    "lists": Lists(3), "one list": Lists(0), "dicts": Dicts(3), "one dict": Dicts(0), "in turn": InTurn(4), "edges": Edges(3),
    "known end": KnownEnd(3), "attributes": Attributes(3), "both": Both(3), "named": Named(3),
    "futures": Futures(2),
}

def application(env, start):
    start("200 OK", [])
    return growth(queues[env["PATH_INFO"][1:]], 30000)
"#;

#[test]
fn chains_do_not_grow() {
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, "from chains import application");
        let uwsgi = uwsgi.file("chains.py", &format!("{GROWTH}{CHAINS}"));
        let uwsgi = uwsgi.set("pycow-mortal", "chains.Named.Step").start();
        let mut grown = Vec::new();
        for name in [
            "lists",
            "one list",
            "dicts",
            "one dict",
            "in turn",
            "edges",
            "known end",
            "attributes",
            "both",
            "named",
            "futures",
        ] {
            let kilobytes: i64 = uwsgi
                .get(&format!("/{}", name.replace(' ', "%20")))
                .body
                .parse()
                .unwrap();
            // Stock does not grow; with an immortal link there it would be 3,000 kB and more.
            if kilobytes >= 1000 {
                grown.push((name, kilobytes));
            }
        }
        assert!(grown.is_empty(), "{grown:?}");
    }
}

/// Data that looks a little like a chain; `/` answers which share of each kind is immortal.
const DATA: &str = r#"
import sys

class Record:
    def __init__(self, **parts): vars(self).update(parts)
class Customer(Record): pass
class Company(Record): pass

kinds = {
    "pairs": [[i, [i, i + 1]] for i in range(5000)],
    "documents": [{"id": i, "options": {"id": i, "label": "x"}} for i in range(5000)],
    "nested": [{"a": {"b": {"c": i}}} for i in range(5000)], "areas": [[[[[i, i]]]] for i in range(5000)],
    "trees": [{"id": i, "a": {"id": i, "b": {"id": i, "c": None}}} for i in range(5000)],
    "joined": [Record(customer=Customer(company=Company(name=i))) for i in range(5000)],
    "back": [Record(customer=Customer(name=i)) for i in range(5000)],
}
for record in kinds["back"]: record.customer.record = record

def parts(thing):
    yield thing
    for part in thing if isinstance(thing, list) else thing.values() if isinstance(thing, dict) else vars(thing).values():
        if isinstance(part, (list, dict, Customer, Company)): yield from parts(part)

def application(env, start):
    start("200 OK", [])
    mortal = {}
    for kind, things in kinds.items():
        seen = [part for thing in things for part in parts(thing)]
        mortal[kind] = len([part for part in seen if sys.getrefcount(part) < 1 << 30])
    return [str({kind: count for kind, count in mortal.items() if count}).encode()]
"#;

#[test]
fn data_that_looks_a_little_like_a_chain_is_immortal() {
    for host in immortal::hosts() {
        assert_eq!(immortal::uwsgi(&host, DATA).start().get("/").body, "{}");
    }
}
