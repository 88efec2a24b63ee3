//! `pycow-gc = immortal`: preloaded objects are never copied, and what must end still ends.

use pycow_testkit::{hosts, load, proc, skip, Host, Uwsgi};

/// Hosts whose CPython knows immortal objects, and the others.
fn able(able: bool) -> Vec<Host> {
    let hosts: Vec<Host> = hosts()
        .into_iter()
        .filter(|host| (host.python >= (3, 12)) == able)
        .collect();
    if hosts.is_empty() {
        skip(if able {
            "no CPython 3.12 or newer"
        } else {
            "no CPython before 3.12"
        });
    }
    hosts
}

fn immortal(host: &Host, app: &str) -> Uwsgi {
    println!("{}", host.name);
    Uwsgi::on(host)
        .app(app)
        .with_pycow()
        .set("pycow-gc", "immortal")
}

/// A heap of objects of many kinds, and requests that read all of it.
const HEAP: &str = r#"
class Thing:
    def __init__(self, number):
        self.name = "thing number %d" % number + 200 * "x"
        self.tags = [str(number + i) for i in range(3)]
        self.price = number * 1.5
        self.extra = {"a%d" % (number % 7): "v%d" % number, "b": (number, str(number))}

heap = [Thing(number) for number in range(40000)]

def read(thing):
    keys = [key + str(value) for key, value in thing.extra.items()]
    return len(thing.name) + len([tag for tag in thing.tags]) + len(keys) + thing.price

def application(env, start):
    total = sum(read(thing) for thing in heap)
    start("200 OK", [("Content-Type", "text/plain")])
    return [str(total).encode()]
"#;

#[test]
fn nothing_that_requests_read_is_copied() {
    for host in able(true) {
        let uwsgi = immortal(&host, HEAP).set("processes", 2).start();
        let workers = uwsgi.workers();
        let inherited: Vec<_> = workers
            .iter()
            .map(|pid| proc::rollup(*pid).shared())
            .collect();
        let report = load::run(uwsgi.port(), |_| "/".into(), 20, 4);
        assert_eq!(report.errors, 0);
        for (pid, inherited) in workers.iter().zip(inherited) {
            let now = proc::rollup(*pid);
            // What a worker writes by itself is some 2 MB; stock copies over 30 of these 45.
            assert!(
                now.shared() * 100 >= inherited * 98,
                "{now:?}, {inherited} inherited"
            );
            assert!(now.private() < 5 << 20, "{now:?}");
        }
        let line = uwsgi.await_log(" objects immortal; left mortal: ");
        let count = line
            .trim_start_matches("[pycow] ")
            .split(' ')
            .next()
            .unwrap();
        // Each thing is itself, five strings, a float, a list, a dict, a tuple.
        assert!(count.parse::<u32>().unwrap() > 40000 * 9, "{line}");
        assert!(line.contains(" s for a process of "), "{line}");
    }
}

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
    mapped = " 4936 kB" in open("/proc/self/smaps").read()
    lines = [mortal, immortal, opened, there, [mapped], list(cache), sorted(events)]
    return ["\n".join(" ".join(map(str, line)) for line in lines).encode()]
"#;

#[test]
fn what_must_end_still_ends_when_the_last_reference_is_dropped() {
    for host in able(true) {
        let uwsgi = immortal(&host, ENDS).start();
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
    for host in able(true) {
        let answer = immortal(&host, RESOURCES).start().get("/").body;
        assert!(answer.ends_with(" []"), "{}: {answer}", host.name);
        most = most.max(answer);
    }
    if most != "6 []" {
        skip("no CPython with multiprocessing, sqlite3 and ssl");
    }
}

#[test]
fn the_hosts_own_objects_stay_mortal_and_requests_go_on() {
    let app = "def application(env, start):\n    start('200 OK', [])\n    \
               return [env['QUERY_STRING'].encode(), env['wsgi.input'].read()]\n";
    for host in able(true) {
        let uwsgi = immortal(&host, app).set("threads", 3).start();
        for i in 0..50 {
            assert_eq!(uwsgi.get(&format!("/?{i}")).body, i.to_string());
        }
        let report = load::run(uwsgi.port(), |i| format!("/?{i}"), 300, 6);
        assert_eq!(report.errors, 0);
        assert!(!uwsgi.log().contains("unable to set environ"));
    }
}

#[test]
fn a_full_exit_tears_down_an_immortal_heap_without_a_crash() {
    for host in able(true) {
        let uwsgi = immortal(&host, HEAP).set("pycow-exit", "full").start();
        uwsgi.get("/");
        let finished = uwsgi.stop();
        assert!(
            finished.log.contains("hooks and teardown took"),
            "{}",
            finished.log
        );
        assert!(
            !finished.log.contains("Fatal Python error"),
            "{}",
            finished.log
        );
        assert!(
            !finished.log.contains("!!! uWSGI process"),
            "{}",
            finished.log
        );
    }
}

#[test]
fn sub_interpreters_are_frozen_and_the_log_says_so() {
    let second = r#"
import gc, sys
text = "preloaded %d" % len(sys.argv)

def application(env, start):
    start("200 OK", [])
    return [("%s %d" % (sys.getrefcount(text) > 1 << 30, gc.get_freeze_count())).encode()]
"#;
    for host in able(true) {
        let uwsgi = immortal(&host, second).file("second.py", second);
        let path = uwsgi.dir().join("second.py").display().to_string();
        let uwsgi = uwsgi
            .set("mount", format!("/second={path}"))
            .flag("manage-script-name")
            .start();
        assert!(uwsgi.get("/").body.starts_with("True "));
        let answer = uwsgi.get("/second").body;
        let (immortal, frozen) = answer.split_once(' ').unwrap();
        assert_eq!(immortal, "False");
        assert!(frozen.parse::<u32>().unwrap() > 1000, "{answer}");
        uwsgi.await_log("of 2 interpreters (only the first is immortal)");
    }
}

#[test]
fn an_older_python_gets_one_warning_and_freeze() {
    let app = "import gc\ndef application(env, start):\n    start('200 OK', [])\n    \
               return [str(gc.get_freeze_count()).encode()]\n";
    for host in able(false) {
        let uwsgi = immortal(&host, app).start();
        assert!(uwsgi.get("/").body.parse::<u32>().unwrap() > 1000);
        let finished = uwsgi.stop();
        let warnings: Vec<&str> = finished
            .log
            .lines()
            .filter(|line| line.contains("[pycow] WARNING"))
            .collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let (major, minor) = host.python;
        let start = format!(
            "[pycow] WARNING: pycow-gc = immortal: immortal objects of CPython {major}.{minor}."
        );
        assert!(warnings[0].starts_with(&start), "{}", warnings[0]);
        assert!(
            warnings[0].ends_with(": going on with freeze"),
            "{}",
            warnings[0]
        );
    }
}

#[test]
fn with_lazy_apps_nothing_is_immortal() {
    let app = r#"
import gc, sys
text = "loaded in %s" % sys.version

def application(env, start):
    start("200 OK", [])
    return [("%s %d" % (sys.getrefcount(text) > 1 << 30, gc.get_freeze_count() > 1000)).encode()]
"#;
    for host in able(true) {
        let uwsgi = immortal(&host, app).flag("lazy-apps");
        let uwsgi = uwsgi.set("processes", 2).start();
        assert_eq!(uwsgi.get("/").body, "False 1");
        let line = "lazy-apps: every worker loads a heap of its own, nothing of it is shared; going on with freeze";
        assert_eq!(uwsgi.log().matches(line).count(), 1);
    }
}

/// No more address space is to be had before the fork; workers have it again.
const NARROW: &str = r#"
import gc, resource, uwsgi
text = "a text of %d" % id(gc)
unlimited = resource.getrlimit(resource.RLIMIT_AS)

def widen():
    resource.setrlimit(resource.RLIMIT_AS, unlimited)

uwsgi.post_fork_hook = widen

def application(env, start):
    start("200 OK", [])
    return [b"%d" % (gc.get_freeze_count() > 1000)]

# The notes on these take more than is left, what Python itself needs takes less.
heap = [[[number]] for number in range(200000)]
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 4_000_000, unlimited[1]))
"#;

#[test]
fn without_memory_for_its_notes_it_goes_on_with_freeze() {
    for host in able(true) {
        let uwsgi = immortal(&host, NARROW).start();
        assert_eq!(uwsgi.get("/").body, "1");
        let log = uwsgi.log();
        let warning = "[pycow] WARNING: pycow-gc = immortal: out of memory: going on with freeze";
        assert_eq!(log.matches(warning).count(), 1, "{log}");
        assert!(!log.contains("internal error"), "{log}");
    }
}
