//! What must end still ends when the last reference is dropped.

use pycow_testkit::{immortal, skip};

/// Everything whose end matters, preloaded; `/drop` drops the last references.
const ENDS: &str = r#"
import logging, mmap, os, socket, sys, tempfile, threading, weakref

class Watched: pass
class Finalized:
    def __del__(self): events.append("del")
class Owner:
    def __init__(self):
        self.resource = Finalized()
        self.__dict__  # a dict of its own, no longer inline values

def plain_function(): return "x" * len(events), 1.5

def generate():
    try:
        yield
    finally:
        events.append("generator")

events = []
generator = generate(); next(generator)
target, finalized, cached = Watched(), Watched(), Watched()
reference = weakref.ref(target, lambda reference: events.append("callback"))
weakref.finalize(finalized, events.append, "finalize")
cache = weakref.WeakValueDictionary(cached=cached)
temporary, folder = tempfile.NamedTemporaryFile(), tempfile.TemporaryDirectory()
paths = temporary.name, folder.name
ends = {
    "file": open(__file__), "socket": socket.socket(), "generator": generator,
    "target": target, "finalized": finalized, "cached": cached, "temporary": temporary,
    "folder": folder, "del": Finalized(), "owner": Owner(),
}
descriptors = ends["file"].fileno(), ends["socket"].fileno()
anonymous = mmap.mmap(-1, 1234 * 4096)
locks = threading.Lock(), threading.RLock()
del generator, target, finalized, cached, temporary, folder
plain = {"module": os, "class": Watched, "instance": Watched(), "text": "a text %s" % id(os),
         "function": plain_function, "code": plain_function.__code__,
         "constants": plain_function.__code__.co_consts,
         "logger": logging.getLogger("x"), "number": 123456789 + len(events), "list": [[]],
         "condition": threading.Condition(), "tuple": (1.5, "x" * len(paths))}

def is_immortal(thing):
    return sys.getrefcount(thing) > 1 << 30

def application(env, start):
    global anonymous
    start("200 OK", [("Content-Type", "text/plain")])
    mortal = [name for name, thing in plain.items() if not is_immortal(thing)]
    immortal = [name for name, thing in ends.items() if is_immortal(thing)]
    immortal += [str(lock) for lock in locks if is_immortal(lock)]
    if env["PATH_INFO"] == "/drop":
        thing = None
        ends.clear()
        anonymous = None
    opened = [fd for fd in descriptors if os.path.exists("/proc/self/fd/%d" % fd)]
    there = [path for path in paths if os.path.exists(path)]
    shared = [line.split()[0] for line in open("/proc/self/maps") if "/dev/zero" in line]
    edges = [[int(edge, 16) for edge in area.split("-")] for area in shared]
    mapped = any(end - start == 1234 * 4096 for start, end in edges)
    lines = [mortal, immortal, opened, there, [mapped], list(cache), sorted(events)]
    return ["\n".join(" ".join(map(str, line)) for line in lines).encode()]
"#;

#[test]
fn what_must_end_still_ends_when_the_last_reference_is_dropped() {
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, ENDS).start();
        let before = uwsgi.get("/").body;
        let lines: Vec<&str> = before.split('\n').collect();
        assert_eq!(lines[0], "", "these are immortal");
        assert_eq!(lines[1], "", "these are mortal");
        assert_eq!(lines[2].split(' ').count(), 2, "open: {before}");
        assert_eq!(lines[3].split(' ').count(), 2, "there: {before}");
        assert_eq!(&lines[4..], ["True", "cached", ""], "{before}");

        let after = uwsgi.get("/drop").body;
        let lines: Vec<&str> = after.split('\n').collect();
        assert_eq!(lines[2], "", "closed: {after}");
        assert_eq!(lines[3], "", "unlinked: {after}");
        assert_eq!(lines[4..6], ["False", ""], "unmapped, forgotten: {after}");
        assert_eq!(lines[6], "callback del del finalize generator");
    }
}

/// Objects of C code that give something back to the system when they go; `/` names those that never
/// will, and how many there are.
const RESOURCES: &str = r#"
import mmap, select, sys

def resources():
    yield mmap.mmap(-1, 4096)
    yield select.epoll()
    yield memoryview(bytearray(10))
    try:
        import multiprocessing, sqlite3, ssl
    except ImportError:
        return
    yield multiprocessing.get_context("fork").Semaphore()._semlock
    yield sqlite3.connect(":memory:")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    yield context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")._sslobj

held = list(resources())

def application(env, start):
    start("200 OK", [("Content-Type", "text/plain")])
    immortal = [type(one).__name__ for one in held if sys.getrefcount(one) > 1 << 30]
    return [("%d %s" % (len(held), immortal)).encode()]
"#;

#[test]
fn what_c_code_holds_of_the_system_stays_mortal() {
    let mut most = String::new();
    for host in immortal::hosts() {
        let answer = immortal::uwsgi(&host, RESOURCES).start().get("/").body;
        assert!(answer.ends_with(" []"), "{}: {answer}", host.name);
        most = most.max(answer);
    }
    if most != "6 []" {
        skip("no CPython with multiprocessing, sqlite3 and ssl");
    }
}
