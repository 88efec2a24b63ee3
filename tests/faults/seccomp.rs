//! System calls that a sandbox forbids: pycow goes without, uWSGI serves.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use pycow_testkit::{
    default_host, hosts, is_root,
    reporting::{process, reporting, until},
    times, Host, Uwsgi,
};

use super::{both, Fault, Life, Who};

/// forbid.c, compiled into that folder.
fn compiled(dir: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/forbid.c");
    let program = dir.join("forbid");
    let done = Command::new("cc")
        .args(["-O1", "-o"])
        .arg(&program)
        .arg(source)
        .status()
        .unwrap();
    assert!(done.success());
    program
}

const EPERM: i32 = 1;
const EACCES: i32 = 13;
const ENOSYS: i32 = 38;

fn life(host: &Host, who: Who, name: &str, errno: i32) -> Option<(Life, String)> {
    const APP: &str = r#"
import atexit, os
heap = [{str(number): [number]} for number in range(20000)]
atexit.register(os.write, 2, b"a hook\n")
def application(env, start):
    start("200 OK", [])
    return [b"hello"]
"#;
    let uwsgi = Uwsgi::on(host).app(APP);
    let uwsgi = match who {
        Who::Stock => uwsgi,
        Who::Pycow => uwsgi
            .with_pycow()
            .set("pycow-sample", 1)
            .set("pycow-gc", "immortal")
            .flag("pycow-ksm"),
    };
    let forbid = compiled(uwsgi.dir());
    let line = format!("exec {} {name}={errno} -- \"$@\"", forbid.display());
    Life::of(uwsgi.through(&line), |_| ())
}

#[test]
fn one_call_after_the_other() {
    let mut fault = Fault::new("a sandbox forbids system calls (seccomp)");
    // Where objects can be immortal, if there is one.
    let newest = hosts()
        .into_iter()
        .max_by_key(|host| host.python == (3, 12))
        .expect("a host");
    let calls = [
        ("epoll_pwait", ENOSYS),
        ("prctl", EPERM),
        ("mprotect", EPERM),
        ("mremap", ENOSYS),
        ("timer_create", EPERM),
        ("sendmsg", EACCES),
        ("epoll_pwait", EPERM),
        ("getrandom", ENOSYS),
    ];
    for (name, errno) in calls.into_iter().take(times(1, usize::MAX)) {
        let what = format!("{name} fails with {errno}");
        let log = both(what, |who| life(&newest, who, name, errno));
        let log = log.expect("uWSGI alone needs none of these");
        // Of two workers, and of one that was replaced.
        assert_eq!(log.matches("a hook").count(), 3, "{name}: {log}");
        fault.saw(name);
    }
}

/// A process that gave up its privileges may look at its own pages for the moment of a prctl(2) only.
#[test]
fn pages_that_may_not_be_looked_at() {
    let mut fault = Fault::new("pagemap may not be opened (EACCES)");
    if !is_root() || !default_host().runs_as_anybody() {
        return fault.skip("not root, or a Python in root's folder");
    }
    let uwsgi = reporting(1)
        .set("uid", "nobody")
        .set("route", "^/why$ rpc:pycow.why");
    let forbid = compiled(uwsgi.dir());
    let line = format!("exec {} prctl={EPERM} -- \"$@\"", forbid.display());
    let uwsgi = uwsgi.through(&line).start();
    let answer = uwsgi.get("/why").body;
    assert!(answer.contains("by smaps alone"), "{answer}");
    until("sample", || {
        process(&uwsgi, "worker", 1)?["private"].as_u64()
    });
    assert_eq!(uwsgi.stop().status.code(), Some(0));
    fault.saw("pycow.why answers by smaps alone");
}
