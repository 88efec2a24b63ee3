//! One life of an instance: load, recycled workers, a reload, load, a stop.

use std::{
    fs, thread,
    time::{Duration, SystemTime},
};

use pycow_testkit::{
    default_host, host_of, plugin_path, prepared, signal::SIGHUP, Flavour, Instance, Uwsgi,
};

use super::table::{Mode, Reload};

const LIMIT: Duration = Duration::from_secs(60);
/// How many requests before the reload, and after it.
pub const REQUESTS: usize = 40;

/// DIR/app.py; REQUEST stands for what each request does.
const APP: &str = "
import atexit, multiprocessing, os, subprocess, sys, time
data = [{str(number): [number]} for number in range(2000)]
atexit.register(lambda: os.write(2, b'hook ran %d\\n' % os.getpid()))
def request():
    REQUEST
def application(env, start):
    request()
    start('200 OK', [])
    return [b'hello']
";
const TASKS: &str = "
import uwsgi
try:
    from uwsgidecorators import spool, timer
except Exception:
    pass
else:
    @timer(1)
    def tick(number): pass
    @spool
    def task(arguments): pass
";
const MULE: &str = "
import uwsgi
while True: uwsgi.mule_get_msg()
";

/// What a user sees of a life.
#[derive(Debug, PartialEq, Eq)]
pub struct Life {
    /// Of [`REQUESTS`], before the reload.
    pub answered: usize,
    /// The same after it; none, if there is none.
    pub after_reload: Option<usize>,
    /// What the instance ended with.
    pub status: Option<i32>,
    /// Workers that were replaced.
    pub recycled: usize,
    /// Lines that tell of trouble.
    pub trouble: Vec<String>,
}

fn reload(uwsgi: &Instance, how: Reload) {
    let dir = uwsgi.dir();
    // A second has to pass between two times of a file that uWSGI tells apart.
    let touch = |file: &str| {
        fs::File::open(dir.join(file))
            .and_then(|file| file.set_modified(SystemTime::now() + LIMIT))
            .unwrap();
    };
    match how {
        Reload::None => {}
        Reload::Hup => uwsgi.signal(SIGHUP),
        Reload::Touch => touch("reload"),
        Reload::Vassal => touch("uwsgi.ini"),
        Reload::Fifo(letter) => uwsgi.command(letter),
    }
}

/// Nobody is being born or leaves: a uWSGI without pycow loses signals in these moments. Its master
/// looks for those that are gone once a second, and nothing tells that it will not find one.
fn rest(uwsgi: &Instance) {
    let mut before = 0;
    loop {
        uwsgi.settle();
        let now = accepting(uwsgi);
        if now == before {
            return;
        }
        before = now;
        thread::sleep(Duration::from_millis(1500));
    }
}

fn accepting(uwsgi: &Instance) -> usize {
    let log = uwsgi.log();
    let lines = log.lines();
    lines
        .filter(|line| line.ends_with("testkit: a worker accepts"))
        .count()
}

/// The instance, about to be started, and how many workers it begins with.
fn prepare(mode: &Mode, pycow: bool) -> Result<(Uwsgi, usize), String> {
    let host = match mode.on {
        Flavour::Pyuwsgi => default_host(),
        other => host_of(other).ok_or("no such uWSGI here")?,
    };
    let uwsgi = Uwsgi::on(&host);
    let dir = uwsgi.dir().display().to_string();
    let loops = prepared().join("uwsgi-loops").display().to_string();
    // As Debian names what was built for one CPython.
    let python = format!("python{}{}", host.python.0, host.python.1);
    let fill = |text: &str| {
        let text = text.replace("DIR", &dir).replace("LOOPS", &loops);
        text.replace("pythonXY", &python)
    };
    fs::create_dir(uwsgi.dir().join("spool")).unwrap();
    let mut uwsgi = uwsgi
        .app(&APP.replace("REQUEST", mode.request))
        .file("tasks.py", TASKS)
        .file("mule.py", MULE)
        .file("reload", "");
    if let Some(other) = mode.other {
        let plugin = format!("plugin = {}", plugin_path().display());
        let plugin = if pycow { plugin } else { String::new() };
        uwsgi = uwsgi.file("other.ini", &fill(other).replace("PYCOW", &plugin));
    }
    if let Some(line) = mode.through {
        uwsgi = uwsgi.through(&fill(line));
    }
    if pycow {
        uwsgi = uwsgi.with_pycow();
    }
    uwsgi = uwsgi
        .set("max-requests", 15)
        .set("min-worker-lifetime", 0)
        .set("processes", 2);
    let mut workers = 2;
    for (key, value) in mode.lines {
        let value = fill(value);
        match *key {
            "cheaper" => workers = 1,
            "processes" if workers > 1 => workers = value.parse().unwrap(),
            _ => {}
        }
        uwsgi = uwsgi.set(key, value);
    }
    Ok((uwsgi, workers + mode.others))
}

/// An error says what this uWSGI did not do.
pub fn live(mode: &Mode, pycow: bool) -> Result<Life, String> {
    let (uwsgi, workers) = prepare(mode, pycow)?;
    let uwsgi = uwsgi.launch();
    let load = || {
        (0..REQUESTS)
            .filter(|_| uwsgi.try_get("/").is_ok_and(|a| a.body == "hello"))
            .count()
    };
    uwsgi.await_accepting(workers);
    let answered = load();
    let after_reload = (mode.reload != Reload::None).then(|| {
        rest(&uwsgi);
        let so_far = accepting(&uwsgi);
        reload(&uwsgi, mode.reload);
        // Of other instances none is told to reload.
        uwsgi.await_accepting(so_far + workers - mode.others);
        load()
    });
    rest(&uwsgi);
    let finished = uwsgi.stop();
    let signs = [
        "Segmentation Fault",
        "DAMN",
        "NO MERCY",
        "[pycow] ERROR",
        "Traceback",
        "Fatal Python",
    ];
    let lines = finished.log.lines();
    let trouble = lines.filter(|line| signs.iter().any(|sign| line.contains(sign)));
    Ok(Life {
        answered,
        after_reload,
        status: finished.status.code(),
        recycled: finished.log.matches("Respawned uWSGI worker").count(),
        trouble: trouble.map(str::to_owned).collect(),
    })
}
