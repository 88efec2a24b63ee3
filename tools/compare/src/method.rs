//! The methods that are compared, and which of them a host and this machine can play.

use std::{fs, path::Path};

use pycow_testkit::{Host, Uwsgi};

use crate::paths;

/// One way to treat the collector and the exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Its name on the command line and in the report.
    pub name: &'static str,
    /// What it does, in a few words.
    pub what: &'static str,
    kind: Kind,
    /// The application serves requests before the fork.
    pub warm: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stock,
    /// uWSGI's own flag.
    Flag(&'static str),
    /// Played by the wrapper, in the application.
    Inside(&'static str),
    /// pycow with that `pycow-gc`.
    Pycow(&'static str),
    /// pycow with that `pycow-gc`, and CPython's own thresholds.
    Unpaced(&'static str),
    /// pycow with that `pycow-gc`, and equal pages merged.
    Merged(&'static str),
}

/// All of them, in the order of the report.
pub const ALL: [Method; 14] = [
    method("stock", "uWSGI as it comes", Kind::Stock),
    method(
        "skip-atexit-teardown",
        "uWSGI's own flag",
        Kind::Flag("skip-atexit-teardown"),
    ),
    method(
        "bootstrap",
        "threshold 0 and os._exit, in the application",
        Kind::Inside("bootstrap"),
    ),
    method(
        "recipe",
        "gc.collect() and gc.freeze(), in the application",
        Kind::Inside("recipe"),
    ),
    method(
        "cinderx",
        "CinderX's immortalize_heap(), in the application",
        Kind::Inside("cinderx"),
    ),
    method("off", "pycow-gc = off", Kind::Pycow("off")),
    method("freeze", "pycow-gc = freeze", Kind::Pycow("freeze")),
    method("immortal", "pycow-gc = immortal", Kind::Pycow("immortal")),
    method(
        "freeze+cpython",
        "pycow-gc = freeze, pycow-gc-threshold = cpython",
        Kind::Unpaced("freeze"),
    ),
    method(
        "immortal+cpython",
        "pycow-gc = immortal, pycow-gc-threshold = cpython",
        Kind::Unpaced("immortal"),
    ),
    method(
        "freeze+ksm",
        "pycow-gc = freeze, pycow-ksm = true",
        Kind::Merged("freeze"),
    ),
    warm(
        "stock+warm",
        "requests before the fork, in the application",
        Kind::Inside("warm"),
    ),
    warm(
        "freeze+warm",
        "pycow-gc = freeze, pycow-warmup",
        Kind::Pycow("freeze"),
    ),
    warm(
        "immortal+warm",
        "pycow-gc = immortal, pycow-warmup",
        Kind::Pycow("immortal"),
    ),
];

const fn method(name: &'static str, what: &'static str, kind: Kind) -> Method {
    Method {
        name,
        what,
        kind,
        warm: false,
    }
}

const fn warm(name: &'static str, what: &'static str, kind: Kind) -> Method {
    Method {
        warm: true,
        ..method(name, what, kind)
    }
}

/// The method of that name.
///
/// # Errors
/// If there is none; says which there are.
pub fn parse(name: &str) -> Result<Method, String> {
    ALL.into_iter()
        .find(|method| method.name == name)
        .ok_or_else(|| {
            let names = ALL.map(|method| method.name).join(", ");
            format!("there are {names}")
        })
}

impl Method {
    /// What the others are compared with.
    pub fn is_stock(self) -> bool {
        self.kind == Kind::Stock
    }

    /// Equal pages are merged: that takes time after the load.
    pub fn merges(self) -> bool {
        matches!(self.kind, Kind::Merged(_))
    }

    /// Why this host or this machine cannot play it, if so.
    pub fn obstacle(self, host: &Host) -> Option<String> {
        match self.kind {
            Kind::Pycow("immortal") | Kind::Unpaced("immortal") if host.python < (3, 12) => {
                Some("needs CPython 3.12 or newer".into())
            }
            Kind::Inside("cinderx") if !paths::cinderx(host.python).exists() => {
                let (major, minor) = host.python;
                Some(format!("PyPI has no CinderX for CPython {major}.{minor}"))
            }
            Kind::Merged(_) => ksm_obstacle(),
            _ => None,
        }
    }

    /// pycow is a part of it.
    pub fn is_pycow(self) -> bool {
        matches!(
            self.kind,
            Kind::Pycow(_) | Kind::Unpaced(_) | Kind::Merged(_)
        )
    }

    /// Has pycow look on at a method that goes without it, and leave everything as it is.
    pub fn watched(self, uwsgi: Uwsgi) -> Uwsgi {
        if self.is_pycow() {
            return uwsgi;
        }
        let uwsgi = uwsgi.with_pycow().set("pycow-gc", "keep");
        uwsgi.set("pycow-exit", "full").set("pycow-fork", "host")
    }

    /// Adds what it needs to a uWSGI that has the wrapper; `paths` are those that warm it.
    pub fn apply(self, uwsgi: Uwsgi, host: &Host, paths: &[String]) -> Uwsgi {
        let uwsgi = match self.warm {
            true => uwsgi.file("warmup.txt", &paths.join("\n")),
            false => uwsgi,
        };
        let file = uwsgi.dir().join("warmup.txt").display().to_string();
        match self.kind {
            Kind::Stock => uwsgi,
            Kind::Flag(flag) => uwsgi.flag(flag),
            Kind::Inside(name) => {
                let uwsgi = uwsgi.env("PYCOW_BENCH_METHOD", name);
                match name {
                    "warm" => uwsgi.env("PYCOW_BENCH_WARMUP", file),
                    "cinderx" => uwsgi.set("pythonpath", paths::cinderx(host.python).display()),
                    _ => uwsgi,
                }
            }
            Kind::Pycow(gc) => {
                let uwsgi = uwsgi.with_pycow().set("pycow-gc", gc);
                match self.warm {
                    true => uwsgi.set("pycow-warmup", format!("@{file}")),
                    false => uwsgi,
                }
            }
            Kind::Unpaced(gc) => {
                let uwsgi = uwsgi.with_pycow().set("pycow-gc", gc);
                uwsgi.set("pycow-gc-threshold", "cpython")
            }
            Kind::Merged(gc) => uwsgi.with_pycow().set("pycow-gc", gc).flag("pycow-ksm"),
        }
    }
}

/// `PR_SET_MEMORY_MERGE` came with Linux 6.4, in one series with `general_profit`; ksmd itself is the
/// administrator's to start.
fn ksm_obstacle() -> Option<String> {
    let ksm = Path::new("/sys/kernel/mm/ksm");
    if !ksm.join("general_profit").exists() {
        return Some("needs Linux 6.4 or newer, with KSM".into());
    }
    let run = fs::read_to_string(ksm.join("run")).unwrap_or_default();
    (run.trim() != "1").then(|| "ksmd is off: echo 1 > /sys/kernel/mm/ksm/run".into())
}
