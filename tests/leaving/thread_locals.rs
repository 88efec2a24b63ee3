//! What C++ keeps for each thread is alive while hooks run: they come before its destructors.

use pycow_testkit::signal::{SIGHUP, SIGTERM};
use pycow_testkit::{compile_library, one_of_each, proc, Host, Uwsgi};

use super::{only_worker, said, with_app, SAY};

/// A `thread_local` with a destructor, as C++ compilers write it.
const LIBRARY: &str = r#"
extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
extern void *__dso_handle;

static __thread int alive;

static void destroy(void *unused) {
    (void) unused;
    alive = 0;
}

void thread_begin(void) {
    alive = 1;
    __cxa_thread_atexit_impl(destroy, 0, &__dso_handle);
}

int is_alive(void) {
    return alive;
}
"#;

const APP: &str = r#"
import ctypes
library = ctypes.CDLL(os.path.abspath("library.so"))

def begin():
    library.thread_begin()
    say("begins")
uwsgi.post_fork_hook = begin

@atexit.register
def hook():
    say("alive" if library.is_alive() else "destroyed")
"#;

fn with_library(uwsgi: Uwsgi) -> Uwsgi {
    compile_library(uwsgi.dir(), LIBRARY);
    uwsgi
}

/// What the hook found when the worker was told so, or when its instance ended.
fn found(uwsgi: Uwsgi, signal: Option<i32>) -> Vec<String> {
    let uwsgi = with_library(uwsgi).start();
    let worker = only_worker(&uwsgi);
    uwsgi.await_log(&format!("{worker} says: begins"));
    proc::await_idle(worker);
    let log = match signal {
        Some(signal) => {
            uwsgi.kill(worker, signal);
            uwsgi.await_gone(worker);
            uwsgi.log()
        }
        None => uwsgi.stop().log.clone(),
    };
    said(&log, worker).into_iter().map(str::to_owned).collect()
}

fn stock(host: &Host) -> Uwsgi {
    Uwsgi::on(host).app(&format!("{SAY}{APP}"))
}

#[test]
fn a_hook_finds_thread_locals_alive() {
    for host in one_of_each() {
        for signal in [Some(SIGHUP), Some(SIGTERM), None] {
            let what = format!("{}, {signal:?}", host.name);
            assert_eq!(
                found(with_app(&host, APP), signal),
                ["begins", "alive"],
                "{what}"
            );
        }
        let alone = with_app(&host, APP).unset("master");
        assert_eq!(found(alone, None), ["begins", "alive"], "{}", host.name);
        let without = found(stock(&host), Some(SIGTERM));
        assert_eq!(without, ["begins", "destroyed"], "{}", host.name);
    }
}
