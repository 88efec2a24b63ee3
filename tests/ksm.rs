//! `pycow-ksm`: what the kernel said, and that equal pages of two workers become one.

use std::{
    fs,
    time::{Duration, Instant},
};

use pycow_testkit::{default_host, skip, Uwsgi};

const DEADLINE: Duration = Duration::from_secs(60);
const KSM: &str = "/sys/kernel/mm/ksm";

/// Every worker writes the same into 20 MB: pages that were shared, are copied, and are equal.
const APP: &str = r#"
heap = bytearray(20 << 20)

def application(env, start):
    for page in range(0, len(heap), 4096):
        heap[page:page + 8] = b"%08d" % page
    start("200 OK", [])
    return [b"done"]
"#;

/// A setting of ksmd, put back when dropped.
struct Setting(&'static str, String);

impl Setting {
    fn set(name: &'static str, value: &str) -> Self {
        let before = fs::read_to_string(format!("{KSM}/{name}")).unwrap();
        fs::write(format!("{KSM}/{name}"), value).unwrap();
        Self(name, before)
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = fs::write(format!("{KSM}/{}", self.0), &self.1);
    }
}

fn merged(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("KSM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

#[test]
fn equal_pages_are_merged_where_the_kernel_can() {
    let writable = fs::OpenOptions::new()
        .write(true)
        .open(format!("{KSM}/run"))
        .is_ok();
    if !writable || !fs::exists(format!("{KSM}/advisor_mode")).unwrap_or(false) {
        return skip("no KSM of Linux 6.4 or newer that may be switched on");
    }
    let uwsgi = || {
        Uwsgi::on(&default_host())
            .app(APP)
            .with_pycow()
            .flag("pycow-ksm")
    };
    {
        let _off = Setting::set("run", "0");
        let uwsgi = uwsgi().start();
        uwsgi.await_log("ksmd is off; as root: echo 1 > /sys/kernel/mm/ksm/run");
    }
    let _pace = Setting::set("pages_to_scan", "100000");
    let _rest = Setting::set("sleep_millisecs", "1");
    let _on = Setting::set("run", "1");
    let uwsgi = uwsgi().set("processes", 2).start();
    uwsgi.await_log("[pycow] ksm: the kernel merges equal pages of this instance");
    let start = Instant::now();
    while uwsgi.workers().iter().any(|pid| merged(*pid) == 0) {
        assert!(start.elapsed() < DEADLINE, "ksmd merged nothing");
        // A request is what makes a worker's pages differ from the master's, and time for ksmd.
        uwsgi.get("/");
    }
}

#[test]
fn it_is_off_unless_asked_for() {
    let uwsgi = Uwsgi::on(&default_host()).app(APP).with_pycow().start();
    uwsgi.get("/");
    assert_eq!(merged(uwsgi.workers()[0]), 0);
    assert!(!uwsgi.log().contains("ksm"));
}
