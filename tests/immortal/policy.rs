//! Where a heap cannot be immortal it is frozen, and the log says so; a full exit tears it down.

use pycow_testkit::{hosts, immortal, skip, Host};

use crate::shared::HEAP;

#[test]
fn a_full_exit_tears_down_an_immortal_heap_without_a_crash() {
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, HEAP)
            .set("pycow-exit", "full")
            .start();
        uwsgi.get("/");
        let finished = uwsgi.stop();
        assert!(
            finished.log.contains("hooks and teardown took"),
            "{}",
            finished.log
        );
        assert!(
            !finished.log.contains("Fatal Python error"),
            "{}",
            finished.log
        );
        assert!(
            !finished.log.contains("!!! uWSGI process"),
            "{}",
            finished.log
        );
    }
}

#[test]
fn sub_interpreters_are_frozen_and_the_log_says_so() {
    let second = r#"
import gc, sys
text = "preloaded %d" % len(sys.argv)

def application(env, start):
    start("200 OK", [])
    return [("%s %d" % (sys.getrefcount(text) > 1 << 30, gc.get_freeze_count())).encode()]
"#;
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, second).file("second.py", second);
        let path = uwsgi.dir().join("second.py").display().to_string();
        let uwsgi = uwsgi
            .set("mount", format!("/second={path}"))
            .flag("manage-script-name")
            .start();
        assert!(uwsgi.get("/").body.starts_with("True "));
        let answer = uwsgi.get("/second").body;
        let (immortal, frozen) = answer.split_once(' ').unwrap();
        assert_eq!(immortal, "False");
        assert!(frozen.parse::<u32>().unwrap() > 1000, "{answer}");
        uwsgi.await_log("of 2 interpreters (only the first is immortal)");
    }
}

#[test]
fn an_older_python_gets_one_warning_and_freeze() {
    let app = "import gc\ndef application(env, start):\n    start('200 OK', [])\n    \
               return [str(gc.get_freeze_count()).encode()]\n";
    let older: Vec<Host> = hosts()
        .into_iter()
        .filter(|host| host.python < (3, 12))
        .collect();
    if older.is_empty() {
        skip("no CPython before 3.12");
    }
    for host in older {
        let uwsgi = immortal::uwsgi(&host, app).start();
        assert!(uwsgi.get("/").body.parse::<u32>().unwrap() > 1000);
        let finished = uwsgi.stop();
        let warnings: Vec<&str> = finished
            .log
            .lines()
            .filter(|line| line.contains("[pycow] WARNING"))
            .collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let (major, minor) = host.python;
        let start = format!(
            "[pycow] WARNING: pycow-gc = immortal: it needs CPython 3.12, 3.13 or 3.14, and this is {major}.{minor}."
        );
        assert!(warnings[0].starts_with(&start), "{}", warnings[0]);
        assert!(
            warnings[0].ends_with(": going on with freeze"),
            "{}",
            warnings[0]
        );
    }
}

#[test]
fn with_lazy_apps_nothing_is_immortal() {
    let app = r#"
import gc, sys
text = "loaded in %s" % sys.version

def application(env, start):
    start("200 OK", [])
    return [("%s %d" % (sys.getrefcount(text) > 1 << 30, gc.get_freeze_count() > 1000)).encode()]
"#;
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, app).flag("lazy-apps");
        let uwsgi = uwsgi.set("processes", 2).start();
        assert_eq!(uwsgi.get("/").body, "False 1");
        let line = "lazy-apps: every worker loads a heap of its own, nothing of it is shared; going on with freeze";
        assert_eq!(uwsgi.log().matches(line).count(), 1);
    }
}

/// No more address space is to be had before the fork; workers have it again.
const NARROW: &str = r#"
import gc, resource, uwsgi
text = "a text of %d" % id(gc)
unlimited = resource.getrlimit(resource.RLIMIT_AS)

def widen():
    resource.setrlimit(resource.RLIMIT_AS, unlimited)

uwsgi.post_fork_hook = widen

def application(env, start):
    start("200 OK", [])
    return [b"%d" % (gc.get_freeze_count() > 1000)]

# The notes on these take more than is left, what Python itself needs takes less.
heap = [[[number]] for number in range(200000)]
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 4_000_000, unlimited[1]))
"#;

#[test]
fn without_memory_for_its_notes_it_goes_on_with_freeze() {
    for host in immortal::hosts() {
        let uwsgi = immortal::uwsgi(&host, NARROW).start();
        assert_eq!(uwsgi.get("/").body, "1");
        let log = uwsgi.log();
        let warning = "[pycow] WARNING: pycow-gc = immortal: out of memory: going on with freeze";
        assert_eq!(log.matches(warning).count(), 1, "{log}");
        assert!(!log.contains("internal error"), "{log}");
    }
}
