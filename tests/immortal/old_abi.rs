//! An extension that counts by itself frees nothing in use.

use pycow_testkit::{immortal, prepared};

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
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, USES_OLD_ABI);
        build_old_abi(uwsgi.dir());
        let uwsgi = uwsgi
            .set("route", "^/json$ rpc:pycow.json")
            .set("route", "^/metrics$ rpc:pycow.prometheus")
            .start();
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
        let json: serde_json::Value = serde_json::from_str(&uwsgi.get("/json").body).unwrap();
        let processes = json["processes"].as_array().unwrap();
        let worker = processes
            .iter()
            .find(|one| one["role"] == "worker")
            .unwrap();
        let moved = worker["moved_marks"].as_u64().unwrap();
        assert!(moved >= 2, "{worker}");
        let line = format!("uwsgi_worker_moved_marks_total{{worker_id=\"1\"}} {moved}\n");
        let metrics = uwsgi.get("/metrics").body;
        assert!(metrics.contains(&line), "{metrics}");
    }
}

/// Compiles the extension with the headers of a CPython before 3.12, into a folder.
fn build_old_abi(dir: &std::path::Path) {
    // Of whatever host the tests run on.
    let python = prepared().join("default/bin/python");
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
