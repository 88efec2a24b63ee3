//! `pycow.why`: what made a worker's memory its own, told by applications that have one way each.

use pycow_testkit::reporting::within;
use pycow_testkit::{
    default_host, host_of, hosts, is_root, one_of_each, skip, until, Flavour, Host, Instance, Uwsgi,
};
use serde_json::Value;

mod applications;
mod report;

use report::{falling, number, sum, that_adds_up, why};

/// Serves `/why`, and `/work` by the function of that name.
const VIEW: &str = r#"
import gc, uwsgi

made = []

class Row:
    __slots__ = ("value",)
    def __init__(self, value):
        self.value = value

def application(env, start):
    start("200 OK", [])
    if env["PATH_INFO"] == "/why":
        return [uwsgi.rpc(None, b"pycow.why")]
    if env["PATH_INFO"] == "/make":
        made.append(bytearray(b"x") * 20_000_000)
        return [b"done"]
    if env["PATH_INFO"] == "/json":
        return [uwsgi.rpc(None, b"pycow.json")]
    if env["PATH_INFO"] == "/log":
        return [uwsgi.rpc(None, b"pycow.why", b"log")]
    work()
    return [b"done"]
"#;

const REFERENCES: &str = "
rows = [Row(None) for _ in range(200_000)]
def work():
    for row in rows:
        pass
";

const COLLECTION: &str = "
rows = [[i] for i in range(100_000)]
def work():
    gc.collect()
";

const WRITES: &str = "
rows = [Row(None) for _ in range(200_000)]
def work():
    for row in rows:
        row.value = True
";

/// Each object has a text of its own size behind it.
const NEIGHBOURS: &str = "
class Named:
    __slots__ = ('value', 'name')
rows = []
for number in range(100_000, 200_000):
    row = Named()
    row.name = str(number)
    row.value = None
    rows.append(row)
def work():
    for row in rows:
        row.value = True
";

const HOLES: &str = "
rows = [Row(None) for _ in range(200_000)]
rows = rows[::4]
new = [None] * 150_000
def work():
    for i in range(150_000):
        new[i] = Row(None)
";

fn started(host: &Host, work: &str, gc: &str) -> Instance {
    Uwsgi::on(host)
        .app(&format!("{VIEW}{work}"))
        .with_pycow()
        .set("pycow-gc", gc)
        .set("processes", 2)
        .set("cheaper", 1)
        // One answers all, however long it takes.
        .set("cheaper-overload", 3600)
        .start()
}

/// One host of each CPython: objects lie differently in each.
fn of_each_python() -> Vec<Host> {
    let mut hosts = hosts();
    hosts.sort_by_key(|host| host.python);
    hosts.dedup_by_key(|host| host.python);
    hosts
}

#[test]
fn the_right_cause_comes_first() {
    let cases = [
        ("reference_counts", REFERENCES, "freeze", ".Row"),
        ("collection", COLLECTION, "keep", "list"),
        ("writes", WRITES, "freeze", ".Row"),
        ("writes", NEIGHBOURS, "freeze", ".Named"),
        ("writes", HOLES, "freeze", "free_blocks"),
    ];
    for host in of_each_python() {
        for (cause, work, gc, what) in cases {
            println!("{} {cause} {what}", host.name);
            let uwsgi = started(&host, work, gc);
            uwsgi.get("/why");
            let before = why(&uwsgi);
            uwsgi.get("/work");
            let report = that_adds_up(&uwsgi);
            let grown = number(&report["private"]) - number(&before["private"]);
            assert!(grown > 2 << 20, "{grown}: {report:#}");
            assert_eq!(falling(&report["causes"])[0].0, cause, "{report:#}");
            let first = &report["copied"]["types"][0];
            let types = number(&first["bytes"]);
            let (rest, bytes) = &falling(&report["copied"])[0];
            let name = first["type"].as_str().unwrap();
            let found = if types > *bytes { name } else { rest };
            assert!(found.ends_with(what), "{report:#}");
        }
    }
}

#[test]
fn looking_copies_nothing() {
    for host in of_each_python() {
        println!("{}", host.name);
        let uwsgi = started(&host, REFERENCES, "freeze");
        uwsgi.get("/work");
        uwsgi.get("/why");
        report::that_looking_costs_nothing(&uwsgi);
    }
}

#[test]
fn without_a_master_nothing_is_a_copy() {
    let uwsgi = Uwsgi::on(&default_host())
        .app(&format!("{VIEW}{REFERENCES}"))
        .with_pycow()
        .unset("master")
        .start();
    let report = why(&uwsgi);
    assert_eq!(sum(&report["mappings"], "copied"), 0, "{report:#}");
    assert!(report["missing"].is_null() && sum(&report["mappings"], "new") > 10 << 20);
}

#[test]
fn a_line_in_the_log_says_it_on_request() {
    let uwsgi = started(&default_host(), REFERENCES, "freeze");
    uwsgi.get("/work");
    uwsgi.get("/why");
    let line = format!("[pycow] worker 1 (pid {}): ", uwsgi.workers()[0]);
    assert!(!uwsgi.log().contains(&line), "nobody asked for it");
    let answer = uwsgi.get("/log").body;
    let report: Value = serde_json::from_str(&answer).unwrap();
    let line = uwsgi.await_log(&line);
    let megabytes = |value: &Value| format!("{:.1}", number(value) as f64 / 1_048_576.0);
    let private = format!("{} MB private: ", megabytes(&report["private"]));
    let counts = megabytes(&report["causes"]["reference_counts"]);
    assert!(line.contains(&private), "{line} {report:#}");
    assert!(
        line.contains(&format!(" copied by reference counts {counts}, ")),
        "{line}"
    );
    let first = &report["copied"]["types"][0];
    let first = format!(
        "{} {}",
        first["type"].as_str().unwrap(),
        megabytes(&first["bytes"])
    );
    assert!(line.contains(&first), "{line}");
}

/// As docs/metrics.md shows it.
const SIGNAL: &str = r#"
def work():
    uwsgi.signal(30)

def told(number):
    uwsgi.rpc(None, b"pycow.why", b"log")

uwsgi.register_signal(30, "workers", told)
"#;

#[test]
fn a_signal_of_uwsgi_has_every_worker_say_it() {
    let uwsgi = Uwsgi::on(&default_host())
        .app(&format!("{VIEW}{SIGNAL}"))
        .with_pycow()
        .set("processes", 2)
        .start();
    uwsgi.get("/work");
    for (i, pid) in uwsgi.workers().iter().enumerate() {
        let line = uwsgi.await_log(&format!("[pycow] worker {} (pid {pid}): ", i + 1));
        assert!(line.contains(" MB private: "), "{line}");
    }
}

#[test]
fn without_privileges_all_is_told_as_new() {
    if !is_root() {
        return skip("not root");
    }
    // One whose Python nobody may read.
    let Some(host) = host_of(Flavour::Debian) else {
        return skip("no Debian uWSGI");
    };
    let uwsgi = Uwsgi::on(&host)
        .app(&format!("{VIEW}{REFERENCES}"))
        .with_pycow()
        .set("uid", "nobody")
        .set("gid", "nogroup")
        .start();
    uwsgi.get("/work");
    let report = that_adds_up(&uwsgi);
    assert!(sum(&report["mappings"], "new") > 10 << 20, "{report:#}");
    assert_eq!(sum(&report["mappings"], "copied"), 0, "{report:#}");
    let missing = "the master's memory is not readable: all is told as new";
    assert_eq!(report["missing"], missing, "{report:#}");
    uwsgi.get("/log");
    uwsgi.await_log(&format!("({missing})"));
}

/// What the master sees of a worker's pages is what the worker finds by itself.
#[test]
fn samples_tell_copied_from_new() {
    for host in one_of_each() {
        println!("{}", host.name);
        let uwsgi = Uwsgi::on(&host)
            .app(&format!("{VIEW}{WRITES}"))
            .with_pycow()
            .set("pycow-sample", 1)
            .start();
        let sampled = |cause: &str| {
            let report: Value = serde_json::from_str(&uwsgi.get("/json").body).unwrap();
            let processes = report["processes"].as_array().unwrap();
            let worker = processes.iter().find(|it| it["role"] == "worker");
            worker?["private_by_cause"][cause].as_u64()
        };
        let before = ["copied", "new"].map(|cause| until("a look", || sampled(cause)));
        uwsgi.get("/work");
        uwsgi.get("/make");
        let grew = || {
            let now = [sampled("copied")?, sampled("new")?];
            (now[0] > before[0] + 5_000_000 && now[1] > before[1] + 19_000_000).then_some(())
        };
        until("more of both", grew);
        let found = |of: &str| sum(&why(&uwsgi)["mappings"], of);
        for cause in ["copied", "new"] {
            let is = || within(5.0, sampled(cause)?, found(cause)).then_some(());
            until(cause, is);
        }
    }
}
