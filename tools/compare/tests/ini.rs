//! The comparison of what a `uwsgi.ini` runs: the file is used as it stands, and nothing that it would
//! touch outside is touched.

mod common;

use std::{fs, net::TcpListener, path::Path};

use common::{method, without_wrk, Bench, Ran};
use pycow_testkit::{host_of, skip, Flavour, Host};
use serde_json::json;

/// Tells what it was loaded with.
const SITE: &str = r#"
import os
import uwsgi

with open(os.environ["SEEN"], "a") as file:
    file.write("%s %s %s\n" % (os.environ["COLOUR"], os.getcwd(), uwsgi.opt["threads"].decode()))

def site(environ, start_response):
    start_response("200 OK" if environ["SCRIPT_NAME"] in ("", "/shop") else "404 Not Found", [])
    return [environ["PATH_INFO"].encode()]
"#;

/// A uWSGI whose `env` reaches Python: in the pyuwsgi wheel Python has read its environment before.
fn with_env() -> Option<Host> {
    let found = host_of(Flavour::Pypi).or_else(|| host_of(Flavour::Debian));
    if found.is_none() {
        skip("neither PyPI's uWSGI nor Debian's");
    }
    found
}

fn compare(bench: Bench) -> Ran {
    bench
        .with("--ini conf/uwsgi.ini --rounds 1 --requests 30 --scale 0 --methods recipe,freeze")
        .run()
        .well()
}

#[test]
fn an_ini_is_used_as_it_stands() {
    if without_wrk() {
        return;
    }
    // Whoever opens the ini's own address fails: it is taken, as if the application ran already.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let Some(host) = with_env() else { return };
    let bench = Bench::on(&host);
    let folder = bench.folder().display().to_string();
    let ini = format!(
        "[uwsgi]
colour = green
include = {folder}/conf/more.ini
chdir = {folder}/code
module = site_of_mine:site
processes = 3
http = {address}
pidfile = {folder}/uwsgi.pid
daemonize = {folder}/uwsgi.log
touch-reload = {folder}/conf/uwsgi.ini
exec-as-root = touch {folder}/executed
max-requests = 5
if-env = NO_SUCH_VARIABLE
processes = 9
endif =
"
    );
    fs::write(bench.folder().join("uwsgi.pid"), "1\n").unwrap();
    let bench = bench
        .file("conf/uwsgi.ini", &ini)
        .file(
            "conf/more.ini",
            "[uwsgi]\nthreads = 2\nenv = COLOUR=%(colour)\n",
        )
        .file("code/site_of_mine.py", SITE);
    let ran = compare(bench);

    let code = Path::new(&folder).join("code");
    let loaded = ran.read("seen");
    let expected = format!("green {} 2", code.display());
    // A look, and two loads and two restarts for stock, recipe and freeze.
    assert!(loaded.lines().count() >= 7, "{loaded}");
    assert!(loaded.lines().all(|line| line == expected), "{loaded}");

    let results = ran.results();
    let compared = &results["workloads"][0];
    assert_eq!(compared["workers"], 3);
    let left_out = json!([
        "daemonize",
        "exec-as-root",
        "http",
        "max-requests",
        "pidfile",
        "touch-reload"
    ]);
    assert_eq!(compared["left_out"], left_out);
    assert!(ran
        .stdout
        .contains("not used of the ini: daemonize, exec-as-root, http, "));
    assert!(ran
        .read("out/report.html")
        .contains("Not used of the ini: daemonize, "));
    for name in ["stock", "recipe", "freeze"] {
        assert!(method(&results, name)["obstacle"].is_null(), "{name}");
    }

    assert_eq!(ran.read("conf/uwsgi.ini"), ini);
    assert_eq!(ran.read("uwsgi.pid"), "1\n");
    assert!(!ran.path("uwsgi.log").exists());
    assert!(!ran.path("executed").exists());
}

#[test]
fn a_mounted_file_with_a_callable_is_found() {
    if without_wrk() {
        return;
    }
    let Some(host) = with_env() else { return };
    let bench = Bench::on(&host)
        .file("code.py", SITE)
        .file("urls", "/shop/door\n");
    let ini = format!(
        "[uwsgi]\nmount = /shop={}/code.py\ncallable = site\nmanage-script-name = true\nthreads = 1\nenv = COLOUR=red\n",
        bench.folder().display()
    );
    let ran = compare(
        bench
            .file("conf/uwsgi.ini", &ini)
            .with("--urls urls --workers 2"),
    );
    let results = ran.results();
    assert_eq!(results["workloads"][0]["workers"], 2);
    assert!(method(&results, "freeze")["obstacle"].is_null());
    assert_eq!(method(&results, "stock")["figures"]["errors"]["max"], 0.0);
}
