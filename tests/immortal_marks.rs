//! Under `immortal` nothing is ever freed in use: marks stay where they were put.

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

/// Code that ran before the fork, in the ways that the interpreter has for it, goes on in a worker;
/// `/` says which of the objects that it uses have another first word then, and which are not immortal.
/// `MODE`: what watches the code meanwhile.
const USED: &str = r#"
import ctypes, os, sys, threading

def word(thing):
    return ctypes.c_uint64.from_address(id(thing)).value

class Thing:
    def __init__(self):
        self.part = ["a part of %s" % type(self)]
    def itself(self):
        return self

def constant():
    return "a constant, not a name", 2.5

def far_constant():
    return (FAR, "another constant, not a name")
code = far_constant.__code__
# More than 256 constants before it: its number takes an EXTENDED_ARG.
source = "def far_constant():\n    return (%s, 'the last one, not a name')"
exec(source % ", ".join("constant() or 'number %d, not a name'" % i for i in range(300)))

def suspended(thing):
    kept = thing
    while True:
        yield [kept, thing.part, constant()]

def waits(thing):
    kept = [thing]
    stop.wait()

thing, in_generator, in_thread = Thing(), Thing(), Thing()
generator = suspended(in_generator)

def use(times):
    for _ in range(times):
        a = thing; b = [a, a.part]; c = thing.itself(); d = [constant(), next(generator)]
        e = {a: b}; f = (a, c); far_constant()
        del a, b, c, d, e, f

use(50)
mode = os.environ["MODE"]
if mode == "trace":
    sys.settrace(lambda frame, event, argument: lambda *_: None)
elif mode == "monitoring":
    events = sys.monitoring.events
    sys.monitoring.use_tool_id(1, "test")
    sys.monitoring.set_events(1, events.LINE | events.INSTRUCTION | events.CALL | events.PY_START | events.JUMP)
    for event in events.LINE, events.INSTRUCTION, events.CALL, events.PY_START, events.JUMP:
        sys.monitoring.register_callback(1, event, lambda *_: None)
elif mode == "thread":
    stop = threading.Event()
    threading.Thread(target=waits, args=(in_thread,), daemon=True).start()
use(50)
used = {"thing": thing, "part": thing.part, "constant": constant(), "code": constant.__code__}
used.update(("far %d" % i, item) for i, item in enumerate(far_constant.__code__.co_consts))
before = None

def application(env, start):
    global before
    start("200 OK", [])
    if before is None:
        before = {name: word(thing) for name, thing in used.items()}
    use(100 if mode in ("trace", "monitoring") else 5000)
    if env["PATH_INFO"] == "/off":
        sys.settrace(None)
        sys.monitoring.set_events(1, 0) if mode == "monitoring" else None
        use(5000)
    moved = [name for name, thing in used.items() if word(thing) != before[name]]
    mortal = [name for name, thing in used.items() if word(thing) & 1 << 31 == 0]
    held = in_thread if mode == "thread" else in_generator
    return [("%s %s %d" % (moved, mortal, sys.getrefcount(held))).encode()]
"#;

#[test]
fn marks_do_not_move_in_code_that_ran_before() {
    for host in able() {
        for mode in ["none", "trace", "monitoring", "thread"] {
            let uwsgi = immortal(&host, USED).env("MODE", mode);
            let uwsgi = uwsgi.flag("enable-threads").start();
            for path in ["/", "/off"] {
                let answer = uwsgi.get(path).body;
                let count = answer.strip_prefix("[] [] ");
                let count: u64 = count
                    .unwrap_or_else(|| panic!("{mode}: {answer}"))
                    .parse()
                    .unwrap();
                // What a frame holds is counted before and after, where frames remember.
                assert!(host.python < (3, 14) || count < 100, "{mode}: {answer}");
            }
        }
    }
}

/// An extension as it was built for the stable ABI before CPython 3.12: it counts by itself.
const OLD_ABI: &str = r#"
#define Py_LIMITED_API 0x03080000
#include <Python.h>

static PyObject *gain(PyObject *self, PyObject *args) {
    PyObject *thing; long times;
    if (!PyArg_ParseTuple(args, "Ol", &thing, &times)) return NULL;
    for (long i = 0; i < times; i++) { Py_INCREF(thing); Py_DecRef(thing); }
    return PyLong_FromLong(times);
}

static PyObject *lose(PyObject *self, PyObject *args) {
    PyObject *thing; long times;
    if (!PyArg_ParseTuple(args, "Ol", &thing, &times)) return NULL;
    for (long i = 0; i < times; i++) { Py_IncRef(thing); Py_DECREF(thing); }
    return PyLong_FromLong(times);
}

static PyMethodDef methods[] = {
    {"gain", gain, METH_VARARGS, NULL}, {"lose", lose, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "old_abi", NULL, -1, methods};
PyMODINIT_FUNC PyInit_old_abi(void) { return PyModule_Create(&module); }
"#;

/// Calls the extension as the path and the query say, with a text or a list; answers by how much the
/// mark is out of place, and the most that it ever was.
const USES_OLD_ABI: &str = r#"
import ctypes, sys
import old_abi

text, things = "a preloaded text of %s" % sys.version, ["a thing of %s" % sys.version]
mark = 0xffffffff if sys.version_info < (3, 14) else 1 << 48 | 3 << 30
most = 0

def application(env, start):
    global most
    start("200 OK", [])
    _, how, what = env["PATH_INFO"].split("/")
    thing = text if what == "text" else things
    getattr(old_abi, how)(thing, int(env["QUERY_STRING"]))
    # As many calls from Python would take ten times as long.
    sum(range(int(env["QUERY_STRING"]) // 16))
    moved = ctypes.c_uint64.from_address(id(thing)).value - mark
    most = max(most, abs(moved))
    return [b"%d %d %s" % (moved, most, thing[0][:1].encode())]
"#;

#[test]
fn an_extension_of_the_old_stable_abi_frees_nothing_in_use() {
    for host in able() {
        let uwsgi = immortal(&host, USES_OLD_ABI);
        build_old_abi(uwsgi.dir());
        let uwsgi = uwsgi.start();
        let ask = |what: &str| {
            let answer = uwsgi.get(what).body;
            let mut parts = answer.split(' ');
            let mut number = || parts.next().unwrap().parse::<i64>().unwrap();
            let numbers = (number(), number());
            assert_eq!(parts.next(), Some("a"), "{answer}");
            numbers
        };
        let moves = host.python >= (3, 14);
        assert_eq!(ask("/gain/text?1000").0, if moves { 1000 } else { 0 });
        // 2^31 operations where they move the mark: it would run out after half of them.
        let rounds = if moves { 512 } else { 2 };
        for _ in 0..rounds {
            let (_, most) = ask("/gain/text?4194304");
            assert!(most < 1 << 30, "{most}");
            ask("/lose/things?1000");
        }
        let (after, most) = ask("/gain/text?0");
        println!("{}: {after} now, {most} at most", host.name);
        if !moves {
            assert!(most < 2, "{most}");
            continue;
        }
        // Both are put back, and named once by class and direction.
        for (what, line) in [
            ("/gain/text?0", " of the class str gained "),
            ("/lose/things?0", " of the class list lost "),
        ] {
            uwsgi.await_log(line);
            while ask(what).0 != 0 {
                ask("/gain/text?1000000"); // a slice needs some CPU time to be due
            }
            assert_eq!(uwsgi.log().matches(line).count(), 1);
        }
    }
}

/// Compiles the extension with the headers of a CPython before 3.12, into a folder.
fn build_old_abi(dir: &std::path::Path) {
    let python = pycow_testkit::default_host().interpreter.unwrap();
    let include = std::process::Command::new(python)
        .args([
            "-c",
            "import sysconfig; print(sysconfig.get_path('include'))",
        ])
        .output()
        .unwrap();
    let include = String::from_utf8(include.stdout).unwrap();
    std::fs::write(dir.join("old_abi.c"), OLD_ABI).unwrap();
    let built = std::process::Command::new("cc")
        .args([
            "-O2",
            "-shared",
            "-fPIC",
            "-o",
            "old_abi.abi3.so",
            "old_abi.c",
        ])
        .arg(format!("-I{}", include.trim()))
        .current_dir(dir)
        .status()
        .unwrap();
    assert!(built.success(), "the extension does not compile");
}
