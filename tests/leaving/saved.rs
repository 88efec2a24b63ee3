//! What the end of the interpreter would have saved is saved: text in open files, and what tempfile
//! unlinks.

use std::{fs, io::Read};

use pycow_testkit::signal::SIGTERM;
use pycow_testkit::{hosts, Host, Uwsgi};

use super::{farewell, only_worker, with_app, SAY};

/// Files of all kinds, opened in the master, before the first request, and in one.
const APP: &str = r#"
import gzip, tempfile

class Kept:
    pass
kept = Kept()

def start_files(when):
    text = open("text-" + when, "w")
    text.write("text")
    zipped = gzip.open("zipped-" + when, "wt")
    zipped.write("zipped")
    raw = open("binary-" + when, "wb")
    raw.write(b"binary")
    named = tempfile.NamedTemporaryFile("w", dir=".", prefix="named-")
    named.write("named")
    setattr(kept, when, (text, zipped, raw, named))

def after_fork():
    # Not in the one that takes the place of the first.
    if not os.path.exists("text-fork"):
        start_files("fork")
uwsgi.post_fork_hook = after_fork

def application(env, start):
    start_files("request")
    start("200 OK", [])
    return []
"#;

/// What is in the folder when the worker is gone; also of files that were opened in the master.
fn saved(uwsgi: Uwsgi, in_master: bool) -> Vec<String> {
    let pycow = uwsgi.dir().join("pycow").exists();
    let uwsgi = if in_master {
        let source = fs::read_to_string(uwsgi.dir().join("app.py")).unwrap();
        uwsgi.file("app.py", &format!("{source}\nstart_files('master')\n"))
    } else {
        uwsgi
    };
    let uwsgi = uwsgi.start();
    let worker = only_worker(&uwsgi);
    uwsgi.get("/");
    uwsgi.settle();
    // The master would say the same again at its own end, but for temporary files.
    uwsgi.wait_status(worker, || uwsgi.kill(worker, SIGTERM));
    if pycow {
        let log = uwsgi.log();
        assert!(!farewell(&log, worker).contains("not run"));
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(uwsgi.dir()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let Some((kind, _)) = name.split_once('-') else {
            continue;
        };
        let bytes = fs::read(entry.path()).unwrap();
        let mut text = String::new();
        if kind == "zipped" {
            flate2::read::GzDecoder::new(&bytes[..])
                .read_to_string(&mut text)
                .ok();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        found.push(format!(
            "{}: {text}",
            if kind == "named" { kind } else { &name }
        ));
    }
    found.sort();
    found
}

fn everything(in_master: bool) -> Vec<String> {
    let mut all = Vec::new();
    for kind in ["binary", "text", "zipped"] {
        for when in ["fork", "master", "request"] {
            if in_master || when != "master" {
                all.push(format!("{kind}-{when}: {kind}"));
            }
        }
    }
    all
}

fn with_pycow(host: &Host) -> Uwsgi {
    with_app(host, APP).file("pycow", "")
}

#[test]
fn files_are_saved_as_without_pycow() {
    for host in hosts() {
        let mut stock = saved(Uwsgi::on(&host).app(&format!("{SAY}{APP}")), false);
        // It destroys files in whatever order, so that compressed text is lost, at times.
        stock.retain(|line| !line.starts_with("zipped"));
        let mut expected = everything(false);
        expected.retain(|line| !line.starts_with("zipped"));
        assert_eq!(stock, expected, "{}, stock", host.name);
        assert_eq!(
            saved(with_pycow(&host), false),
            everything(false),
            "{}",
            host.name
        );
    }
}

#[test]
fn so_are_those_that_the_master_opened() {
    for host in hosts() {
        let mut found = saved(with_pycow(&host), true);
        // The master's temporary file is the master's, and every child's: who ends first unlinks it.
        found.retain(|line| !line.starts_with("named"));
        assert_eq!(found, everything(true), "{}", host.name);
    }
}

#[test]
fn under_immortal_and_full_too() {
    for host in hosts().into_iter().filter(|host| host.python >= (3, 12)) {
        for exit in ["fast", "full"] {
            let uwsgi = with_pycow(&host)
                .set("pycow-gc", "immortal")
                .set("pycow-exit", exit);
            let mut found = saved(uwsgi, true);
            found.retain(|line| !line.starts_with("named"));
            assert_eq!(found, everything(true), "{}, {exit}", host.name);
        }
    }
}
