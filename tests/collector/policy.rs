//! The collector's policy, as the application sees it.

use pycow_testkit::{default_host, hosts, Uwsgi};

use crate::{mounted_twice, number, started, usual_first};

/// Answers what the collector is set to, and what was true in the first line.
const APP: &str = r#"
import gc
first = gc.get_threshold()[0]

def application(env, start):
    start("200 OK", [("Content-Type", "text/plain")])
    now = gc.get_threshold()
    text = "first=%d now=%d,%d frozen=%d" % (first, now[0], now[1], gc.get_freeze_count())
    return [text.encode()]
"#;

#[test]
fn freeze_is_the_default_everywhere() {
    for host in hosts() {
        println!("{}", host.name);
        let uwsgi = started(&host, APP, &[("processes", "2")]);
        let answer = uwsgi.get("/").body;
        assert_eq!(number(&answer, "first"), 0, "{answer}");
        assert_eq!(number(&answer, "now"), usual_first(&host), "{answer}");
        assert!(number(&answer, "frozen") > 1000, "{answer}");
        let log = uwsgi.log();
        let frozen = log
            .find("[pycow] froze ")
            .expect("the line before the fork");
        let forked = log.find("spawned uWSGI worker 1").unwrap();
        assert!(frozen < forked, "frozen before the first fork");
    }
}

#[test]
fn workers_take_the_thresholds_that_are_given() {
    let uwsgi = started(&default_host(), APP, &[("pycow-gc-threshold", "5000,20")]);
    let answer = uwsgi.get("/").body;
    assert!(answer.contains("now=5000,20 "), "{answer}");
}

#[test]
fn off_means_no_threshold_and_nothing_frozen() {
    let uwsgi = started(&default_host(), APP, &[("pycow-gc", "off")]);
    let answer = uwsgi.get("/").body;
    assert!(answer.starts_with("first=0 now=0,"), "{answer}");
    assert!(number(&answer, "frozen") < 1000, "{answer}");
}

#[test]
fn keep_leaves_the_collector_alone() {
    let host = default_host();
    let uwsgi = started(&host, APP, &[("pycow-gc", "keep")]);
    let answer = uwsgi.get("/").body;
    assert_eq!(number(&answer, "first"), usual_first(&host), "{answer}");
    assert_eq!(number(&answer, "now"), usual_first(&host), "{answer}");
    assert!(number(&answer, "frozen") < 1000, "{answer}");
}

#[test]
fn an_application_that_sets_thresholds_keeps_them() {
    let app = APP.replace("import gc", "import gc; before = gc.get_threshold()[0]");
    let app = app.replace("first =", "gc.set_threshold(321)\nfirst =");
    let uwsgi = Uwsgi::on(&default_host()).app(&app).with_pycow();
    let uwsgi = uwsgi.set("route", "^/json$ rpc:pycow.json").start();
    let answer = uwsgi.get("/").body;
    assert!(answer.contains("now=321,10 "), "{answer}");
    // What log and JSON say is what it runs with.
    uwsgi.await_log("set the collector's thresholds to 321,10,10: workers keep them");
    let json = uwsgi.get("/json").body;
    assert!(json.contains("\"thresholds\":[321,10,10]"), "{json}");

    // Unless the operator has said what they are to be.
    let told = Uwsgi::on(&default_host()).app(&app).with_pycow();
    let told = told.set("pycow-gc-threshold", "5000").start();
    let answer = told.get("/").body;
    assert_eq!(number(&answer, "now"), 5000, "{answer}");
    told.await_log("to 321,10,10: workers run with 5000,10,10 (pycow-gc-threshold)");
}

#[test]
fn with_lazy_apps_each_worker_freezes_its_own_and_the_log_says_so() {
    let host = default_host();
    let uwsgi = started(&host, APP, &[("lazy-apps", "true"), ("processes", "2")]);
    let answer = uwsgi.get("/").body;
    assert_eq!(number(&answer, "first"), 0, "{answer}");
    assert_eq!(number(&answer, "now"), usual_first(&host), "{answer}");
    assert!(number(&answer, "frozen") > 1000, "{answer}");
    uwsgi.await_log("lazy-apps: every worker loads a heap of its own, nothing of it is shared");
    uwsgi.await_log_times("objects in this worker", 2);
    assert_eq!(uwsgi.log().matches("objects in this worker").count(), 2);
}

#[test]
fn sub_interpreters_get_the_same_policy() {
    for host in hosts() {
        println!("{}", host.name);
        let uwsgi = mounted_twice(&host, APP).start();
        for path in ["/", "/second"] {
            let answer = uwsgi.get(path).body;
            assert_eq!(number(&answer, "first"), 0, "{path}: {answer}");
            assert_eq!(
                number(&answer, "now"),
                usual_first(&host),
                "{path}: {answer}"
            );
            assert!(number(&answer, "frozen") > 1000, "{path}: {answer}");
        }
        // Before 3.9 all interpreters have one collector.
        if host.python >= (3, 9) {
            uwsgi.await_log(" of 2 interpreters before the fork");
        }
    }
}

#[test]
fn under_off_sub_interpreters_collect_nothing_either() {
    let uwsgi = Uwsgi::on(&default_host())
        .app(APP)
        .file("second.py", APP)
        .with_pycow();
    let second = uwsgi.dir().join("second.py").display().to_string();
    let uwsgi = uwsgi
        .set("pycow-gc", "off")
        .set("mount", format!("/second={second}"))
        .flag("manage-script-name")
        .start();
    for path in ["/", "/second"] {
        let answer = uwsgi.get(path).body;
        assert!(answer.starts_with("first=0 now=0,"), "{path}: {answer}");
    }
}

#[test]
fn mules_and_spoolers_collect_again_too() {
    let mule = r#"
import gc, os, uwsgi
os.write(2, b"mule thresholds %d\n" % gc.get_threshold()[0])
while True:
    uwsgi.mule_get_msg()
"#;
    let host = default_host();
    let app = format!(
        "import os, uwsgi\nuwsgi.post_fork_hook = lambda: os.write(2, b'fork hook %d %d\\n' % \
         (uwsgi.worker_id(), gc.get_threshold()[0]))\n{APP}"
    );
    let uwsgi = Uwsgi::on(&host)
        .app(&app)
        .file("mule.py", mule)
        .with_pycow();
    let (mule, spool) = (uwsgi.dir().join("mule.py"), uwsgi.dir().join("spool"));
    std::fs::create_dir(&spool).unwrap();
    let uwsgi = uwsgi
        .set("mule", mule.display())
        .set("spooler", spool.display())
        .start();
    let usual = usual_first(&host);
    uwsgi.await_log(&format!("mule thresholds {usual}"));
    // The spooler and the mule have no worker id. Their first line of Python runs with it, too.
    uwsgi.await_log_times(&format!("fork hook 0 {usual}"), 2);
    uwsgi.await_log(&format!("fork hook 1 {usual}"));
}

#[test]
fn garbage_of_requests_is_collected_in_workers() {
    let app = r#"
import gc
collections = []
gc.callbacks.append(lambda phase, info: phase == "stop" and collections.append(info["generation"]))

def application(env, start):
    for _ in range(20000):
        cycle = []
        cycle.append(cycle)
    start("200 OK", [])
    return [str(len(collections)).encode()]
"#;
    let collections = |policy| {
        let uwsgi = Uwsgi::on(&default_host()).app(app).with_pycow();
        let uwsgi = uwsgi.set("pycow-gc", policy).start();
        uwsgi.get("/").body.parse::<u32>().unwrap()
    };
    assert!(collections("freeze") > 5);
    assert_eq!(collections("off"), 0);
}
