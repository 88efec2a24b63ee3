//! The workload: a preloaded heap of small objects, requests that read some of them and leave
//! garbage, and what that does to the memory of the workers.

use std::path::{Path, PathBuf};

use pycow_testkit::{load, proc, Host, Instance, Uwsgi};

/// The application, see there.
pub const APP: &str = include_str!("../workload/app.py");

/// How the collector is treated, by pycow or by the application itself.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// As it stands in the table.
    pub name: &'static str,
    /// `pycow-gc`, where pycow is loaded.
    pub pycow: Option<&'static str>,
    /// What the application does at the end of its module.
    pub inside: &'static str,
}

/// uWSGI as it comes.
pub const STOCK: Method = Method {
    name: "stock",
    pycow: None,
    inside: "",
};
/// As the article of 2017 did: threshold 0 and os._exit.
pub const BOOTSTRAP: Method = Method {
    name: "threshold 0 + os._exit in the application",
    pycow: None,
    inside: "bootstrap",
};
/// As CPython's documentation recommends, with a collection first.
pub const RECIPE: Method = Method {
    name: "collect + freeze in the application",
    pycow: None,
    inside: "recipe",
};
/// CinderX's `immortalize_heap()`.
pub const CINDERX: Method = Method {
    name: "CinderX immortalize_heap",
    pycow: None,
    inside: "cinderx",
};
pub const OFF: Method = pycow("pycow off", "off");
pub const FREEZE: Method = pycow("pycow freeze", "freeze");
pub const IMMORTAL: Method = pycow("pycow immortal", "immortal");

const fn pycow(name: &'static str, gc: &'static str) -> Method {
    Method {
        name,
        pycow: Some(gc),
        inside: "",
    }
}

/// `tests/support/setup --bench` has fetched CinderX.
pub fn has_cinderx() -> bool {
    cinderx().exists()
}

fn cinderx() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".hosts/cinderx")
}

/// How large, how many, how far.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub workers: usize,
    pub objects: usize,
    pub requests: usize,
    /// Requests read the first 1/`part` of the heap: 1 for all of it, 10 for a hot tenth.
    pub part: usize,
}

/// What a run did to the workers. Bytes and seconds; per worker where not said otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub shared_start: u64,
    pub shared_end: u64,
    pub private: u64,
    /// Of the master and all workers.
    pub total_pss: u64,
    /// Of all workers, during the load.
    pub minor_faults: u64,
    pub requests_per_second: f64,
    pub cpu_per_request: f64,
}

/// A uWSGI with that application and method, its workers ready.
pub fn start(host: &Host, method: Method, size: Size) -> Instance {
    let uwsgi = Uwsgi::on(host)
        .app(APP)
        .set("processes", size.workers)
        .flag("disable-logging")
        .env("OBJECTS", size.objects.to_string())
        .env("PART", size.part.to_string())
        .env("INSIDE", method.inside);
    let uwsgi = match method.inside {
        "cinderx" => uwsgi.env("PYTHONPATH", cinderx()),
        _ => uwsgi,
    };
    match method.pycow {
        Some(gc) => uwsgi.with_pycow().set("pycow-gc", gc).start(),
        None => uwsgi.start(),
    }
}

/// Serves the load and measures.
pub fn measure(host: &Host, method: Method, size: Size) -> Measured {
    let uwsgi = start(host, method, size);
    serve(&uwsgi, size)
}

/// Serves the load on a running uWSGI and measures.
pub fn serve(uwsgi: &Instance, size: Size) -> Measured {
    let workers = uwsgi.workers();
    let mean = |of: fn(&proc::Rollup) -> u64| {
        let sum: u64 = workers.iter().map(|pid| of(&proc::rollup(*pid))).sum();
        sum / workers.len() as u64
    };
    let faults = || {
        workers
            .iter()
            .map(|pid| proc::minor_faults(*pid))
            .sum::<u64>()
    };
    let cpu = || {
        workers
            .iter()
            .map(|pid| proc::cpu_seconds(*pid))
            .sum::<f64>()
    };

    let shared_start = mean(proc::Rollup::shared);
    let (faults_before, cpu_before) = (faults(), cpu());
    let report = load::run(
        uwsgi.port(),
        |i| format!("/?{i}"),
        size.requests,
        size.workers,
    );
    assert_eq!(report.errors, 0, "every request is answered");
    Measured {
        shared_start,
        shared_end: mean(proc::Rollup::shared),
        private: mean(proc::Rollup::private),
        total_pss: workers
            .iter()
            .chain([&uwsgi.pid()])
            .map(|pid| proc::rollup(*pid).pss)
            .sum(),
        minor_faults: faults() - faults_before,
        requests_per_second: report.rate(),
        cpu_per_request: (cpu() - cpu_before) / size.requests as f64,
    }
}
