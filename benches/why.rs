//! What an answer of `pycow.why` takes, by how many objects were copied: time, CPU, and private memory.

mod common;

use std::time::Instant;

use common::{megabytes, say_where, step, table::Table, Runs};
use pycow_testkit::{default_host, proc, Instance, Uwsgi};

/// Small objects of the size of those that applications have most of; `/work` has every count written.
const APP: &str = r#"
import uwsgi

class Row:
    __slots__ = ("value",)
    def __init__(self, value):
        self.value = value

rows = [Row(None) for _ in range(NUMBER)]

def application(env, start):
    start("200 OK", [])
    if env["PATH_INFO"] == "/why":
        return [uwsgi.rpc(None, b"pycow.why")]
    for row in rows:
        pass
    return [b"done"]
"#;
const OBJECTS: [usize; 3] = [100_000, 1_000_000, 3_000_000];
const ANSWERS: usize = 15;

fn main() {
    let start = Instant::now();
    let host = default_host();
    say_where(&host);
    let mut table = Table::new(&[
        "objects",
        "private MB",
        "answer, ms",
        "CPU of it, ms",
        "private memory that it took, kB",
    ]);
    for objects in OBJECTS {
        step(start, &format!("{ANSWERS} answers about {objects} objects"));
        let uwsgi = Uwsgi::on(&host)
            .app(&APP.replace("NUMBER", &objects.to_string()))
            .with_pycow()
            .start();
        uwsgi.get("/work");
        // The first answer imports and allocates what answers take.
        uwsgi.get("/why");
        let runs: Vec<[f64; 3]> = (0..ANSWERS).map(|_| one(&uwsgi)).collect();
        let of = |index: usize| Runs::new(runs.iter().map(|run| run[index]).collect());
        table.row(&[
            objects.to_string(),
            megabytes(proc::rollup(uwsgi.workers()[0]).private()),
            of(0).show(0),
            of(1).show(0),
            of(2).show(0),
        ]);
    }
    table.print();
}

/// Milliseconds until the answer is there, of CPU, and kilobytes.
fn one(uwsgi: &Instance) -> [f64; 3] {
    let worker = uwsgi.workers()[0];
    let spent = || proc::scheduled_seconds(worker) * 1000.0;
    let private = || proc::rollup(worker).private() as f64 / 1024.0;
    let (cpu, memory, begin) = (spent(), private(), Instant::now());
    uwsgi.get("/why");
    let took = begin.elapsed().as_secs_f64() * 1000.0;
    [took, spent() - cpu, private() - memory]
}
