//! Garbage of the loading phase keeps nothing open, and stays where it is.

use pycow_testkit::{hosts, Uwsgi};

/// Cycles that own what ends: by a finalizer, by being freed, by a weak reference that waits.
const APP: &str = r#"
import gc, mmap, os, select, socket, tempfile, weakref

class Node:
    def __init__(self, *parts): self.itself, self.parts = self, parts
class Slotted:
    __slots__ = "itself", "part"
class Finalized(Node):
    def __del__(self): events.append("del")
class Dict(dict):
    def clear(self): events.append("never called")

events, references, polls = [], [], []

def poll():
    one = select.epoll()
    polls.append(one.fileno())
    return one

def make():
    for _ in range(50): Node(socket.socket(), open(__file__))
    Finalized()
    Node(mmap.mmap(-1, 1234 * 4096))
    slotted = Slotted()
    slotted.itself, slotted.part = slotted, poll()
    cycle = Dict(part=poll())
    cycle["itself"] = cycle
    cycle = [poll()]
    cycle.append(cycle)
    references.append(weakref.ref(Node(), lambda _: events.append("callback")))
    Node(Node(tempfile.NamedTemporaryFile(prefix="garbage-", dir=".")))
    for _ in range(1000): Node()

make()

def links(folder):
    for fd in os.listdir(folder):
        try:
            yield os.readlink(folder + fd)
        except FileNotFoundError:
            pass  # open for a moment only

def application(env, start):
    start("200 OK", [])
    answer = []
    for pid in os.getpid(), os.getppid():
        paths = list(links("/proc/%d/fd/" % pid))
        kinds = [path.split(":")[0] for path in paths]
        open_there = [kinds.count("socket") > 20, paths.count(__file__) > 20]
        mapped = " 4936 kB" in open("/proc/%d/smaps" % pid).read()
        answer.append((open_there, mapped))
    files = [name for name in os.listdir(".") if name.startswith("garbage-")]
    epolls = len([one for one in polls if os.path.exists("/proc/self/fd/%d" % one)])
    gc.disable(); gc.unfreeze()
    nodes = len([one for one in gc.get_objects() if type(one) is Node])
    answer = ["%s %s" % pair for pair in answer] + [str(x) for x in (files, epolls, sorted(events), len(gc.garbage), nodes)]
    return ["\n".join(answer).encode()]
"#;

#[test]
fn what_garbage_owns_ends_before_the_fork() {
    for host in hosts() {
        for policy in ["freeze", "immortal"] {
            println!("{} {policy}", host.name);
            let uwsgi = Uwsgi::on(&host).app(APP).with_pycow();
            let answer = uwsgi.set("pycow-gc", policy).start().get("/").body;
            let ended = "[False, False] False";
            let expected = format!("{ended}\n{ended}\n[]\n0\n['callback', 'del']\n0\n");
            let rest = answer.strip_prefix(&expected);
            // The memory of the garbage is where it was: holes would be filled, and copied.
            let nodes: u32 = rest.unwrap_or_else(|| panic!("{answer}")).parse().unwrap();
            assert!(nodes > 1000, "{answer}");
        }
    }
}
