//! The report over RPC and in the text file, as Prometheus, its tools and uwsgitop take it.

mod prometheus;
mod textfile;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pycow_testkit::reporting::{json, process, reporting, stats, until, within, APP};
use pycow_testkit::signal::SIGTERM;
use pycow_testkit::{default_host, immortal, prepared, proc, skip, Instance};
use serde_json::Value;

/// A program of Debian's package prometheus, or a note that it is missing.
fn tool(name: &str) -> Option<Command> {
    let unpacked = prepared().join("prometheus/usr/bin").join(name);
    let program = if unpacked.exists() {
        unpacked
    } else {
        PathBuf::from(name)
    };
    let there = Command::new(&program).arg("--version").output().is_ok();
    if !there {
        skip(&format!("no {name}"));
    }
    there.then(|| Command::new(program))
}

/// promtool's own judgement of a text.
fn promtool_checks(dir: &Path, text: &str) {
    let Some(mut promtool) = tool("promtool") else {
        return;
    };
    let file = dir.join("checked.prom");
    fs::write(&file, text).unwrap();
    let answer = promtool
        .args(["check", "metrics"])
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[answer.stdout, answer.stderr].concat()).into_owned();
    assert!(answer.status.success() && said.is_empty(), "{said}\n{text}");
}

/// The names of all metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let end = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split(end).next()?.to_owned()))
        .collect()
}

fn value(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// An instance of which everything has a number: mules, a spooler, and a worker that left.
fn busy() -> Instance {
    let uwsgi = reporting(1).set("processes", 2).set("mule", "true");
    let spool = uwsgi.dir().join("spool");
    fs::create_dir(&spool).unwrap();
    let uwsgi = uwsgi.set("spooler", spool.display()).start();
    uwsgi.kill(uwsgi.workers()[0], SIGTERM);
    uwsgi.await_accepting(3);
    let told = || {
        let names = names(&uwsgi.get("/metrics").body);
        let sizes = ROLES.map(|role| format!("uwsgi_{role}_private_bytes"));
        let hooks = names.contains("uwsgi_worker_exit_hooks_seconds");
        (hooks && sizes.iter().all(|size| names.contains(size))).then_some(())
    };
    until("number of each", told);
    uwsgi
}

const ROLES: [&str; 4] = ["master", "worker", "mule", "spooler"];

#[test]
fn the_router_and_a_view_serve_the_same_metrics() {
    let uwsgi = busy();
    let answer = uwsgi.get("/metrics");
    assert_eq!(answer.status, 200);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(content_type));
    let view = uwsgi.get("/rpc");
    assert_eq!(
        view.header("content-type"),
        Some("text/plain; version=0.0.4")
    );
    assert_eq!(names(&answer.body), names(&view.body));
    promtool_checks(uwsgi.dir(), &answer.body);

    let pid = uwsgi.workers()[1];
    // The sample may be of before the last request.
    until("true number", || {
        let text = uwsgi.get("/metrics").body;
        let shared = value(&text, "uwsgi_worker_shared_bytes{worker_id=\"2\"}")? as u64;
        within(3.0, shared, proc::rollup(pid).shared()).then_some(())
    });
    for role in ROLES {
        for size in ["shared", "private", "pss", "ksm"] {
            let name = format!("uwsgi_{role}_{size}_bytes");
            assert!(
                names(&answer.body).contains(&name),
                "{name}\n{}",
                answer.body
            );
        }
    }
    let hooks = value(
        &answer.body,
        "uwsgi_worker_exit_hooks_seconds{worker_id=\"1\"}",
    )
    .unwrap();
    assert!(hooks > 0.0 && hooks < 30.0, "{hooks}");
}

#[test]
fn the_json_tells_versions_policy_and_every_process() {
    let uwsgi = reporting(1)
        .set("pycow-gc-threshold", "900,8")
        .set("pycow-exit-timeout", 7)
        .start();
    let report = json(&uwsgi);
    let (major, minor) = default_host().python;
    let python = report["python"].as_str().unwrap();
    assert!(python.starts_with(&format!("{major}.{minor}.")), "{python}");
    assert_eq!(report["pycow"], env!("CARGO_PKG_VERSION"));
    assert!(
        report["uwsgi"].as_str().unwrap().starts_with("2.0."),
        "{report}"
    );
    let policy = &report["policy"];
    assert_eq!(
        (&policy["gc"], &policy["exit"]),
        (&"freeze".into(), &"fast".into())
    );
    assert_eq!(policy["thresholds"], Value::from(vec![900, 8, 10]));
    assert_eq!(policy["exit_timeout"], 7);
    let line = uwsgi.await_log("[pycow] froze ");
    let frozen = line.split(' ').nth(2).unwrap().parse::<u64>().unwrap();
    assert_eq!(report["objects"]["frozen"], frozen);
    let worker = until("worker", || process(&uwsgi, "worker", 1));
    assert_eq!(worker["pid"], uwsgi.workers()[0]);
    // Ages grow until the next sample.
    let age = || process(&uwsgi, "worker", 1)?["age"].as_f64();
    let old = until("older sample", || age().filter(|age| *age > 0.5));
    until("newer sample", || age().filter(|age| *age < old));
}

#[test]
fn a_policy_that_cannot_be_is_not_claimed() {
    // CPython 3.12 and newer can.
    let can = default_host().python >= (3, 12);
    let uwsgi = reporting(1).set("pycow-gc", "immortal").start();
    let claimed = uwsgi.await_log("[pycow] 0.").contains(": gc immortal");
    assert_eq!(claimed, can, "the start line");
    let report = json(&uwsgi);
    assert_eq!(
        report["policy"]["gc"],
        if can { "immortal" } else { "freeze" }
    );
    assert_eq!(report["objects"]["immortal"].as_u64() > Some(0), can);
}

#[test]
fn with_lazy_apps_the_file_and_a_worker_tell_the_policy_in_force() {
    let Some(host) = immortal::hosts().pop() else {
        return;
    };
    let uwsgi = immortal::uwsgi(&host, APP).set("pycow-sample", 1);
    let file = uwsgi.dir().join("pycow.prom");
    let uwsgi = uwsgi
        .flag("lazy-apps")
        .set("pycow-textfile", file.display())
        .start();
    assert!(uwsgi.await_log("[pycow] 0.").contains(": gc freeze "));
    let of_instance = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter(|it| it.starts_with("uwsgi_pycow_"));
        lines.map(str::to_owned).collect()
    };
    let told = of_instance(&uwsgi.get("/rpc").body);
    assert!(
        told.iter().any(|it| it.contains("gc=\"freeze\"")),
        "{told:?}"
    );
    let line = uwsgi.await_log("[pycow] froze ");
    let frozen = line.split(' ').nth(2).unwrap();
    let name = "uwsgi_pycow_frozen_objects{instance=\"pycow\"} ";
    assert!(told.contains(&format!("{name}{frozen}")), "{told:?}");
    until("the same in the file", || {
        (of_instance(&fs::read_to_string(&file).ok()?) == told).then_some(())
    });
}

#[test]
fn where_hooks_have_no_limit_none_is_told() {
    let uwsgi = reporting(1)
        .set("pycow-exit", "full")
        .set("pycow-exit-timeout", 7)
        .start();
    assert_eq!(json(&uwsgi)["policy"]["exit_timeout"], 0);
    let text = uwsgi.get("/metrics").body;
    assert_eq!(value(&text, "uwsgi_pycow_exit_timeout_seconds"), Some(0.0));
}

#[test]
fn a_hook_that_hits_its_bound_is_told_with_it() {
    let app = "import atexit, signal\natexit.register(signal.pause)\n";
    let uwsgi = reporting(1);
    let source = fs::read_to_string(uwsgi.dir().join("app.py")).unwrap();
    let uwsgi = uwsgi
        .file("app.py", &format!("{app}{source}"))
        .set("pycow-exit-timeout", 1)
        .start();
    uwsgi.kill(uwsgi.workers()[0], SIGTERM);
    uwsgi.await_accepting(2);
    let hooks = || {
        value(
            &uwsgi.get("/metrics").body,
            "uwsgi_worker_exit_hooks_seconds",
        )
    };
    assert_eq!(until("exit", hooks), 1.0);
    let bound = value(
        &uwsgi.get("/metrics").body,
        "uwsgi_pycow_exit_timeout_seconds",
    );
    assert_eq!(bound, Some(1.0));
}

/// Starts uwsgitop in a terminal of its own, quits it once it shows workers, prints how it ended.
const TOP: &str = r#"
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "linux"
    os.execv(sys.argv[1], sys.argv[1:3])
seen = b""
while b"WID" not in seen or sys.argv[3].encode() not in seen:
    if not select.select([terminal], [], [], 60)[0]:
        break
    try:
        seen += os.read(terminal, 4096)
    except OSError:
        break
os.write(terminal, b"q")
print(b"WID" in seen, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen[-2000:])
"#;

#[test]
fn uwsgitop_still_works() {
    let top = prepared().join("uwsgitop/bin/uwsgitop");
    if !top.exists() {
        return skip("no uwsgitop");
    }
    let uwsgi = reporting(1).flag("enable-metrics").set("processes", 2);
    let socket = uwsgi.dir().join("stats");
    let uwsgi = uwsgi.set("stats", socket.display()).start();
    assert!(stats(&socket)["metrics"]["worker.2.shared_size"].is_object());
    let pid = uwsgi.workers()[1].to_string();
    let answer = Command::new("python3")
        .args(["-c", TOP])
        .args([&top, &socket])
        .arg(pid)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&answer.stdout);
    assert!(
        said.starts_with("True 0 "),
        "{said} {}",
        String::from_utf8_lossy(&answer.stderr)
    );
}
