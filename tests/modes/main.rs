//! `make modes`: every way to run uWSGI, each with load, recycled workers, a reload and a stop, beside
//! stock uWSGI. What works there works with pycow, and ends alike.

mod table;

use std::{env, fs, thread, time::Duration};

use pycow_testkit::{checkout, default_host, signal::SIGHUP, Host, Instance, Uwsgi};
use table::{Mode, Reload, MODES};

const LIMIT: Duration = Duration::from_secs(60);
const REQUESTS: usize = 40;

const APP: &str = "
import atexit, os
data = [{str(number): [number]} for number in range(2000)]
atexit.register(lambda: os.write(2, b'hook ran %d\n' % os.getpid()))
def application(env, start):
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
struct Life {
    answered: usize,
    after_reload: usize,
    status: Option<i32>,
    recycled: usize,
    /// Lines that tell of trouble.
    trouble: Vec<String>,
}

fn reload(uwsgi: &Instance, how: Reload) {
    match how {
        Reload::Hup => uwsgi.signal(SIGHUP),
        // A second has to pass between two times of a file that uWSGI tells apart.
        Reload::Touch => fs::File::open(uwsgi.dir().join("reload"))
            .and_then(|file| file.set_modified(std::time::SystemTime::now() + LIMIT))
            .unwrap(),
        Reload::Fifo(letter) => uwsgi.command(letter),
    }
}

fn live(host: &Host, mode: &Mode, pycow: bool) -> Result<Life, String> {
    let uwsgi = Uwsgi::on(host)
        .app(APP)
        .file("tasks.py", TASKS)
        .file("mule.py", MULE)
        .file("reload", "");
    let dir = uwsgi.dir().to_owned();
    fs::create_dir(dir.join("spool")).unwrap();
    let mut uwsgi = if pycow { uwsgi.with_pycow() } else { uwsgi };
    uwsgi = uwsgi
        .set("max-requests", 15)
        .set("min-worker-lifetime", 0)
        .set("processes", 2);
    let mut workers = 2;
    for (key, value) in mode.lines {
        let value = value.replace("DIR", &dir.display().to_string());
        match *key {
            "cheaper" => workers = 1,
            "processes" if workers > 1 => workers = value.parse().unwrap(),
            _ => {}
        }
        uwsgi = uwsgi.set(key, value);
    }
    let uwsgi = uwsgi.launch();
    let accepting = || {
        uwsgi
            .log()
            .lines()
            .filter(|line| line.ends_with("testkit: a worker accepts"))
            .count()
    };
    uwsgi.await_accepting(workers);
    let load = || {
        (0..REQUESTS)
            .filter(|_| uwsgi.try_get("/").is_ok_and(|a| a.body == "hello"))
            .count()
    };
    let answered = load();
    let so_far = accepting();
    reload(&uwsgi, mode.reload);
    uwsgi.await_accepting(so_far + workers);
    let after_reload = load();
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

/// One life; a test kit's panic is what went wrong.
fn attempt(host: &Host, mode: &Mode, pycow: bool) -> Result<Life, String> {
    let attempt = std::panic::catch_unwind(|| live(host, mode, pycow));
    attempt.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        Err(said.unwrap_or_else(|| "it panicked".into()))
    })
}

/// A row of docs/supported.md, and whether pycow did what stock does.
fn row(host: &Host, mode: &Mode) -> (String, bool) {
    let (stock, pycow) = (attempt(host, mode, false), attempt(host, mode, true));
    let alike = match (&stock, &pycow) {
        // Where uWSGI alone fails, nothing is promised.
        (Err(_), _) => true,
        (Ok(stock), Ok(pycow)) => {
            pycow.answered >= stock.answered
                && pycow.after_reload >= stock.after_reload
                && pycow.status == stock.status
                && pycow.trouble.len() <= stock.trouble.len()
        }
        (Ok(_), Err(_)) => false,
    };
    let told = |life: &Result<Life, String>| match life {
        Ok(life) => format!(
            "{}/{REQUESTS}, {}/{REQUESTS}, {} recycled, {}",
            life.answered,
            life.after_reload,
            life.recycled,
            life.status
                .map_or("killed".into(), |status| format!("status {status}"))
        ),
        Err(said) => said.lines().next().unwrap_or_default().to_owned(),
    };
    if !alike {
        println!("{}: stock {stock:?}, pycow {pycow:?}", mode.name);
    }
    let verdict = match (&stock, alike) {
        (Err(_), _) => "stock fails",
        (_, true) => "yes",
        (_, false) => "**no**",
    };
    let row = format!(
        "| {} | {verdict} | {} | {} |\n",
        mode.name,
        told(&stock),
        told(&pycow)
    );
    (row, alike)
}

/// Puts the table between its marks in docs/supported.md.
fn publish(table: &str) {
    let file = checkout().join("docs/supported.md");
    let (start, end) = ("<!-- modes -->\n", "<!-- /modes -->");
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(start).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    fs::write(&file, format!("{before}{start}{table}{end}{after}")).unwrap();
}

#[test]
fn every_mode_is_as_with_stock() {
    let host = default_host();
    let only = env::var("MODE").ok();
    let chosen = MODES
        .iter()
        .filter(|mode| only.as_ref().is_none_or(|only| mode.name.contains(only)));
    let mut table = String::from(
        "| mode | as with stock | stock: answered, after the reload, workers recycled, end | with pycow |\n| --- | --- | --- | --- |\n",
    );
    let mut failed = Vec::new();
    let mut tried = 0;
    let chosen: Vec<&Mode> = chosen.collect();
    // They wait more than they work.
    for some in chosen.chunks(6) {
        let rows: Vec<(String, bool)> = thread::scope(|scope| {
            let lives: Vec<_> = some
                .iter()
                .map(|mode| scope.spawn(|| row(&host, mode)))
                .collect();
            lives
                .into_iter()
                .map(|life| life.join().expect("a row"))
                .collect()
        });
        for (mode, (row, alike)) in some.iter().zip(rows) {
            print!("{row}");
            table += &row;
            tried += 1;
            if !alike {
                failed.push(mode.name);
            }
        }
    }
    let count = table.matches("| yes |").count();
    table = format!(
        "{count} of {tried} modes are as with stock ({}).\n\n{table}",
        host.name
    );
    if only.is_none() {
        publish(&table);
    }
    assert!(tried > 0);
    assert!(failed.is_empty(), "{failed:?}");
}
