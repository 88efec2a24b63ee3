//! No descriptors left: in the master once the application is loaded, and in a worker that serves.

use pycow_testkit::times;

use super::{answered, both, Fault, Life};

/// `FREE` descriptors are left from that moment on.
const APP: &str = r#"
import os, resource
files = []
def exhaust():
    while True:
        try:
            files.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            break
    for _ in range(min(FREE, len(files))):
        os.close(files.pop())

def application(env, start):
    if WHEN == "serving" and not files:
        exhaust()
    start("200 OK", [])
    return [b"hello"]

resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
if WHEN == "loaded":
    exhaust()
"#;

/// From when on, and how many are left.
const CASES: &[(&str, &[usize])] = &[("loaded", &[3]), ("loaded", &[8, 40]), ("serving", &[0, 1])];

#[test]
fn none_left() {
    let mut fault = Fault::new("descriptors exhausted");
    for (when, left) in &CASES[..times(1, CASES.len())] {
        for free in *left {
            both(format!("{free} left when {when}"), |who| {
                let app = format!("WHEN, FREE = '{when}', {free}\n{APP}");
                Life::of(who.on_default(&app), |uwsgi| {
                    answered(uwsgi, 20);
                })
            });
            fault.saw(format_args!("{free} left when {when}"));
        }
    }
}
