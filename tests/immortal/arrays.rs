//! Arrays of numpy: what they refer to is reached, what ends there ends, and they may be resized.

use pycow_testkit::{immortal, prepared, skip, Host, Uwsgi};

/// The hosts that have numpy, and greenlets, and where these are.
pub fn with_libraries() -> Vec<(Host, String)> {
    let mut found = Vec::new();
    for host in immortal::hosts() {
        let (major, minor) = host.python;
        let folder = prepared().join(format!("libraries-{major}.{minor}"));
        if folder.is_dir() {
            found.push((host, folder.display().to_string()));
        }
    }
    if found.is_empty() {
        skip("no numpy for CPython 3.12 or newer");
    }
    found
}

/// An immortal uWSGI of each, with that application.
pub fn immortal_with_libraries(app: &str) -> impl Iterator<Item = Uwsgi> + '_ {
    let all = with_libraries().into_iter();
    all.map(move |(host, folder)| immortal::uwsgi(&host, app).set("pythonpath", folder))
}

/// Arrays to whose items nobody else refers; `/` names what is not immortal of them, and what is; `/drop` drops
/// those that own something; `/resize` resizes one.
pub const ARRAYS: &str = r#"
import sys, threading
import numpy

class Resource:
    def __init__(self, name): self.name = name; alive.add(name)
    def __del__(self): alive.discard(self.name)

class Array(numpy.ndarray): pass

alive, serial = set(), iter(range(10**9))

def text(*_): return "a text, number %d" % next(serial)
def some(*shape, make=text):
    array = numpy.empty(shape, object)
    for place in numpy.ndindex(*shape): array[place] = make()
    return array

inner = some(2, make=lambda: some(3))
arrays = {
    "texts": some(3000), "cube": some(4, 5, 6), "view": some(6, 6, 6)[::2, ::-1, 1:3], "none": some(1)[0:0],
    "transposed": some(3, 4).T, "zero-d": numpy.array(text(), object), "lists": some(5, make=lambda: [text()]),
    "tuples": some(5, make=lambda: (text(), (text(),))), "subclass": some(5).view(Array), "numbers": numpy.arange(10.0),
    "dates": numpy.array(["2020-01-01"], "M8[D]"), "text": numpy.array(["a", "b"]),
}
nested = [(1.5, {"inner": inner})]
held = {"item": some(1, make=lambda: Resource("item")), "in a list": some(2, 1, make=lambda: [Resource("in a list")]),
        "two arrays": some(1, make=lambda: some(1, make=lambda: Resource("two arrays")))}
lock = some(1, make=threading.Lock)
records = numpy.zeros(3, dtype=[("x", "O"), ("O", "d")])
resized = [numpy.arange(10)]

def is_immortal(thing): return sys.getrefcount(thing) > 1 << 30

def parts(thing):
    if isinstance(thing, numpy.ndarray):
        for item in thing.flat if thing.dtype == object else (): yield from parts(item)
    else:
        yield thing
        if isinstance(thing, (list, tuple)):
            for item in thing: yield from parts(item)

def application(env, start):
    start("200 OK", [])
    if env["PATH_INFO"] == "/resize":
        array = resized.pop()
        array.resize(20)
        return [b"%d" % len(array)]
    if env["PATH_INFO"] == "/drop":
        held.clear()
        return [" ".join(alive).encode()]
    seen = [(name, list(parts(array))) for name, array in arrays.items()] + [("nested", list(parts(inner)))]
    mortal = [name for name, all_of_it in seen if not all(map(is_immortal, all_of_it))]
    immortal = [name for name, array in arrays.items() if is_immortal(array)]
    immortal += ["lock"] if is_immortal(lock[0]) else []
    return [("%d %s %s" % (sum(len(all_of_it) for _, all_of_it in seen), mortal, immortal)).encode()]
"#;

#[test]
fn what_object_arrays_refer_to_is_immortal_and_ends_where_it_must() {
    for uwsgi in immortal_with_libraries(ARRAYS) {
        let uwsgi = uwsgi.start();
        assert_eq!(uwsgi.get("/").body, "3210 [] []");
        assert_eq!(uwsgi.get("/drop").body, "");
        let line = uwsgi.await_log(" objects immortal; left mortal: ");
        assert!(
            line.contains("; not seen: what 1 arrays of records hold; "),
            "{line}"
        );
    }
}

#[test]
fn an_array_is_resized_as_without_pycow() {
    for (host, folder) in with_libraries() {
        let stock = Uwsgi::on(&host).app(ARRAYS);
        let answer = |uwsgi: Uwsgi| {
            let uwsgi = uwsgi.set("pythonpath", &folder).start();
            uwsgi.get("/resize").body
        };
        let expected = answer(stock);
        assert_eq!(expected, "20");
        assert_eq!(answer(immortal::uwsgi(&host, ARRAYS)), expected);
    }
}

/// So many arrays that they are immortal, too; `/` answers how many of them and of their items are not.
const MANY: &str = r#"
import sys
import numpy

arrays = [numpy.array(["text %d" % i, ["list %d" % i]], object) for i in range(3000)]
is_mortal = lambda thing: sys.getrefcount(thing) < 1 << 30

def application(env, start):
    start("200 OK", [])
    items = [item for array in arrays for item in array]
    return [b"%d %d" % (sum(map(is_mortal, arrays)), sum(map(is_mortal, items)))]
"#;

#[test]
fn many_arrays_and_their_items_are_immortal() {
    for uwsgi in immortal_with_libraries(MANY) {
        assert_eq!(uwsgi.start().get("/").body, "0 0");
    }
}
