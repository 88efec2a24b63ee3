//! A greenlet that was suspended before the fork goes on in a worker, and moves no mark.

use crate::arrays::immortal_with_libraries;

/// What the greenlet holds and uses is used in each request; answers which of it has another first word
/// than after the first, and which of its constants are not immortal.
const GREENLET: &str = r#"
import ctypes, sys
import greenlet

def word(thing):
    return ctypes.c_uint64.from_address(id(thing)).value

class Thing:
    def __init__(self): self.part = ["a part of %s" % type(self)]

def run():
    own = thing
    while True:
        copy = own
        # What is decided by a branch is copied, where else it would be borrowed.
        back.switch([copy, own if copy else None, own.part, "a constant, not a name", 2.5])

thing, back = Thing(), greenlet.getcurrent()
suspended = greenlet.greenlet(run)
for _ in range(50): suspended.switch()
constants = [one for one in run.__code__.co_consts if one is not None]
used = [thing, thing.part, run.__code__] + constants
before = None

def application(env, start):
    global before
    start("200 OK", [])
    for _ in range(5000): suspended.switch()
    before = before or list(map(word, used))
    after = list(map(word, used))
    moved = ["%s by %d" % (one, new - old) for one, new, old in zip(used, after, before) if new != old]
    mortal = [one for one in constants if word(one) & 1 << 31 == 0]
    return [("%s %s" % (moved, mortal)).encode()]
"#;

#[test]
fn what_a_suspended_greenlet_holds_moves_no_mark() {
    for uwsgi in immortal_with_libraries(GREENLET) {
        let uwsgi = uwsgi.start();
        for _ in 0..3 {
            assert_eq!(uwsgi.get("/").body, "[] []");
        }
    }
}
