//! A /proc that shows less than it should. Where there is none is tried in `lines` and `sampler`.

use pycow_testkit::{
    default_host, is_root,
    reporting::{json, reporting, until},
};

use super::Fault;

/// `hidepid=2` shows a process what is its own only: so it opens its file itself, and hands it over.
#[test]
fn that_hides_other_processes() {
    let mut fault = Fault::new("/proc with hidepid=2, privileges dropped");
    if !is_root() || !default_host().runs_as_anybody() {
        return fault.skip("not root, or a Python in root's folder");
    }
    const HIDING: &str = "exec unshare --mount sh -c \
        'mount -t proc -o hidepid=2 proc /proc && exec \"$@\"' sh \"$@\"";
    let uwsgi = reporting(1)
        .set("processes", 2)
        .set("uid", "nobody")
        .through(HIDING)
        .start();
    until("sample of both workers", || {
        let report = json(&uwsgi);
        let processes = report["processes"].as_array().unwrap();
        let sampled = processes.iter().filter(|it| {
            it["role"] == "worker"
                && it["private"].as_u64() > Some(0)
                && it["age"].as_f64() < Some(5.0)
        });
        (sampled.count() == 2).then_some(())
    });
    let finished = uwsgi.stop();
    assert!(!finished.log.contains("[pycow] WARNING"));
    assert!(finished.log.contains("MB inherited still shared"));
    fault.saw("both workers are sampled");
}
