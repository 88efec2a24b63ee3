//! Modes that take more than lines of one configuration.

use pycow_testkit::Flavour;

use super::table::{mode, Mode, Reload};

/// Where the loops of Debian's uWSGI and their modules were unpacked.
const LOOPS: &str = "LOOPS/usr/lib/uwsgi/plugins";
const MODULES: &str = "LOOPS/usr/lib/python3/dist-packages";

/// A shell in the place of an instance that leaves for the background: passes signals on, and shows its log.
const DAEMON: &str = "\"$@\"; until [ -s DIR/pid ]; do sleep 0.05; done; pid=$(cat DIR/pid); \
    trap \"kill -HUP $pid\" HUP; trap \"kill -TERM $pid\" TERM; \
    tail -n +1 --pid=$pid -f DIR/log & tail=$!; \
    while kill -0 $tail 2>/dev/null; do wait $tail; done; exit 0";

/// All of them.
pub const SPECIAL: &[Mode] = &[
    Mode {
        reload: Reload::Vassal,
        on: Flavour::Debian,
        through: Some(
            "mkdir DIR/vassals && ln -s DIR/uwsgi.ini DIR/vassals && \
             exec \"$1\" --master --emperor DIR/vassals --die-on-term",
        ),
        ..mode("emperor with a vassal", &[])
    },
    Mode {
        reload: Reload::Vassal,
        on: Flavour::Debian,
        through: Some(
            "mkdir DIR/vassals && ln -s DIR/uwsgi.ini DIR/other.ini DIR/vassals && \
             exec \"$1\" --master --emperor DIR/vassals --die-on-term",
        ),
        other: Some(
            "[uwsgi]
plugins-dir = /usr/lib/uwsgi/plugins
plugin = python3
PYCOW
master = true
socket = DIR/other.sock
wsgi-file = DIR/app.py
need-app = true
die-on-term = true
hook-accepting = print:pycow-testkit: a worker accepts
",
        ),
        others: 1,
        ..mode("emperor with two vassals", &[])
    },
    Mode {
        on: Flavour::Debian,
        through: Some(
            "mkdir DIR/root && exec unshare --mount sh -c 'mount --rbind / DIR/root && exec \"$@\"' sh \"$@\"",
        ),
        ..mode("chroot", &[("chroot", "DIR/root")])
    },
    Mode {
        reload: Reload::None,
        on: Flavour::Debian,
        through: Some(
            "mkdir DIR/root && exec unshare --mount sh -c \
             'mount --bind / DIR/root && mount --bind /dev DIR/root/dev && exec \"$@\"' sh \"$@\"",
        ),
        ..mode("chroot without /proc", &[("chroot", "DIR/root")])
    },
    Mode {
        on: Flavour::Debian,
        other: Some(
            "[uwsgi]
plugins-dir = /usr/lib/uwsgi/plugins
plugin = python3
PYCOW
master = true
processes = 2
zerg = DIR/zerg
protocol = http
wsgi-file = DIR/app.py
need-app = true
die-on-term = true
hook-accepting = print:pycow-testkit: a worker accepts
",
        ),
        others: 2,
        ..mode(
            "zerg",
            &[
                ("zerg-server", "DIR/zerg"),
                ("attach-daemon", "env -u UWSGI_RELOADS /usr/bin/uwsgi-core --ini DIR/other.ini"),
            ],
        )
    },
    Mode {
        through: Some(DAEMON),
        ..mode(
            "daemonize",
            &[("daemonize", "DIR/log"), ("pidfile", "DIR/pid")],
        )
    },
    Mode {
        through: Some(DAEMON),
        ..mode(
            "daemonize2",
            &[
                ("daemonize2", "DIR/log"),
                ("safe-pidfile2", "DIR/pid"),
                ("enable-threads", "true"),
            ],
        )
    },
    Mode {
        on: Flavour::Debian,
        through: Some("exec env LD_LIBRARY_PATH=$(echo LOOPS/usr/lib/*-linux-gnu) \"$@\""),
        ..mode(
            "gevent loop",
            &[
                ("plugins-dir", LOOPS),
                ("need-plugin", "gevent_pythonXY"),
                ("pythonpath", MODULES),
                ("gevent", "10"),
            ],
        )
    },
    Mode {
        on: Flavour::Debian,
        ..mode(
            "asyncio loop",
            &[
                ("plugins-dir", LOOPS),
                ("need-plugin", "greenlet_pythonXY"),
                ("need-plugin", "asyncio_pythonXY"),
                ("pythonpath", MODULES),
                ("asyncio", "10"),
                ("greenlet", "true"),
            ],
        )
    },
    Mode {
        request: "
    pid = os.fork()
    if not pid:
        os._exit(3)
    assert os.waitpid(pid, 0)[1] == 3 << 8
",
        ..mode("Python that forks: os.fork", &[])
    },
    Mode {
        request: "
    pid = os.fork()
    if not pid:
        print('a child says so', flush=True)
        sys.exit(3)
    assert os.waitpid(pid, 0)[1] >> 8 == 3
",
        ..mode("Python that forks: os.fork and sys.exit", &[])
    },
    Mode {
        request: "
    process = multiprocessing.get_context('fork').Process(target=sum, args=([1, 2],))
    process.start()
    process.join()
    assert process.exitcode == 0
",
        ..mode("Python that forks: multiprocessing", &[])
    },
    Mode {
        request: "
    assert subprocess.run(['true'], preexec_fn=os.setsid).returncode == 0
",
        ..mode("Python that forks: subprocess with preexec_fn", &[])
    },
    Mode {
        request: "
    # Nobody waits for it: it outlives the worker.
    if not os.path.exists('left'):
        open('left', 'w').close()
        if not os.fork():
            os.setsid()
            time.sleep(5)
            os._exit(0)
",
        ..mode("Python that forks: a child that stays behind", &[])
    },
];
