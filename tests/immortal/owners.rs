//! Whoever holds what must end stays mortal, and nobody else for its sake.

use pycow_testkit::immortal;

/// Whoever holds a resource, in every way there is; `/drop` drops them all. Answers which resources are
/// still there.
pub const OWNERS: &str = r#"
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
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, OWNERS).start();
        assert_eq!(uwsgi.get("/").body.split(", ").count(), 25);
        assert_eq!(uwsgi.get("/drop").body, "");
    }
}

/// What workers put into containers of a preloaded owner ends with it; `/` says what does not. The texts that such
/// containers hold are immortal all the same: it says how many are not.
const FILLED: &str = r#"
import collections, sys

class Pool:
    def __init__(self):
        self.idle, self.busy, self.waiting, self.by_host = [], set(), collections.deque(), {"host": []}
        self.names = tuple("name %d" % (i + len(sys.argv)) for i in range(1000))
        self.index = {"key %d" % (i + len(sys.argv)): "value %d" % (i + len(sys.argv)) for i in range(1000)}
    def __del__(self): pass

class OfItsOwn(Pool):
    def __init__(self):
        super().__init__()
        vars(self)["a name that no other has"] = 1

class Part:
    def __init__(self, name):
        self.name = name
        alive.add(name)
    def __del__(self): alive.discard(self.name)

class Busy:
    def __init__(self, part): self.part = part

def generate(box):
    while True:
        received = yield
        box.append(received)

alive, pools, boxes = set(), [Pool(), OfItsOwn()], [generate([])]
next(boxes[0])

def application(env, start):
    start("200 OK", [])
    texts = [text for pool in pools for text in [*pool.names, *pool.index.keys(), *pool.index.values()]]
    mortal = [text for text in texts if sys.getrefcount(text) < 1 << 30]
    text = None
    for number, pool in enumerate(pools):
        pool.idle.append(Part("idle %d" % number)); pool.busy.add(Busy(Part("busy %d" % number)))
        pool.waiting.append(Part("waiting %d" % number)); pool.by_host["host"].append(Part("host %d" % number))
    boxes[0].send(Part("box"))
    there, pool = len(alive), None
    pools.clear(), boxes.clear()
    return [("%d %d %s" % (len(mortal), there, sorted(alive))).encode()]

"#;

#[test]
fn what_workers_put_into_an_owner_ends_with_it() {
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, FILLED).start();
        assert_eq!(uwsgi.get("/").body, "0 9 []");
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
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, SHARED).start();
        assert_eq!(uwsgi.get("/").body, "50000 1");
    }
}
