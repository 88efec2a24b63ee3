//! The text file for node_exporter.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use super::{json, promtool_checks, reporting, until};
use pycow_testkit::signal::SIGTERM;

#[test]
fn the_text_file_is_replaced_whole_and_goes_with_its_instance() {
    let uwsgi = reporting(1).set("processes", 2);
    let file = uwsgi.dir().join("pycow.prom");
    let uwsgi = uwsgi.set("pycow-textfile", file.display()).start();
    let whole = |text: &str| {
        text.starts_with("# HELP uwsgi_pycow_info ")
            && text.contains("uwsgi_pycow_exit_timeout_seconds{instance=\"pycow\"} 30\n")
    };
    for _ in 0..3 {
        let mut old = until("file", || fs::File::open(&file).ok());
        let inode = old.metadata().unwrap().ino();
        until("newer file", || {
            // Many times without a pause: a file that is gone or cut for a moment only is to be seen.
            for _ in 0..1000 {
                if fs::metadata(&file).expect("the file is always there").ino() != inode {
                    return Some(());
                }
                let text = fs::read_to_string(&file).expect("the file is always there");
                assert!(whole(&text), "{text}");
            }
            None
        });
        // Who had opened the old one still reads all of it.
        let mut text = String::new();
        old.read_to_string(&mut text).unwrap();
        assert!(whole(&text), "{text}");
    }
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        whole(&text)
            && text.contains("uwsgi_worker_shared_bytes{instance=\"pycow\",worker_id=\"2\"}")
    );
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
fn a_path_that_cannot_be_ends_the_start_with_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let taken = dir.path().join("taken");
    fs::create_dir(&taken).unwrap();
    let taken = taken.display().to_string();
    let wrong = [
        ("/tmp/", "the absolute path of a file"),
        ("/nonexistent/pycow.prom", ": No such file or directory"),
        ("/dev/null/pycow.prom", ": Not a directory"),
        (&taken, ": Is a directory"),
    ];
    for (value, reason) in wrong {
        let finished = reporting(1).set("pycow-textfile", value).run();
        assert_eq!(finished.status.code(), Some(1), "{value}");
        let ours = finished
            .log
            .lines()
            .filter(|line| line.contains("[pycow] ERROR"));
        let lines: Vec<&str> = ours.collect();
        let said = format!(
            "[pycow] ERROR: invalid value \"{value}\" for option pycow-textfile, allowed: "
        );
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
    // At once, while the master may be writing there.
    fs::rename(&dir, uwsgi.dir().join("moved")).unwrap();
    let warning = "[pycow] WARNING: pycow-textfile cannot be written";
    uwsgi.await_log(warning);
    let age = || json(&uwsgi)["processes"][0]["age"].as_f64();
    let old = until("old sample", || age().filter(|age| *age > 0.5));
    until("sample", || age().filter(|age| *age < old));
    assert_eq!(uwsgi.log().matches(warning).count(), 1);
    // It comes back with its directory.
    fs::create_dir(&dir).unwrap();
    until("file", || file.exists().then_some(()));
}
