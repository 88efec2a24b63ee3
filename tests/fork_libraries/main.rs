//! The table of docs/fork.md: each library is preloaded and used in the master, and then in workers.
//!
//! `make fork-libraries` installs them and runs this; it is no part of the quick suite.

mod at_exit;
mod databases;
mod local;
mod servers;
mod telemetry;

use std::{collections::BTreeSet, fs, path::Path, thread, time::Duration, time::Instant};

use pycow_testkit::{default_host, Instance, Uwsgi};
use servers::{libraries, prepared};

/// What its client talks to.
#[derive(Default)]
struct Ports {
    sink: u16,
    postgres: u16,
    mysql: u16,
    redis: u16,
    mongo: u16,
    grpc: u16,
}

/// When the master uses the library.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Use {
    /// While the application is loaded.
    AtLoad,
    /// In the warm-up.
    InWarmup,
    /// Not at all: what is not safe to inherit is made in each worker.
    InWorkers,
}

fn start(library: &str, when: Use, ports: &Ports) -> Instance {
    let file = format!("tests/fork_libraries/use/{library}.py");
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let Ports {
        sink,
        postgres,
        mysql,
        redis,
        mongo,
        grpc,
    } = ports;
    let app = format!(
        r#"
import os, traceback
SINK, POSTGRES, MYSQL, REDIS, MONGO, GRPC = {sink}, {postgres}, {mysql}, {redis}, {mongo}, {grpc}
NUMBER, WHEN, MASTER = 0, "{when:?}", os.getpid()

def connect():
    pass

def has_thread(name):
    import threading
    names = (thread.name for thread in threading.enumerate()
             if os.path.exists("/proc/self/task/%s" % thread.native_id))
    assert name in names, "no thread " + name

def wrap(application):
    return application

{source}
if WHEN == "InWorkers":
    import uwsgidecorators
    uwsgidecorators.postfork(connect)
else:
    connect()
if WHEN == "AtLoad":
    use()

def application(env, start):
    global NUMBER
    NUMBER = int(env["QUERY_STRING"] or 0)
    try:
        use()
        answer = "used by %d" % os.getpid()
    except BaseException:
        answer = traceback.format_exc()
        if "pycow.warmup" in env:
            raise
    start("200 OK", [])
    return [answer.encode()]

application = wrap(application)
"#
    );
    let uwsgi = Uwsgi::on(&default_host())
        .app(&app)
        .set("pythonpath", prepared("fork-libraries").display())
        .env("LD_LIBRARY_PATH", libraries())
        .set("processes", 2)
        .flag("enable-threads")
        .with_pycow();
    match when {
        Use::InWarmup => uwsgi.set("pycow-warmup", "/"),
        _ => uwsgi,
    }
    .start()
}

/// The lines that name what is not safe to inherit.
fn named(uwsgi: &Instance) -> Vec<String> {
    let log = uwsgi.log();
    log.lines()
        .filter_map(|line| line.strip_prefix("[pycow] WARNING: "))
        .map(str::to_owned)
        .collect()
}

/// Both workers use it, each several times and at once; what they answered if not that they did.
fn used(uwsgi: &Instance) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut pids = BTreeSet::new();
    while pids.len() < 2 && Instant::now() < deadline {
        let answers: Vec<String> = thread::scope(|scope| {
            let asked: Vec<_> = (0..4)
                .map(|i| {
                    scope.spawn(move || {
                        let answers =
                            (0..10).map(|j| uwsgi.try_get(&format!("/?{}", 1000 * i + j)));
                        answers
                            .map(|a| a.map_or_else(|e| e, |a| a.body))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            asked
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        for answer in answers {
            match answer.strip_prefix("used by ") {
                Some(pid) => pids.insert(pid.to_owned()),
                None => return Err(answer),
            };
        }
    }
    if pids.len() < 2 {
        return Err("one worker answered all".into());
    }
    Ok(())
}

/// What is found out of a library.
struct Library {
    /// Its file in use/.
    name: &'static str,
    /// The lines that name what the master has of it, by how they begin, if it used it while the
    /// application was loaded.
    at_load: &'static [&'static str],
    /// The same if it used it in the warm-up.
    in_warmup: &'static [&'static str],
    /// It works in workers even so, tried a number of times.
    survives: bool,
}

const NOTHING: &[&str] = &[];

fn check(ports: &Ports, libraries: &[Library]) {
    for library in libraries {
        for (when, expected) in [
            (Use::AtLoad, library.at_load),
            (Use::InWarmup, library.in_warmup),
            (Use::InWorkers, NOTHING),
        ] {
            println!("{} {when:?}", library.name);
            let uwsgi = start(library.name, when, ports);
            let lines = named(&uwsgi);
            let fits = lines.len() == expected.len()
                && expected.iter().all(|begin| {
                    let found = lines.iter().filter_map(|line| line.split_once(": "));
                    found
                        .map(|(_, what)| what)
                        .any(|what| what.starts_with(begin))
                });
            assert!(fits, "{} {when:?}: {lines:#?}", library.name);
            if library.survives || expected.is_empty() {
                used(&uwsgi).unwrap_or_else(|answer| panic!("{} {when:?}: {answer}", library.name));
            }
        }
    }
}
