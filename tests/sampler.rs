//! Samples: taken by the master without a thread, true of every process, and never stale.

use std::{fs, os::unix::fs::PermissionsExt};

use pycow_testkit::reporting::{json, process, reporting, until, APP};
use pycow_testkit::signal::{SIGKILL, SIGTERM};
use pycow_testkit::{default_host, host_of, is_root, load, skip, Flavour, Instance, Uwsgi};
use serde_json::Value;

fn pids(report: &Value, role: &str) -> Vec<i32> {
    let processes = report["processes"].as_array().unwrap();
    let of_role = processes.iter().filter(|it| it["role"] == role);
    of_role
        .map(|it| it["pid"].as_i64().unwrap() as i32)
        .collect()
}

fn threads(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).unwrap().count()
}

#[test]
fn every_process_has_a_slot_at_once() {
    let uwsgi = reporting(3600).set("processes", 2).set("mule", "true");
    let spool = uwsgi.dir().join("spool");
    fs::create_dir(&spool).unwrap();
    let uwsgi = uwsgi.set("spooler", spool.display()).start();
    let report = until("slot of each", || {
        let report = json(&uwsgi);
        (report["processes"].as_array()?.len() == 5).then_some(report)
    });
    assert_eq!(pids(&report, "master"), [uwsgi.pid()]);
    assert_eq!(pids(&report, "worker"), uwsgi.workers());
    assert_eq!(pids(&report, "mule"), uwsgi.mules());
    assert_eq!(pids(&report, "spooler"), uwsgi.spoolers());
    for it in report["processes"].as_array().unwrap() {
        assert!(
            it["shared"].as_u64() > Some(0) && it["pss"].as_u64() > Some(0),
            "{it}"
        );
        assert!(it["age"].as_f64() < Some(30.0), "{it}");
        let inherited = it["inherited"].as_u64();
        assert_eq!(inherited > Some(30_000_000), it["role"] != "master", "{it}");
    }
}

/// The rollup that the kernel gives, after /touch, is in the slot a period later.
#[test]
fn samples_follow_the_process() {
    let uwsgi = reporting(1).start();
    let worker = uwsgi.workers()[0];
    let private = || process(&uwsgi, "worker", 1)?["private"].as_u64();
    let before = until("first number", private);
    uwsgi.get("/touch");
    until("larger number", || {
        (private()? > before + 10_000_000).then_some(())
    });
    let report = process(&uwsgi, "worker", 1).unwrap();
    assert_eq!(report["pid"], worker);
    // Those of the router count, too.
    until("request", || {
        (process(&uwsgi, "worker", 1)?["requests"].as_u64()? > 1).then_some(())
    });
}

#[test]
fn nothing_is_sampled_when_told_not_to() {
    let uwsgi = reporting(0).set("processes", 2).start();
    let report = json(&uwsgi);
    assert_eq!(report["processes"].as_array().unwrap().len(), 0);
    assert_eq!(report["total_pss"], Value::Null, "{report}");
    assert_eq!(report["policy"]["sample"], 0);
    assert_eq!(threads(uwsgi.workers()[0]), 1);
}

#[test]
fn a_worker_without_privileges_is_sampled() {
    if !is_root() {
        return skip("not root");
    }
    // One whose Python nobody may read.
    let Some(host) = host_of(Flavour::Debian) else {
        return skip("no Debian uWSGI");
    };
    let uwsgi = Uwsgi::on(&host).app(APP).with_pycow();
    let dir = uwsgi.dir().join("open");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    let file = dir.join("pycow.prom");
    let uwsgi = uwsgi
        .set("uid", "nobody")
        .set("pycow-sample", 1)
        .set("pycow-textfile", file.display())
        .start();
    let private = |cause: &str| {
        let text = fs::read_to_string(&file).ok()?;
        let name = "uwsgi_worker_private_bytes{instance=\"pycow\",worker_id=\"1\",cause=\"";
        let line = text.split_once(&format!("{name}{cause}\"}} "))?.1;
        line.lines().next()?.parse::<u64>().ok()
    };
    let before = until("first look", || private("copied"));
    uwsgi.get("/touch");
    until("more copied", || {
        (private("copied")? > before + 10_000_000).then_some(())
    });
    assert!(private("new") < Some(10_000_000));
}

#[test]
fn without_proc_it_is_quiet() {
    if !is_root() {
        return skip("not root");
    }
    let line = "exec unshare --mount sh -c 'mount -t tmpfs none /proc && exec \"$@\"' sh \"$@\"";
    let uwsgi = reporting(1)
        .set("processes", 2)
        .set("log-format", "size %(pycow.shared) end");
    let file = uwsgi.dir().join("pycow.prom");
    let uwsgi = uwsgi
        .set("pycow-textfile", file.display())
        .through(line)
        .start();
    uwsgi.get("/");
    uwsgi.await_log("size - end");
    // Two samples of the master.
    let inode = || {
        fs::metadata(&file)
            .ok()
            .map(|file| std::os::unix::fs::MetadataExt::ino(&file))
    };
    for _ in 0..2 {
        let before = inode();
        until("sample", || (inode() != before).then_some(()));
    }
    assert_eq!(json(&uwsgi)["processes"].as_array().unwrap().len(), 0);
    let finished = uwsgi.stop();
    let lines = finished
        .log
        .lines()
        .filter(|line| line.contains("[pycow] WARNING"));
    assert_eq!(lines.count(), 1, "{}", finished.log);
}

/// Until the slot of worker 2 belongs to somebody else, or nobody.
fn await_other(uwsgi: &Instance, was: i32) -> Option<i32> {
    until("other worker 2", || match process(uwsgi, "worker", 2) {
        Some(it) if it["pid"] == was => None,
        Some(it) => Some(it["pid"].as_i64().map(|pid| pid as i32)),
        None => Some(None),
    })
}

#[test]
fn a_killed_worker_leaves_its_place_to_the_next() {
    let uwsgi = reporting(1).set("processes", 2).start();
    let first = uwsgi.workers()[1];
    uwsgi.kill(first, SIGKILL);
    uwsgi.await_accepting(3);
    await_other(&uwsgi, first);
    let second = uwsgi.workers()[1];
    until("second", || {
        (process(&uwsgi, "worker", 2)?["pid"] == second).then_some(())
    });
    // One that leaves by itself has its place cleared, and the next one starts from its own fork.
    let requests = || process(&uwsgi, "worker", 2)?["requests"].as_u64();
    // More than are needed to see the next one.
    let served = until("sampled requests", || {
        load::run(uwsgi.port(), |_| "/".into(), 40, 4);
        requests().filter(|count| *count > 40)
    });
    uwsgi.kill(second, SIGTERM);
    uwsgi.await_accepting(4);
    assert_ne!(await_other(&uwsgi, second), Some(first));
    let it = until("third", || process(&uwsgi, "worker", 2));
    assert_eq!(it["pid"], uwsgi.workers()[1]);
    assert!(it["requests"].as_u64().unwrap() <= served, "{it}");
}

#[test]
fn a_worker_that_is_stopped_for_good_is_forgotten() {
    // The second worker is cheaped soon, as nobody needs it; a request would bring it back.
    let uwsgi = reporting(1)
        .set("processes", 2)
        .set("cheaper", 1)
        .set("cheaper-initial", 2)
        .set("cheaper-overload", 1);
    let file = uwsgi.dir().join("pycow.prom");
    let uwsgi = uwsgi.set("pycow-textfile", file.display()).start();
    let line = uwsgi.await_log(" cheaped.");
    let gone = &line.strip_prefix("uWSGI worker ").unwrap()[..1];
    until("empty slot", || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let has = |worker| {
            text.contains(&format!(
                "uwsgi_worker_pss_bytes{{instance=\"pycow\",worker_id=\"{worker}\"}}"
            ))
        };
        (!has(gone) && (has("1") || has("2"))).then_some(())
    });
}

#[test]
fn a_process_without_a_master_keeps_the_table_itself() {
    let uwsgi = reporting(1).unset("master");
    let file = uwsgi.dir().join("pycow.prom");
    let uwsgi = uwsgi.set("pycow-textfile", file.display()).start();
    let it = until("sum", || {
        let report = json(&uwsgi);
        (report["total_pss"].as_u64()? > 0).then_some(report)
    });
    assert_eq!(pids(&it, "worker"), [uwsgi.pid()]);
    assert_eq!(it["processes"][0]["inherited"], 0, "nobody forked it");
    assert!(pids(&it, "master").is_empty());
    until("worker in the file", || {
        let text = fs::read_to_string(&file).ok()?;
        text.contains("uwsgi_worker_pss_bytes{instance=\"pycow\",worker_id=\"1\"}")
            .then_some(())
    });
    let finished = uwsgi.stop();
    let exit_by_signal = finished.status.code();
    assert_eq!(exit_by_signal, Some(30));
    assert!(!finished.log.contains("MB inherited"), "{}", finished.log);
    assert!(!file.exists(), "it tells of nobody now");
}

#[test]
fn lazy_apps_are_sampled_too() {
    let uwsgi = Uwsgi::on(&default_host()).app(APP).with_pycow();
    let uwsgi = uwsgi
        .flag("lazy-apps")
        .set("pycow-sample", 1)
        .set("route", "^/json$ rpc:pycow.json")
        .start();
    let private = || process(&uwsgi, "worker", 1)?["private"].as_u64();
    until("heap of its own", || {
        (private()? > 40_000_000).then_some(())
    });
}
