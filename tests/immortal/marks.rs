//! Marks stay where they were put.

use pycow_testkit::immortal;

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

class Pause:
    def __await__(self): yield

async def waits_for(thing):
    kept = thing
    while True:
        await Pause()
        made.append([kept, thing.part, constant()])

async def yields(thing):
    kept = thing
    while True:
        yield [kept, thing.part, constant()]

def go_on():
    coroutine.send(None)
    made.clear()
    try: asynchronous.asend(None).send(None)
    except StopIteration: pass

thing, in_generator, in_thread, in_coroutine, in_async = Thing(), Thing(), Thing(), Thing(), Thing()
generator, made = suspended(in_generator), []
coroutine, asynchronous = waits_for(in_coroutine), yields(in_async)

def use(times):
    for _ in range(times):
        a = thing; b = [a, a.part]; c = thing.itself(); d = [constant(), next(generator)]
        e = {a: b}; f = (a, c); far_constant(); go_on()
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
    held = [in_generator, in_coroutine, in_async] + ([in_thread] if mode == "thread" else [])
    return [("%s %s %d" % (moved, mortal, max(map(sys.getrefcount, held)))).encode()]
"#;

#[test]
fn marks_do_not_move_in_code_that_ran_before() {
    for host in immortal::hosts() {
        for mode in ["none", "trace", "monitoring", "thread"] {
            let uwsgi = immortal::uwsgi(&host, USED).env("MODE", mode);
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
