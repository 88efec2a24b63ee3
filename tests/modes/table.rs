//! The modes that uWSGI can be run in, as lines of its configuration. Those that take more are in
//! [`special`](super::special).

use pycow_testkit::Flavour;

/// How an instance is reloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// SIGHUP to the master: it executes itself again.
    Hup,
    /// A file is touched: `reload` in the instance's folder.
    Touch,
    /// A second of its own: a vassal's file is touched.
    Vassal,
    /// Stock uWSGI ends instead, or fails: none.
    None,
    /// A letter to `fifo` in the instance's folder.
    Fifo(&'static str),
}

/// One mode. In all its texts `DIR` stands for the instance's folder.
pub struct Mode {
    /// As the table of docs/supported.md names it.
    pub name: &'static str,
    /// Lines of the configuration.
    pub lines: Lines,
    /// How it is reloaded.
    pub reload: Reload,
    /// Whose uWSGI it needs.
    pub on: Flavour,
    /// A line of shell that starts it, if it takes more than that.
    pub through: Option<&'static str>,
    /// What the application does for each request.
    pub request: &'static str,
    /// A configuration more, `other.ini`: `PYCOW` stands for the lines that load pycow.
    pub other: Option<&'static str>,
    /// How many workers that one has.
    pub others: usize,
}

/// Of an ini.
pub type Lines = &'static [(&'static str, &'static str)];

/// A mode that is nothing but lines.
pub const fn mode(name: &'static str, lines: Lines) -> Mode {
    Mode {
        name,
        lines,
        reload: Reload::Hup,
        on: Flavour::Pyuwsgi,
        through: None,
        request: "pass",
        other: None,
        others: 0,
    }
}

const fn reloaded(reload: Reload, mode: Mode) -> Mode {
    Mode { reload, ..mode }
}

/// All of them.
pub const MODES: &[Mode] = &[
    mode("prefork", &[]),
    mode("threads", &[("threads", "4")]),
    mode("enable-threads", &[("enable-threads", "true")]),
    mode("offload-threads", &[("offload-threads", "2")]),
    // Without one nobody replaces a process that has had its requests, or is told to reload.
    reloaded(
        Reload::None,
        mode(
            "no master",
            &[
                ("master", "false"),
                ("processes", "1"),
                ("max-requests", "1000000"),
            ],
        ),
    ),
    mode("processes = 64", &[("processes", "64")]),
    mode("cheaper", &[("processes", "4"), ("cheaper", "1")]),
    mode(
        "cheaper-algo = spare2",
        &[
            ("processes", "4"),
            ("cheaper", "1"),
            ("cheaper-algo", "spare2"),
        ],
    ),
    mode(
        "cheaper-algo = backlog",
        &[
            ("processes", "4"),
            ("cheaper", "1"),
            ("cheaper-algo", "backlog"),
        ],
    ),
    mode(
        "cheaper-algo = manual",
        &[
            ("processes", "4"),
            ("cheaper", "1"),
            ("cheaper-algo", "manual"),
        ],
    ),
    mode(
        "cheaper-algo = busyness",
        &[
            ("processes", "4"),
            ("cheaper", "1"),
            ("cheaper-algo", "busyness"),
            ("cheaper-overload", "1"),
        ],
    ),
    mode("async, ugreen", &[("async", "4"), ("ugreen", "true")]),
    mode("mules", &[("mules", "2")]),
    mode("a mule with a program", &[("mule", "DIR/mule.py")]),
    mode("farm", &[("mules", "2"), ("farm", "f:1,2")]),
    mode("spooler", &[("spooler", "DIR/spool"), ("import", "tasks")]),
    mode(
        "cron and timer",
        &[("cron2", "minute=-1 true"), ("import", "tasks")],
    ),
    mode(
        "mounts, each with an interpreter",
        &[
            ("mount", "/a=DIR/app.py"),
            ("mount", "/b=DIR/app.py"),
            ("manage-script-name", "true"),
        ],
    ),
    mode(
        "mounts in one interpreter",
        &[
            ("mount", "/a=DIR/app.py"),
            ("mount", "/b=DIR/app.py"),
            ("manage-script-name", "true"),
            ("single-interpreter", "true"),
        ],
    ),
    mode("single-interpreter", &[("single-interpreter", "true")]),
    mode("lazy-apps", &[("lazy-apps", "true")]),
    mode("lazy", &[("lazy", "true")]),
    Mode {
        on: Flavour::Debian,
        ..mode("uid and gid", &[("uid", "65534"), ("gid", "65534")])
    },
    mode("py-tracebacker", &[("py-tracebacker", "DIR/traceback-")]),
    mode(
        "py-autoreload",
        &[("py-autoreload", "1"), ("enable-threads", "true")],
    ),
    reloaded(
        Reload::Touch,
        mode("touch-reload", &[("touch-reload", "DIR/reload")]),
    ),
    reloaded(
        Reload::Touch,
        mode(
            "touch-workers-reload",
            &[("touch-workers-reload", "DIR/reload")],
        ),
    ),
    reloaded(
        Reload::Touch,
        mode(
            "touch-chain-reload",
            &[("touch-chain-reload", "DIR/reload"), ("lazy-apps", "true")],
        ),
    ),
    reloaded(
        Reload::Fifo("r"),
        mode("master-fifo, r", &[("master-fifo", "DIR/fifo")]),
    ),
    reloaded(
        Reload::Fifo("c"),
        mode(
            "master-fifo, c",
            &[("master-fifo", "DIR/fifo"), ("lazy-apps", "true")],
        ),
    ),
    mode("stats on a UNIX socket", &[("stats", "DIR/stats.sock")]),
    mode("attach-daemon", &[("attach-daemon", "sleep 1000")]),
    mode(
        "attach-daemon2",
        &[("attach-daemon2", "cmd=sleep 1000,stopsignal=15")],
    ),
    mode("log-master", &[("log-master", "true")]),
    mode(
        "threaded-logger",
        &[("log-master", "true"), ("threaded-logger", "true")],
    ),
    mode("harakiri", &[("harakiri", "30")]),
    mode("evil-reload-on-rss", &[("evil-reload-on-rss", "4000")]),
    mode("reload-on-rss", &[("reload-on-rss", "1")]),
    mode("skip-atexit", &[("skip-atexit", "true")]),
    mode("skip-atexit-teardown", &[("skip-atexit-teardown", "true")]),
    mode("vacuum", &[("vacuum", "true"), ("pidfile", "DIR/pid")]),
    mode("thunder-lock", &[("thunder-lock", "true")]),
    mode("metrics", &[("enable-metrics", "true")]),
    mode("cpu-affinity", &[("cpu-affinity", "1")]),
    mode(
        "reload-mercy",
        &[("reload-mercy", "3"), ("worker-reload-mercy", "3")],
    ),
    mode("memory-report", &[("memory-report", "true")]),
    mode("auto-procname", &[("auto-procname", "true")]),
    mode("max-worker-lifetime", &[("max-worker-lifetime", "3600")]),
    mode("no-orphans", &[("no-orphans", "true")]),
];
