//! Who ends Python by himself ends as without pycow: the same status, and no crash.

use std::fs;

use pycow_testkit::{one_of_each, Finished, Host, Uwsgi};

use super::{Gate, SAY};

/// Each tries it once: a second time would only say the same again.
const LEAVES_ONCE: &str = r#"
def leave_once():
    if not os.path.exists("left"):
        open("left", "w").close()
        os.write(2, b"%d leaves\n" % os.getpid())
        sys.exit(7)

@atexit.register
def hook():
    say("hook")
"#;

/// What the master says of a process that is gone, without its numbers, and how often hooks ran in it.
fn end_of(
    host: &Host,
    pycow: bool,
    app: &str,
    spawned: &str,
    change: impl Fn(Uwsgi) -> Uwsgi,
) -> (Vec<String>, usize) {
    let uwsgi = Uwsgi::on(host).app(&format!("{SAY}{LEAVES_ONCE}{app}"));
    let uwsgi = if pycow { uwsgi.with_pycow() } else { uwsgi };
    let _gate = Gate::in_dir(uwsgi.dir());
    let uwsgi = change(uwsgi).launch();
    let line = uwsgi.await_log(" leaves");
    let pid: i32 = line.split(' ').next().unwrap().parse().unwrap();
    // Its master tells of its end before it sleeps again, and so does what takes its place.
    uwsgi.await_reaped(pid);
    uwsgi.await_log_times(spawned, 2);
    uwsgi.await_accepting(1);
    uwsgi.settle();
    let finished = uwsgi.stop();
    let said = finished.log.matches(&format!("{pid} says: hook")).count();
    (ends(&finished, pid), said)
}

fn ends(finished: &Finished, pid: i32) -> Vec<String> {
    let pid = pid.to_string();
    let lines = finished.log.lines().filter(|line| {
        let end = ["DAMN", "OOOPS", "SIGSEGV", "segfault", "Fatal Python"];
        end.iter().any(|sign| line.contains(sign))
    });
    lines.map(|line| line.replace(&pid, "PID")).collect()
}

/// `spawned` is what the master says of each process of its kind.
fn check(app: &str, spawned: &str, change: impl Fn(Uwsgi) -> Uwsgi + Copy) {
    for host in one_of_each() {
        let (stock, _) = end_of(&host, false, app, spawned, change);
        let (pycow, _) = end_of(&host, true, app, spawned, change);
        let crashed = |lines: &[String]| lines.iter().any(|line| line.contains("segfault"));
        assert!(!crashed(&pycow), "{}: {pycow:?}", host.name);
        assert_eq!(pycow, stock, "{}", host.name);
    }
}

#[test]
fn in_a_mule() {
    check("", "spawned uWSGI mule 1", |uwsgi| {
        let uwsgi = uwsgi.file(
            "mule.py",
            "import app, time\napp.leave_once()\ntime.sleep(100)\n",
        );
        let mule = uwsgi.dir().join("mule.py");
        uwsgi.set("mule", mule.display())
    });
}

#[test]
fn in_a_post_fork_hook() {
    check(
        "uwsgi.post_fork_hook = leave_once\n",
        "pawned uWSGI worker 1",
        |uwsgi| uwsgi,
    );
}

/// The task is queued when the spooler says that it is up: until it has handlers, the signal that tells it of
/// a task is its end, in stock too.
#[test]
fn in_a_spooler() {
    let app = "
def spooler(task):
    leave_once()
    return uwsgi.SPOOL_OK
uwsgi.spooler = spooler
def queue():
    if uwsgi.worker_id() == 0:
        print('the spooler is up', file=open('gate', 'w'))
    elif not os.path.exists('left'):
        open('gate').readline()
        uwsgi.spool({b'some': b'task'})
uwsgi.post_fork_hook = queue
";
    check(app, "spawned the uWSGI spooler", |uwsgi| {
        let spool = uwsgi.dir().join("spool");
        fs::create_dir(&spool).unwrap();
        uwsgi.set("spooler", spool.display())
    });
}

/// The status of an instance that ends by itself, and how often hooks ran in it.
fn end(uwsgi: Uwsgi, app: &str) -> (Option<i32>, usize) {
    let finished = uwsgi.app(&format!("{SAY}{app}")).run();
    let hooks = finished.log.matches(" says: hook").count();
    (finished.status.code(), hooks)
}

#[test]
fn while_loading() {
    const APP: &str = "atexit.register(say, 'hook')\nsys.exit(5)\n";
    for host in one_of_each() {
        let stock = end(Uwsgi::on(&host), APP);
        let pycow = end(Uwsgi::on(&host).with_pycow(), APP);
        assert_eq!(pycow, stock, "{}", host.name);
    }
}

/// uWSGI ends such a worker, and then itself; the application was never there as a whole. From 2.0.30 on
/// none of its hooks runs.
#[test]
fn a_half_loaded_application_ends_as_in_stock() {
    const APP: &str = "atexit.register(say, 'hook')\nimport nothing_of_that_name\n";
    const FAILED_APP_CODE: i32 = 22;
    for host in one_of_each() {
        let lazy = |uwsgi: Uwsgi| end(uwsgi.flag("lazy-apps"), APP);
        let pycow = lazy(Uwsgi::on(&host).with_pycow());
        assert_eq!(pycow.0, Some(FAILED_APP_CODE), "{}", host.name);
        // Before, a signal of its master's comes meanwhile. In stock it may cut the hook off, or the
        // worker, whose status is lost then.
        let mut seen = Vec::new();
        while !seen.contains(&pycow) {
            assert!(seen.len() < 10, "{}: {pycow:?}, stock {seen:?}", host.name);
            seen.push(lazy(Uwsgi::on(&host)));
        }
    }
}
