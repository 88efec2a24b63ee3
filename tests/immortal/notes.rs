//! The notes of the walk take few bytes an object, however much objects refer to each other, and the verdicts are the
//! same without them.

use pycow_testkit::{immortal, proc, Instance};

use super::{
    arrays::{immortal_with_libraries, ARRAYS},
    owners::OWNERS,
};

/// Lists, each in as many tuples as MANY says: with 9 nobody owns one of them, with 8 all do.
const DENSE: &str = "
import os
lists = [[] for _ in range(200000)]
tuples = [tuple(lists[i:i + 100]) for i in range(0, 200000, 100) for _ in range(int(os.environ['MANY']))]
del lists
";
/// 24 bytes for each of some 270,000 objects, and the tables that every walk has. A word a reference is 13 MB.
const MOST: u64 = 270_000 * 24 + 2_500_000;

/// What stays mortal, by the log.
fn left_mortal(uwsgi: &Instance) -> String {
    let line = uwsgi.await_log(" objects immortal; left mortal: ");
    let (_, mortal) = line.split_once("left mortal: ").unwrap();
    mortal.split("; ").next().unwrap().to_owned()
}

#[test]
fn notes_are_bounded_and_owners_are_found_without_them() {
    let app = format!("{DENSE}{OWNERS}");
    for host in immortal::hosts() {
        let [noted, anew] = ["9", "8"].map(|many| {
            let uwsgi = immortal::uwsgi(&host, &app).env("MANY", many).start();
            let notes = proc::status(uwsgi.pid(), "VmHWM") - proc::status(uwsgi.pid(), "VmRSS");
            assert!(notes < MOST, "{notes} bytes in {many}");
            let mortal = left_mortal(&uwsgi);
            assert_eq!(uwsgi.get("/drop").body, "");
            mortal
        });
        assert_eq!(noted, anew);
    }
}

#[test]
fn what_arrays_own_is_found_without_notes() {
    let app = format!("{DENSE}{ARRAYS}");
    for uwsgi in immortal_with_libraries(&app) {
        let uwsgi = uwsgi.env("MANY", "8").start();
        assert_eq!(uwsgi.get("/").body, "3210 [] []");
        assert_eq!(uwsgi.get("/drop").body, "");
    }
}
