//! The report over RPC and in the text file, as Prometheus, its tools and uwsgitop take it.

mod watch;

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    net::TcpListener,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use pycow_testkit::signal::SIGTERM;
use pycow_testkit::{default_host, proc, Instance};
use serde_json::Value;
use watch::{json, process, reporting, stats, until, within};

/// A program of Debian's package prometheus, or a printed line that it is missing.
fn tool(name: &str) -> Option<Command> {
    let unpacked = hosts().join("prometheus/usr/bin").join(name);
    let program = if unpacked.exists() {
        unpacked
    } else {
        PathBuf::from(name)
    };
    let there = Command::new(&program).arg("--version").output().is_ok();
    if !there {
        println!("skipped: no {name} here (tests/support/setup)");
    }
    there.then(|| Command::new(program))
}

/// Where tests/support/setup puts things.
fn hosts() -> PathBuf {
    let here = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".hosts");
    std::env::var_os("PYCOW_HOSTS").map_or_else(here, PathBuf::from)
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
    let hooks = || {
        value(
            &uwsgi.get("/metrics").body,
            "uwsgi_worker_exit_hooks_seconds",
        )
    };
    until("exit", hooks);
    uwsgi
}

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
    let expected = proc::rollup(pid);
    let shared = "uwsgi_worker_shared_bytes{worker_id=\"2\"}";
    let shared = value(&answer.body, shared).unwrap() as u64;
    assert!(
        within(3.0, shared, expected.shared()),
        "{shared} {expected:?}"
    );
    for role in ["master", "worker", "mule", "spooler"] {
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
    assert!(hooks > 0.0 && hooks < 1.0, "{hooks}");
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
    assert_eq!(policy["thresholds"], Value::from(vec![900, 8]));
    assert_eq!(policy["exit_timeout"], 7);
    let line = uwsgi.await_log("[pycow] froze ");
    let frozen = line.split(' ').nth(2).unwrap().parse::<u64>().unwrap();
    assert_eq!(report["objects"]["frozen"], frozen);
    let worker = process(&uwsgi, "worker", 1).unwrap();
    assert_eq!(worker["pid"], uwsgi.workers()[0]);
    // Ages grow until the next sample.
    let age = || {
        process(&uwsgi, "worker", 1).unwrap()["age"]
            .as_f64()
            .unwrap()
    };
    until("older sample", || (age() > 0.8).then_some(()));
    until("newer sample", || (age() < 0.3).then_some(()));
}

#[test]
fn a_policy_that_cannot_be_is_not_claimed() {
    // CPython 3.12 and newer can.
    let can = default_host().python >= (3, 12);
    let uwsgi = reporting(1).set("pycow-gc", "immortal").start();
    let report = json(&uwsgi);
    assert_eq!(
        report["policy"]["gc"],
        if can { "immortal" } else { "freeze" }
    );
    assert_eq!(report["objects"]["immortal"].as_u64() > Some(0), can);
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
    // Those of the one that runs now would hold the end.
    let _ = uwsgi;
}

#[test]
fn the_text_file_is_replaced_whole_and_goes_with_its_instance() {
    let uwsgi = reporting(1).set("processes", 2);
    let file = uwsgi.dir().join("pycow.prom");
    let uwsgi = uwsgi.set("pycow-textfile", file.display()).start();
    let whole = |text: &str| {
        text.starts_with("# HELP uwsgi_pycow_info ")
            && text.contains("uwsgi_pycow_exit_timeout_seconds 30\n")
    };
    for _ in 0..3 {
        let mut old = until("file", || fs::File::open(&file).ok());
        let inode = old.metadata().unwrap().ino();
        let start = Instant::now();
        // Without a pause: a file that is gone or cut for a moment only is to be seen.
        while fs::metadata(&file).expect("the file is always there").ino() == inode {
            let text = fs::read_to_string(&file).expect("the file is always there");
            assert!(whole(&text), "{text}");
            assert!(start.elapsed() < Duration::from_secs(20), "no newer file");
        }
        // Who had opened the old one still reads all of it.
        let mut text = String::new();
        old.read_to_string(&mut text).unwrap();
        assert!(whole(&text), "{text}");
    }
    let text = fs::read_to_string(&file).unwrap();
    assert!(whole(&text) && text.contains("uwsgi_worker_shared_bytes{worker_id=\"2\"}"));
    promtool_checks(uwsgi.dir(), &text);
    assert!(!uwsgi.dir().join("pycow.prom.tmp").exists());
    // node_exporter is another user.
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o444, 0o444);
    uwsgi.signal(SIGTERM);
    until("end of the file", || (!file.exists()).then_some(()));
    assert!(uwsgi.finish().status.success());
    assert!(!file.exists());
}

#[test]
fn wrong_values_end_the_start_with_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let taken = dir.path().join("taken");
    fs::create_dir(&taken).unwrap();
    let taken = taken.display().to_string();
    let wrong = [
        (
            "pycow-sample",
            "-1",
            "a whole number of seconds, 0 to 86400",
        ),
        (
            "pycow-sample",
            "often",
            "a whole number of seconds, 0 to 86400",
        ),
        (
            "pycow-sample",
            "86401",
            "a whole number of seconds, 0 to 86400",
        ),
        ("pycow-textfile", "", "the absolute path of a file"),
        (
            "pycow-textfile",
            "pycow.prom",
            "the absolute path of a file",
        ),
        ("pycow-textfile", "/tmp/", "the absolute path of a file"),
        (
            "pycow-textfile",
            "/nonexistent/pycow.prom",
            ": No such file or directory",
        ),
        (
            "pycow-textfile",
            "/dev/null/pycow.prom",
            ": Not a directory",
        ),
        ("pycow-textfile", &taken, ": Is a directory"),
    ];
    for (option, value, reason) in wrong {
        let finished = reporting(1).set(option, value).run();
        assert_eq!(finished.status.code(), Some(1), "{option} = {value}");
        let ours = finished
            .log
            .lines()
            .filter(|line| line.contains("[pycow] ERROR"));
        let lines: Vec<&str> = ours.collect();
        let said =
            format!("[pycow] ERROR: invalid value \"{value}\" for option {option}, allowed: ");
        assert!(lines.len() == 1 && lines[0].starts_with(&said), "{lines:?}");
        assert!(lines[0].contains(reason), "{lines:?}");
    }
    let uwsgi = reporting(0).set("pycow-textfile", dir.path().join("pycow.prom").display());
    uwsgi
        .start()
        .await_log("WARNING: pycow-textfile has no effect with pycow-sample = 0");
}

#[test]
fn a_text_file_that_cannot_be_written_any_more_is_told_once() {
    let uwsgi = reporting(1);
    let dir = uwsgi.dir().join("prom");
    fs::create_dir(&dir).unwrap();
    let file = dir.join("pycow.prom");
    let uwsgi = uwsgi.set("pycow-textfile", file.display()).start();
    until("file", || file.exists().then_some(()));
    fs::remove_dir_all(&dir).unwrap();
    let warning = "[pycow] WARNING: pycow-textfile cannot be written";
    uwsgi.await_log(warning);
    let age = |report: &Value| report["processes"][0]["age"].as_f64().unwrap();
    until("old sample", || (age(&json(&uwsgi)) > 0.8).then_some(()));
    until("sample", || (age(&json(&uwsgi)) < 0.3).then_some(()));
    assert_eq!(uwsgi.log().matches(warning).count(), 1);
    // It comes back with its directory.
    fs::create_dir(&dir).unwrap();
    until("file", || file.exists().then_some(()));
}

/// Killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_prometheus_server_scrapes_and_answers() {
    let Some(mut prometheus) = tool("prometheus") else {
        return;
    };
    let uwsgi = reporting(1).set("processes", 2).start();
    let config = uwsgi.dir().join("prometheus.yml");
    let address = uwsgi.url("").replace("http://", "");
    let text = format!(
        "global: {{scrape_interval: 1s}}\n\
         rule_files: [{}]\n\
         scrape_configs: [{{job_name: uwsgi, static_configs: [{{targets: ['{address}']}}]}}]\n",
        contrib("prometheus/pycow.rules.yml").display(),
    );
    fs::write(&config, text).unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = prometheus
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            uwsgi.dir().join("tsdb").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Server(server);
    let query = |expression: &str| {
        let path = format!("/api/v1/query?query={expression}");
        let answer = pycow_testkit::http::get(port, &path).ok()?;
        let answer: Value = serde_json::from_str(&answer.body).ok()?;
        let result = answer["data"]["result"].as_array()?.clone();
        (!result.is_empty()).then_some(result)
    };
    let shared = until("answer", || query("uwsgi_worker_shared_bytes"));
    assert_eq!(shared.len(), 2, "{shared:?}");
    for (series, pid) in shared.iter().zip(uwsgi.workers()) {
        assert!(series["metric"]["worker_id"].is_string(), "{series}");
        let value = series["value"][1].as_str().unwrap().parse().unwrap();
        assert!(within(5.0, value, proc::rollup(pid).shared()), "{series}");
    }
    let rest =
        "sum(uwsgi_worker_pss_bytes)%2Bsum(uwsgi_master_pss_bytes)-sum(uwsgi_total_pss_bytes)";
    until("sum that is none", || {
        let rest = query(rest)?[0]["value"][1].as_str()?.parse::<f64>().ok()?;
        (rest.abs() < 2_000_000.0).then_some(())
    });
    let info = until("versions", || query("uwsgi_pycow_info"));
    assert_eq!(info[0]["metric"]["version"], env!("CARGO_PKG_VERSION"));
}

fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("contrib")
        .join(name)
}

#[test]
fn the_alert_rules_hold_what_they_promise() {
    let Some(mut promtool) = tool("promtool") else {
        return;
    };
    let answer = promtool
        .args(["test", "rules"])
        .arg(contrib("prometheus/pycow.rules.test.yml"))
        .output()
        .unwrap();
    assert!(
        answer.status.success(),
        "{}",
        String::from_utf8_lossy(&answer.stdout)
    );
}

#[test]
fn dashboard_and_rules_ask_for_what_there_is() {
    let uwsgi = busy();
    let there = names(&uwsgi.get("/metrics").body);
    let dashboard = fs::read_to_string(contrib("grafana/pycow.json")).unwrap();
    let parsed: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = parsed["panels"].as_array().unwrap();
    let mut asked = BTreeSet::new();
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            asked.insert(target["expr"].as_str().unwrap().to_owned());
        }
    }
    let rules = fs::read_to_string(contrib("prometheus/pycow.rules.yml")).unwrap();
    asked.insert(rules);
    let end = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let words = asked.iter().flat_map(|text| text.split(end));
    let wanted: BTreeSet<_> = words.filter(|word| word.starts_with("uwsgi_")).collect();
    assert!(wanted.len() > 8, "{wanted:?}");
    for name in wanted {
        assert!(there.contains(name), "{name} of {there:?}");
    }
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
    if not select.select([terminal], [], [], 15)[0]:
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
    let top = hosts().join("uwsgitop/bin/uwsgitop");
    if !top.exists() {
        return println!("skipped: no uwsgitop in .hosts (tests/support/setup)");
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
