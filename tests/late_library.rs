//! A C library's destructors are exit handlers: however late it was loaded, the hooks that use it
//! run before they do.

use pycow_testkit::{compile_library, default_host, hosts, proc, skip, Host, Uwsgi};

/// Says so when it is gone, and knows it.
const LIBRARY: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int gone;

int library_is_gone(void) {
    return gone;
}

static void end(void) {
    gone = 1;
    dprintf(2, "%d library: the end\n", (int) getpid());
}

/* As C++ does for static objects, and as OpenMP, gRPC and Arrow do by hand. */
__attribute__((constructor)) static void begin(void) {
    atexit(end);
}
"#;

/// `load` may be called at any time; the hook uses what was loaded.
const APP: &str = r#"
import atexit, ctypes, os
import uwsgi

library = None

def load():
    global library
    library = ctypes.CDLL(os.path.abspath("library.so"))
    os.write(2, b"library: loaded\n")

@atexit.register
def hook():
    gone = library.library_is_gone()
    os.write(2, b"%d hook: the library is %s\n" % (os.getpid(), b"gone" if gone else b"there"))

def application(env, start):
    if env["PATH_INFO"] == "/load":
        load()
    start("200 OK", [])
    return [b"%d" % os.getpid()]
"#;

const HOOK_FIRST: &str = "hook: the library is there";
const HOOK_LATE: &str = "hook: the library is gone";
const END: &str = "library: the end";

/// Where the application loads it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loaded {
    AtImport,
    AfterTheFork,
    InARequest,
}

/// What the hook and the library say while a worker leaves.
fn farewells(uwsgi: Uwsgi, loaded: Loaded, master: bool) -> Vec<String> {
    let uwsgi = uwsgi.app(&format!(
        "{APP}\n{}\n",
        match loaded {
            Loaded::AtImport => "load()",
            Loaded::AfterTheFork => "uwsgi.post_fork_hook = load",
            Loaded::InARequest => "",
        }
    ));
    let uwsgi = if master { uwsgi } else { uwsgi.unset("master") };
    compile_library(uwsgi.dir(), LIBRARY);
    let uwsgi = uwsgi.start();
    if loaded == Loaded::InARequest {
        // A worker that is inside of a request runs no hooks.
        proc::await_idle(uwsgi.get("/load").body.parse().unwrap());
    }
    uwsgi.await_log("library: loaded");
    let [worker] = uwsgi.workers()[..] else {
        panic!("one worker: {:?}", uwsgi.workers())
    };
    let finished = uwsgi.stop();
    // The master has an end, too, where it loaded the application.
    let start = format!("{worker} ");
    let lines = finished.log.lines();
    let said = lines.filter_map(|line| line.strip_prefix(&start));
    said.filter(|line| [HOOK_FIRST, HOOK_LATE, END].contains(line))
        .map(str::to_owned)
        .collect()
}

fn with_pycow(host: &Host) -> Uwsgi {
    Uwsgi::on(host).with_pycow()
}

/// With `lazy-apps`, uWSGI up to 2.0.29 registers its own exit handler before it loads them.
fn is_old(host: &Host) -> bool {
    !host.is_at_least((2, 0, 30))
}

fn old_host() -> Option<Host> {
    let host = hosts().into_iter().find(is_old);
    if host.is_none() {
        skip("no uWSGI before 2.0.30");
    }
    host
}

#[test]
fn a_library_loaded_in_a_request_is_still_there_for_the_hooks() {
    let host = default_host();
    let stock = farewells(Uwsgi::on(&host), Loaded::InARequest, true);
    assert_eq!(stock, [END, HOOK_LATE], "uWSGI alone no longer needs this");
    // A worker under a master is gone before any destructor.
    let ours = farewells(with_pycow(&host), Loaded::InARequest, true);
    assert_eq!(ours, [HOOK_FIRST]);
}

#[test]
fn without_a_master_its_destructor_runs_after_the_hooks() {
    let host = default_host();
    let stock = farewells(Uwsgi::on(&host), Loaded::InARequest, false);
    assert_eq!(stock, [END, HOOK_LATE], "uWSGI alone no longer needs this");
    let ours = farewells(with_pycow(&host), Loaded::InARequest, false);
    assert_eq!(ours, [HOOK_FIRST, END]);
}

#[test]
fn a_library_loaded_after_the_fork_needs_no_request_to_be_noticed() {
    let host = default_host();
    for (master, expected) in [(true, &[HOOK_FIRST][..]), (false, &[HOOK_FIRST, END])] {
        let stock = farewells(Uwsgi::on(&host), Loaded::AfterTheFork, master);
        assert_eq!(stock, [END, HOOK_LATE], "uWSGI alone no longer needs this");
        let ours = farewells(with_pycow(&host), Loaded::AfterTheFork, master);
        assert_eq!(ours, expected, "master: {master}");
    }
}

#[test]
fn a_library_loaded_with_the_application_is_still_there() {
    for host in old_host().into_iter().chain([default_host()]) {
        for master in [true, false] {
            let ours = farewells(with_pycow(&host), Loaded::AtImport, master);
            let expected = if master {
                &[HOOK_FIRST][..]
            } else {
                &[HOOK_FIRST, END]
            };
            assert_eq!(ours, expected, "{}, master: {master}", host.name);
        }
    }
}

#[test]
fn also_with_lazy_apps() {
    for host in old_host().into_iter().chain([default_host()]) {
        for master in [true, false] {
            let lazy = |uwsgi: Uwsgi| uwsgi.flag("lazy-apps");
            if is_old(&host) {
                let stock = farewells(lazy(Uwsgi::on(&host)), Loaded::AtImport, master);
                assert_eq!(stock, [END, HOOK_LATE], "{} alone is right", host.name);
            }
            let ours = farewells(lazy(with_pycow(&host)), Loaded::AtImport, master);
            let expected = if master {
                &[HOOK_FIRST][..]
            } else {
                &[HOOK_FIRST, END]
            };
            assert_eq!(ours, expected, "{}, master: {master}", host.name);
        }
    }
}
