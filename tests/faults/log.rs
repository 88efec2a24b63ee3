//! A log that is closed, or slow to be read. One that nobody reads is tried in `leaving`.

use std::{fs::File, io::Read, process::Command, thread, time::Duration};

use pycow_testkit::signal::SIGTERM;

use super::{answered, Fault, Who};

const CLOSED: &str = r#"
import atexit, os
file = None
def application(env, start):
    global file
    if env["PATH_INFO"] == "/close":
        os.close(2)
        file = open("hooks", "w", buffering=1)
        assert file.fileno() == 2
    start("200 OK", [])
    return [b"hello"]

@atexit.register
def hook():
    with open("ran", "w"):
        pass
"#;

/// The worker serves on, and its hooks run.
#[test]
fn that_is_closed() {
    let mut fault = Fault::new("stderr closed in a worker");
    for who in [Who::Stock, Who::Pycow] {
        let uwsgi = who.on_default(CLOSED).start();
        let worker = uwsgi.workers()[0];
        assert_eq!(uwsgi.get("/close").body, "hello");
        assert_eq!(answered(&uwsgi, 20), 20, "{who:?}");
        // uWSGI alone runs no hooks in one that is still busy.
        uwsgi.settle();
        uwsgi.kill(worker, SIGTERM);
        uwsgi.await_accepting(2);
        assert!(uwsgi.dir().join("ran").exists(), "{who:?}");
        assert_eq!(answered(&uwsgi, 20), 20, "{who:?}");
        assert_eq!(uwsgi.stop().status.code(), Some(0), "{who:?}");
    }
    fault.saw("requests are served and hooks run, as in stock");
}

const LINES: usize = 4000;

/// All that a hook writes arrives, and the worker's own line behind it.
#[test]
fn that_is_slow() {
    let mut fault = Fault::new("stderr read slowly");
    const SLOW: &str = r#"
import atexit, os
def application(env, start):
    os.dup2(os.open("slow", os.O_WRONLY), 2)
    start("200 OK", [])
    return [b"hello"]

@atexit.register
def hook():
    for number in range(4000):
        os.write(2, b"%099d\n" % number)
"#;
    let uwsgi = Who::Pycow.on_default(SLOW).flag("disable-logging");
    let path = uwsgi.dir().join("slow");
    assert!(Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap()
        .success());
    let uwsgi = uwsgi.start();
    let worker = uwsgi.workers()[0];
    let reader = thread::spawn(move || {
        let (mut fifo, mut text, mut chunk) = (File::open(path).unwrap(), Vec::new(), [0; 4000]);
        loop {
            match fifo.read(&mut chunk).unwrap() {
                0 => return String::from_utf8(text).unwrap(),
                got => text.extend(&chunk[..got]),
            }
            // That is what slow means.
            thread::sleep(Duration::from_millis(5));
        }
    });
    assert_eq!(uwsgi.get("/").body, "hello");
    uwsgi.settle();
    uwsgi.kill(worker, SIGTERM);
    let text = reader.join().unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.len() == 99).collect();
    assert_eq!(lines.len(), LINES);
    assert!(
        text.contains(&format!("(pid {worker}) leaves after 1 request: ")),
        "{}",
        text.lines().last().unwrap()
    );
    fault.saw(format_args!(
        "all {LINES} lines of a hook arrive, and the worker's own"
    ));
}
