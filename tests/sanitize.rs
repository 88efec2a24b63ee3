//! `make sanitize`: a whole life of an instance under valgrind's memcheck - start, fork, requests, samples,
//! every report, a worker recycled, a reload, the end - with pycow and without. What only pycow has is an
//! error.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    time::Duration,
};

use pycow_testkit::{
    host_of, hosts, signal::SIGHUP, skip, until_within, Finished, Flavour, Host, Instance, Uwsgi,
};
use serde_json::Value;

/// valgrind makes everything 20 to 50 times slower.
const LIMIT: Duration = Duration::from_secs(180);
const WORKERS: usize = 2;
const REQUESTS: usize = 20;

/// Something to freeze, to mark, to collect and to run at exit. `/rpc/..` answers what that function does.
const APP: &str = "
import atexit, collections, ctypes, gc, weakref, uwsgi
class Node:
    def __init__(self, name): self.name, self.me = name, self
nodes = [Node(str(number)) for number in range(2000)]
tables = {node.name: [node, (node.name, 1.5, b'x'), collections.OrderedDict(a=node)] for node in nodes}
watched = weakref.ref(nodes[0], lambda reference: None)
file = open('written', 'a')
atexit.register(lambda: file.write('left\\n'))
def read_what_was_freed():
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    memory = ctypes.c_void_p(libc.malloc(64))
    libc.free(memory)
    ctypes.string_at(memory, 8)
def application(env, start):
    start('200 OK', [])
    path = env['PATH_INFO']
    if path.startswith('/rpc/'):
        return [uwsgi.rpc(None, path[5:].encode())]
    if path == '/freed':
        read_what_was_freed()
    garbage = [Node('garbage') for _ in range(50)]
    found = [tables[str(number)][1] for number in range(0, 2000, 7)]
    return [b'hello']
";

/// What differs between the lives of instances with pycow.
struct Life {
    name: &'static str,
    options: &'static [(&'static str, &'static str)],
    /// Without it Python keeps objects in arenas, of which memcheck knows nothing; with it, pycow's look into
    /// arenas is not tried.
    every_object_from_malloc: bool,
}

const LIVES: [Life; 5] = [
    Life {
        name: "freeze",
        options: &[
            ("pycow-gc-guard", "true"),
            ("pycow-gc-threshold", "auto"),
            ("pycow-instance", "tried"),
        ],
        every_object_from_malloc: true,
    },
    Life {
        name: "immortal",
        options: &[("pycow-gc", "immortal"), ("pycow-warmup", "/")],
        every_object_from_malloc: true,
    },
    Life {
        name: "immortal, with arenas",
        options: &[("pycow-gc", "immortal"), ("pycow-warmup", "/")],
        every_object_from_malloc: false,
    },
    Life {
        name: "off, full exit",
        options: &[("pycow-gc", "off"), ("pycow-exit", "full")],
        every_object_from_malloc: true,
    },
    Life {
        name: "keep, uWSGI's fork",
        options: &[("pycow-gc", "keep"), ("pycow-fork", "host")],
        every_object_from_malloc: true,
    },
];

/// An error as valgrind tells it, without addresses: what, and the functions it was in.
type Error = Vec<String>;

fn errors(log: &str) -> BTreeSet<Error> {
    let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in log.lines() {
        let own = line
            .strip_prefix("==")
            .and_then(|rest| rest.split_once("=="));
        if let Some((pid, text)) = own.filter(|(pid, _)| pid.parse::<u32>().is_ok()) {
            lines.entry(pid).or_default().push(text.trim());
        }
    }
    let mut errors = BTreeSet::new();
    for of_process in lines.values() {
        for block in of_process.split(|line| line.is_empty()) {
            let is_frame = |line: &&str| line.starts_with("at 0x") || line.starts_with("by 0x");
            let frames = block.iter().copied().filter(is_frame);
            let frames = frames.map(|frame| frame.split_once(": ").map_or(frame, |(_, name)| name));
            // What it is stands above the first frame; at the end each is told again, below a number.
            let what = block.split(|line| is_frame(line)).next();
            let what = what.and_then(|lines| lines.last().copied());
            let error: Error = what.into_iter().chain(frames).map(str::to_owned).collect();
            if error.len() > 1 {
                errors.insert(error);
            }
        }
    }
    errors
}

/// Every process of a life that valgrind watched to its end.
fn summaries(log: &str) -> usize {
    log.matches("ERROR SUMMARY: ").count()
}

fn watched(uwsgi: Uwsgi, every_object_from_malloc: bool) -> Instance {
    let allocator = if every_object_from_malloc {
        "malloc"
    } else {
        "pymalloc"
    };
    let uwsgi = uwsgi
        .app(APP)
        .set("processes", WORKERS)
        .env("PYTHONMALLOC", allocator)
        .through("exec valgrind --quiet --trace-children=yes --num-callers=40 --error-limit=no -s \"$@\"")
        .launch();
    uwsgi
        .ready(WORKERS, LIMIT)
        .unwrap_or_else(|error| panic!("{error}"));
    uwsgi
}

/// Each report once, after the master has taken samples of every worker.
fn read_reports(uwsgi: &Instance, textfile: &Path) {
    let json = || {
        let answer = uwsgi.get("/rpc/pycow.json").body;
        serde_json::from_str::<Value>(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    };
    until_within(LIMIT, "sample of every worker", || {
        let report = json();
        let processes = report["processes"].as_array()?;
        let sampled = |it: &&Value| it["role"] == "worker" && it["shared"] != 0;
        (processes.iter().filter(sampled).count() == WORKERS).then_some(())
    });
    until_within(LIMIT, "text file", || textfile.exists().then_some(()));
    let prometheus = uwsgi.get("/rpc/pycow.prometheus").body;
    assert!(
        prometheus.contains("uwsgi_worker_shared_bytes"),
        "{prometheus}"
    );
    let why = uwsgi.get("/rpc/pycow.why").body;
    let why: Value = serde_json::from_str(&why).unwrap_or_else(|error| panic!("{error}: {why}"));
    assert!(why["private"].as_u64() > Some(0), "{why}");
}

/// Everything that an instance goes through.
fn live(uwsgi: Uwsgi, life: Option<&Life>) -> Finished {
    let textfile = uwsgi.dir().join("pycow.prom");
    let mut uwsgi = uwsgi;
    if let Some(life) = life {
        uwsgi = uwsgi
            .with_pycow()
            .set("pycow-sample", 1)
            .set("pycow-textfile", textfile.display());
        for (option, value) in life.options {
            uwsgi = uwsgi.set(option, value);
        }
    }
    let uwsgi = watched(uwsgi, life.is_none_or(|life| life.every_object_from_malloc));
    let serve = || {
        for _ in 0..REQUESTS {
            assert_eq!(uwsgi.get("/").body, "hello");
        }
        if life.is_some() {
            read_reports(&uwsgi, &textfile);
        }
    };
    let await_accepting = |times| {
        let all = uwsgi.accepts_within(times, LIMIT);
        assert!(all, "no {times} accepting workers within {LIMIT:?}");
    };
    serve();
    let worker = uwsgi.workers()[0];
    uwsgi.kill(worker, SIGHUP);
    await_accepting(WORKERS + 1);
    uwsgi.signal(SIGHUP);
    await_accepting(2 * WORKERS + 1);
    serve();
    let written = uwsgi.dir().join("written");
    let finished_workers = fs::read_to_string(written).unwrap();
    // The worker that was recycled, the one in its place, and the other.
    assert_eq!(finished_workers, "left\n".repeat(WORKERS + 1));
    uwsgi.stop()
}

/// One on which objects can be immortal, if there is one.
fn host() -> Option<Host> {
    let newer = hosts()
        .into_iter()
        .find(|one| one.flavour == Flavour::Pypi && one.python >= (3, 12));
    newer.or_else(|| host_of(Flavour::Pypi))
}

fn has_valgrind() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok()
}

#[test]
fn memcheck_finds_nothing_that_stock_uwsgi_has_not() {
    if !has_valgrind() {
        return skip("no valgrind");
    }
    let Some(host) = host() else {
        return skip("no uWSGI from PyPI");
    };
    println!("{}", host.name);
    let stock = live(Uwsgi::on(&host), None);
    assert!(stock.status.success());
    let known = errors(&stock.log);
    println!(
        "stock: {} processes, {} errors",
        summaries(&stock.log),
        known.len()
    );
    for life in &LIVES {
        let finished = live(Uwsgi::on(&host), Some(life));
        assert!(finished.status.success());
        let summaries = summaries(&finished.log);
        let new: Vec<Error> = errors(&finished.log).difference(&known).cloned().collect();
        let name = life.name;
        println!(
            "{name}: {summaries} processes, {} errors of its own",
            new.len()
        );
        // Two generations of workers, the one that was recycled, and the master.
        assert_eq!(summaries, 2 * WORKERS + 2);
        assert!(new.is_empty(), "{name}: {new:#?}");
    }
}

#[test]
fn memcheck_is_heard() {
    if !has_valgrind() {
        return skip("no valgrind");
    }
    let Some(host) = host() else {
        return skip("no uWSGI from PyPI");
    };
    let uwsgi = watched(Uwsgi::on(&host), true);
    uwsgi.get("/freed");
    let finished = uwsgi.stop();
    let found: Vec<Error> = errors(&finished.log).into_iter().collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0][0].starts_with("Invalid read of size "),
        "{found:#?}"
    );
}
