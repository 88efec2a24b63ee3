//! What is not safe to inherit is named once, before the fork; what is harmless is not.

use pycow_testkit::{default_host, hosts, silent_server, Uwsgi};

const SERVING: &str =
    "\ndef application(env, start):\n    start('200 OK', [])\n    return [b'served']\n";

fn uwsgi(app: &str) -> Uwsgi {
    Uwsgi::on(&default_host())
        .app(&format!("{app}{SERVING}"))
        .with_pycow()
        .set("processes", 2)
}

/// The lines of the check, without what stands before them.
fn named(uwsgi: &pycow_testkit::Instance) -> Vec<String> {
    assert_eq!(uwsgi.get("/").body, "served");
    let log = uwsgi.log();
    let forked = log.find("spawned uWSGI worker 1").unwrap();
    let lines = log[..forked].lines();
    let lines: Vec<String> = lines
        .filter_map(|line| line.strip_prefix("[pycow] WARNING: pycow-fork-check: "))
        .map(str::to_owned)
        .collect();
    assert_eq!(log.matches("pycow-fork-check").count(), lines.len());
    lines
}

/// Exactly these, in any order.
fn assert_named(app: &str, expected: &[&str]) {
    let uwsgi = uwsgi(app).start();
    let mut lines = named(&uwsgi);
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for what in expected {
        let dir = uwsgi.dir().display().to_string();
        let what = what.replace("DIR", &dir);
        let found = lines.iter().position(|line| line.starts_with(&what));
        lines.remove(found.unwrap_or_else(|| panic!("{what}: {lines:#?}")));
    }
}

#[test]
fn what_is_harmless_is_not_named() {
    let app = r#"
import logging, os, random, secrets, socket, sqlite3, ssl, threading
kept = [
    logging.FileHandler("app.log"), open("app.py"), open("/dev/urandom", "rb"), socket.socket(),
    socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM),
    sqlite3.connect(":memory:"), random.SystemRandom(), ssl.create_default_context(),
    threading.Timer(60, print),
]
random.random(), secrets.token_hex(), random.seed(1)
thread = threading.Thread(target=print)
thread.start()
thread.join()
"#;
    for host in hosts() {
        println!("{}", host.name);
        let spool = tempfile::tempdir().unwrap();
        let uwsgi = Uwsgi::on(&host)
            .app(&format!("{app}{SERVING}"))
            .with_pycow()
            // What uWSGI opens for itself.
            .set("processes", 2)
            .set("mule", "true")
            .set("spooler", spool.path().display())
            .flag("enable-metrics")
            .set("alarm", "test log:")
            .set("log-alarm", "test ^never$")
            .set("socket", "own.sock")
            .start();
        assert_eq!(named(&uwsgi), Vec::<String>::new());
    }
}

#[test]
fn threads_are_named_with_where_they_run() {
    let app = r#"
import threading, concurrent.futures, queue
def ticking():
    threading.Event().wait()
def fetching(jobs=queue.Queue()):
    jobs.get()
for target, daemon in ((ticking, True), (fetching, True)):
    threading.Thread(target=target, name="the " + target.__name__, daemon=daemon).start()
pool = concurrent.futures.ThreadPoolExecutor(1)
pool.submit(id, 1).result()

# A thread that has started may not be there yet.
import sys, time
def innermost(thread):
    frame = sys._current_frames().get(thread.ident)
    return frame and frame.f_code.co_name
def all_wait():
    seen = {thread.name.split("-")[0]: innermost(thread) for thread in threading.enumerate()}
    return [seen[name] for name in ("the ticking", "the fetching", "ThreadPoolExecutor")] == ["wait", "wait", "_worker"]
while not all_wait():
    time.sleep(0.001)
"#;
    assert_named(
        app,
        &[
            "the thread the ticking of the application, in ticking at DIR/app.py:4: workers do not \
             have it: start it in a function under uwsgidecorators.postfork",
            "the thread the fetching of the application, in fetching at DIR/app.py:6: ",
            "the thread ThreadPoolExecutor-0_0, in _worker at ",
        ],
    );
}

#[test]
fn connections_files_and_databases_are_named() {
    let app = r#"
import select, socket, sqlite3
kept = [
    socket.create_connection(("127.0.0.1", PORT)), select.epoll(), socket.socketpair(),
    open("data.txt", "w"), sqlite3.connect("site.db"),
]
kept[-1].execute("create table a (b)")
"#;
    let port = silent_server().to_string();
    assert_named(
        &app.replace("PORT", &port),
        &[
            &format!("a connection to 127.0.0.1:{port} (descriptor "),
            "an epoll descriptor (descriptor ",
            "a socket pair (descriptor ",
            "a socket pair (descriptor ",
            "the file DIR/data.txt, open for writing (descriptor ",
            "the SQLite database DIR/site.db (descriptor ",
        ],
    );
}

#[test]
fn loops_generators_and_subprocesses_are_named() {
    let app = r#"
import asyncio, random, subprocess
loop = asyncio.new_event_loop()
generator = random.Random(1)
child = subprocess.Popen(["sleep", "1000"], stdin=subprocess.PIPE)
import atexit; atexit.register(child.kill)
"#;
    assert_named(
        app,
        &[
            "an event loop (_UnixSelectorEventLoop) of the application: ",
            "a random generator (random.Random) of the application: every worker would draw the \
             same numbers",
            "the subprocess ",
        ],
    );
}

#[test]
fn the_package_that_holds_a_connection_is_named() {
    let library = "import socket\nclass Client:\n    def __init__(self, port):\n        \
                   self.sock = socket.create_connection(('127.0.0.1', port))\n";
    let app = "import shoplib\nclient = shoplib.Client(PORT)\n";
    let uwsgi =
        uwsgi(&app.replace("PORT", &silent_server().to_string())).file("shoplib.py", library);
    let lines = named(&uwsgi.start());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(") of shoplib: all workers"), "{lines:?}");
}

#[test]
fn it_can_be_switched_off_and_asked_for_with_lazy_apps() {
    let app =
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()";
    let off = uwsgi(app).set("pycow-fork-check", "false").start();
    assert_eq!(named(&off), Vec::<String>::new());

    let lazy = uwsgi(app).flag("lazy-apps").start();
    assert_eq!(lazy.get("/").body, "served");
    assert!(!lazy.log().contains("fork-check"));

    // Asked for, one worker tells what would have to change.
    let asked = uwsgi(app)
        .flag("lazy-apps")
        .flag("pycow-fork-check")
        .start();
    asked.await_log("[pycow] pycow-fork-check: without lazy-apps, workers would inherit");
    asked.await_log("[pycow] WARNING: pycow-fork-check: the thread Thread-1");
    assert_eq!(asked.log().matches("WARNING: pycow-fork-check").count(), 1);
}

#[test]
fn threads_of_sub_interpreters_are_named_too() {
    let app = "import threading\nthreading.Thread(target=threading.Event().wait, name='second', daemon=True).start()\n";
    let uwsgi = uwsgi("").file("second.py", &format!("{app}{SERVING}"));
    let second = uwsgi.dir().join("second.py").display().to_string();
    let uwsgi = uwsgi
        .set("mount", format!("/second={second}"))
        .flag("manage-script-name");
    let lines = named(&uwsgi.start());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("the thread second"), "{lines:?}");
}
