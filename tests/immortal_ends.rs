//! Under `immortal` what must end still ends, and nothing grows that did not grow before.

use pycow_testkit::{hosts, Host, Uwsgi};

/// Hosts whose CPython knows immortal objects.
fn able() -> Vec<Host> {
    hosts()
        .into_iter()
        .filter(|host| host.python >= (3, 12))
        .collect()
}

fn immortal(host: &Host, app: &str) -> Uwsgi {
    println!("{}", host.name);
    Uwsgi::on(host)
        .app(app)
        .with_pycow()
        .set("pycow-gc", "immortal")
}

/// Whoever holds a resource, in every way there is; `/drop` drops them all. Answers which resources are
/// still there.
const OWNERS: &str = r#"
import collections, functools, os, tempfile, types, weakref

alive = set()

class Resource:
    def __init__(self, name):
        self.name = name
        alive.add(name)
    def __del__(self):
        alive.discard(self.name)
    def method(self): pass

class Target: pass
class Slotted: __slots__ = "part",
class Named(collections.namedtuple("Named", "part")): pass
class Dict(dict): pass
class List(list): pass
class Ref(weakref.ref): pass
class Instance:
    def __init__(self, part): self.part = part

def slotted(part):
    one = Slotted()
    one.part = part
    return one

def closure(part):
    return lambda: part

def awaited(name):
    alive.add(name)
    target = Target()
    refs.append(Ref(target, lambda _: alive.discard(name)))
    return target

def finalized(name):
    alive.add(name)
    target = Target()
    weakref.finalize(target, alive.discard, name)
    return target

def folder(name):
    folder = tempfile.TemporaryDirectory()
    paths[name] = folder.name
    return folder

def shared(name):
    one = Resource(name)
    return [Instance(one), Instance(one), Instance([one])]

refs, paths = [], {}
held = {name: hold(Resource(name)) for name, hold in {
    "instance": Instance, "slots": slotted, "namedtuple": Named, "dict subclass": lambda part: Dict(part=part),
    "list subclass": lambda part: List([part]), "list": lambda part: [part], "tuple": lambda part: (part, 1),
    "dict": lambda part: {"part": part}, "key": lambda part: {part: 1}, "set": lambda part: {part},
    "partial": lambda part: functools.partial(print, part), "closure": closure,
    "bound method": lambda part: part.method, "method's instance": lambda part: types.MethodType(print, Instance(part)),
    "two steps": lambda part: Instance([part]), "three steps": lambda part: Instance({"parts": [part]}),
    "namespace": lambda part: types.SimpleNamespace(part=part), "deque": lambda part: collections.deque([part]),
    "attributes": lambda part: Instance(vars(Instance(part))), "default": lambda part: collections.defaultdict(list, a=part),
}.items()}
held["awaited"], held["awaited's owner"] = awaited("awaited"), Instance([awaited("awaited's owner")])
held["finalized's owner"], held["folder's owner"] = Instance(finalized("finalized's owner")), (folder("folder's owner"),)
held["shared"] = shared("shared")

def application(env, start):
    start("200 OK", [])
    if env["PATH_INFO"] == "/drop":
        held.clear()
    there = [name for name, path in paths.items() if os.path.exists(path)]
    return [", ".join(sorted(alive) + there).encode()]
"#;

#[test]
fn an_owner_ends_what_it_owns() {
    for host in able() {
        let uwsgi = immortal(&host, OWNERS).start();
        assert_eq!(uwsgi.get("/").body.split(", ").count(), 25);
        assert_eq!(uwsgi.get("/drop").body, "");
    }
}

/// One object with `__del__` is shared by many, which hold nothing else that ends.
const SHARED: &str = r#"
import sys

class Client:
    def __del__(self): pass

class Record:
    def __init__(self): self.client, self.options = client, [1.5]

client = Client()
records = [Record() for _ in range(50000)]

def application(env, start):
    start("200 OK", [])
    immortal = [record for record in records if sys.getrefcount(record) > 1 << 30]
    return [b"%d %d" % (len(immortal), sys.getrefcount(client) < 1 << 30)]
"#;

#[test]
fn what_many_share_does_not_keep_them_mortal() {
    for host in able() {
        let uwsgi = immortal(&host, SHARED).start();
        assert_eq!(uwsgi.get("/").body, "50000 1");
    }
}

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

def size():
    return int(open("/proc/self/statm").read().split()[1]) * 4

def application(env, start):
    start("200 OK", [])
    structure = structures[env["PATH_INFO"][1:]]
    structure.work(10000)
    before = size()
    structure.work(100000)
    return [b"%d" % (size() - before)]
"#;

#[test]
fn linked_structures_do_not_grow() {
    for host in able() {
        let uwsgi = immortal(&host, LINKED).start();
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
    for host in able() {
        let uwsgi = immortal(&host, CATALOGUE).start();
        assert_eq!(uwsgi.get("/").body, "1.000 1.000");
    }
}

/// Classes that no rule sees, named by the operator, and objects of C classes, few and many.
const CLASSES: &str = r#"
import datetime, decimal, hashlib, io, re, sys, threading, zlib

from handles import Derived, Handle, Other, Outer

few = [threading.local(), zlib.compressobj(), datetime.datetime_CAPI, hashlib.sha256(), hashlib.md5()]
many = [zlib.decompressobj() for _ in range(1500)]
data = [decimal.Decimal(1), datetime.datetime.now(), re.compile("x"), slice(1), range(5), bytearray(9), {1}.__iter__()]
things = {"named": Handle(), "derived": Derived(), "other": Other(), "inner": Outer.Inner()}
view = io.BytesIO(b"an initial value %d" % len(sys.argv))

def application(env, start):
    start("200 OK", [])
    is_immortal = lambda thing: sys.getrefcount(thing) > 1 << 30
    names = [type(thing).__name__ for thing in few if is_immortal(thing)]
    names += [type(thing).__name__ for thing in data if not is_immortal(thing)]
    if not all(map(is_immortal, many)): names.append("many")
    mortal = [name for name, thing in things.items() if not is_immortal(thing)]
    with view.getbuffer() as buffer: buffer[:2] = b"No"
    value = view.getvalue()
    same = hash(value) == hash(bytes(bytearray(value)))
    return [("%s %s %s" % (names, mortal, same)).encode()]
"#;

const HANDLES: &str = r#"
class Handle: pass
class Derived(Handle): pass
class Other: pass
class Outer:
    class Inner: pass
"#;

#[test]
fn the_rule_of_gain_and_classes_named_by_the_operator() {
    for host in able() {
        let uwsgi = immortal(&host, CLASSES)
            .file("handles.py", HANDLES)
            .set("pycow-mortal", "handles.Handle")
            .set("pycow-mortal", "handles.Outer.Inner")
            .set("pycow-mortal", "handles.Missing")
            .start();
        let answer = uwsgi.get("/").body;
        assert_eq!(answer, "[] ['named', 'derived', 'inner'] True");
        let log = uwsgi.log();
        let warning =
            "[pycow] WARNING: pycow-mortal: there is no class handles.Missing in what was loaded";
        assert_eq!(log.matches(warning).count(), 1, "{log}");
        assert_eq!(log.matches("[pycow] WARNING").count(), 1, "{log}");
        assert!(log.contains(" 3 named by pycow-mortal, "), "{log}");
    }
}
