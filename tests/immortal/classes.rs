//! The rule of gain, and classes that the operator named.

use pycow_testkit::immortal;

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
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, CLASSES)
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
