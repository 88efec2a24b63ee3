//! Exit hooks that do what nobody should.

use pycow_testkit::{signal::SIGTERM, times};

use super::{answered, Fault, Who};

/// A hook, and how its worker is known to end: wait(2)'s status.
struct Hook {
    what: &'static str,
    source: &'static str,
}

const HOOKS: &[Hook] = &[
    Hook { what: "exits", source: "sys.exit(3)" },
    Hook { what: "calls os._exit", source: "os._exit(7)" },
    Hook { what: "kills itself", source: "os.kill(os.getpid(), 9)" },
    Hook { what: "crashes", source: "ctypes.string_at(0)" },
    Hook { what: "aborts", source: "os.abort()" },
    Hook { what: "starts threads", source: "[threading.Thread(target=time.sleep, args=(0.05,)).start() for _ in range(20)]" },
    Hook { what: "starts daemons", source: "[threading.Thread(target=time.sleep, args=(1000,), daemon=True).start() for _ in range(20)]" },
    Hook { what: "prints megabytes", source: "print('x' * 79 * 100, flush=True); [print('printed', 'y' * 100) for _ in range(30000)]" },
    Hook { what: "closes every descriptor", source: "os.closerange(0, 100)" },
    Hook { what: "registers hooks", source: "[atexit.register(os.getpid) for _ in range(1000)]" },
    Hook { what: "changes the signals", source: "[signal.signal(number, signal.SIG_DFL) for number in (1, 2, 3, 14, 15)]; os.kill(os.getpid(), 28)" },
    Hook { what: "execs", source: "os.execv('/bin/sh', ['sh', '-c', 'exit 5'])" },
    Hook { what: "forks a child that exits", source: "pid = os.fork(); pid or sys.exit(4); os.waitpid(pid, 0)" },
    Hook { what: "recurs", source: "f = lambda: f(); f()" },
    Hook { what: "raises in a thread", source: "t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()" },
];

/// How the worker ends that has such a hook, how many requests are answered by its successor, and how many
/// lines it printed.
fn left(who: Who, hook: &Hook) -> (i32, usize, usize) {
    let app = format!(
        r#"
import atexit, ctypes, os, signal, sys, threading, time, uwsgi
def hook():
    {}
def first():
    # Only the first worker has it.
    if not os.path.exists("was"):
        open("was", "w").close()
        atexit.register(hook)
uwsgi.post_fork_hook = first
def application(env, start):
    start("200 OK", [])
    return [b"hello"]
"#,
        hook.source
    );
    let uwsgi = who.on_default(&app).start();
    let worker = uwsgi.workers()[0];
    assert_eq!(answered(&uwsgi, 5), 5);
    uwsgi.settle();
    let status = uwsgi.wait_status(worker, || uwsgi.kill(worker, SIGTERM));
    uwsgi.await_accepting(2);
    let served = answered(&uwsgi, 20);
    let printed = uwsgi.log().matches("printed yyyy").count();
    (status, served, printed)
}

#[test]
fn a_worker_ends_as_without_pycow() {
    let mut fault = Fault::new("exit hooks that do what nobody should");
    for hook in &HOOKS[..times(3, HOOKS.len())] {
        let (stock, pycow) = (left(Who::Stock, hook), left(Who::Pycow, hook));
        println!(
            "a hook that {}: stock {stock:?}, pycow {pycow:?}",
            hook.what
        );
        assert_eq!(stock, pycow, "a hook that {}", hook.what);
        assert_eq!(pycow.1, 20, "a hook that {}", hook.what);
        fault.saw(hook.what);
    }
}
