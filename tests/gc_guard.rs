//! `pycow-gc-guard`: code that changes the collector's policy is overruled, and named once.

use pycow_testkit::{default_host, hosts, skip, Flavour, Uwsgi};

/// Line 4 and the lines in `application` are looked for in the log.
const APP: &str = r#"import gc
from gc import enable as early_enable

gc.set_threshold(500)
gc.enable()

def application(env, start):
    early_enable()
    gc.unfreeze()
    gc.set_threshold(777, 5, 5)
    start("200 OK", [])
    return [("%d %d" % (gc.get_threshold()[0], gc.get_freeze_count())).encode()]
"#;

#[test]
fn under_off_callers_are_overruled_and_named_once() {
    for host in hosts() {
        println!("{}", host.name);
        let uwsgi = Uwsgi::on(&host)
            .app(APP)
            .with_pycow()
            .set("pycow-gc", "off")
            .start();
        for _ in 0..3 {
            assert!(uwsgi.get("/").body.starts_with("0 "));
        }
        let finished = uwsgi.stop();
        let log = &finished.log;
        for (function, line) in [
            ("set_threshold", 4),
            ("enable", 5),
            ("enable", 8),
            ("unfreeze", 9),
            ("set_threshold", 10),
        ] {
            let named = format!("[pycow] WARNING: gc.{function}() at ");
            let place = format!("app.py:{line} is overruled");
            let times = log
                .lines()
                .filter(|text| text.starts_with(&named) && text.contains(&place))
                .count();
            assert_eq!(times, 1, "{named} .. {place}\n{log}");
        }
    }
}

/// What undoes a `gc.disable` changes no policy. `weakref` does so in every process that leaves.
#[test]
fn who_disables_and_enables_again_is_not_named() {
    let app = "import gc, weakref\n\nclass Thing: pass\nthing = Thing()\nweakref.finalize(thing, print)\n\n\
               def application(env, start):\n    gc.disable()\n    gc.enable()\n    start('200 OK', [])\n    \
               return [b'%d %d' % (gc.isenabled(), gc.get_threshold()[0])]\n";
    for host in hosts() {
        let uwsgi = Uwsgi::on(&host).app(app).with_pycow();
        let uwsgi = uwsgi.set("pycow-gc", "off").start();
        assert_eq!(uwsgi.get("/").body, "1 0", "{}", host.name);
        let finished = uwsgi.stop();
        let named = finished.log.lines().find(|line| line.contains("overruled"));
        assert_eq!(named, None, "{}", host.name);
    }
}

#[test]
fn a_function_taken_before_pycow_came_is_overruled_too() {
    // In the wheel Python runs before uWSGI does: the only place where code can be that early.
    let host = default_host();
    if host.flavour != Flavour::Pyuwsgi {
        return skip("this uWSGI is no wheel");
    }
    let start = "import gc, sys; sys.early = gc.enable\nimport pyuwsgi; pyuwsgi.run()\n";
    let app = "import gc, sys\n\ndef application(env, start):\n    sys.early()\n    \
               start('200 OK', [])\n    return [str(gc.get_threshold()[0]).encode()]\n";
    let python = host.interpreter.as_ref().unwrap().display();
    let uwsgi = Uwsgi::on(&host).app(app).file("start.py", start);
    let script = uwsgi.dir().join("start.py");
    let uwsgi = uwsgi
        .with_pycow()
        .set("pycow-gc", "off")
        .through(&format!("shift; exec {python} {} \"$@\"", script.display()))
        .start();
    assert_eq!(uwsgi.get("/").body, "0");
    uwsgi.await_log("gc.enable() at ");
}

#[test]
fn under_freeze_it_is_off_unless_asked_for() {
    let free = Uwsgi::on(&default_host()).app(APP).with_pycow().start();
    assert_eq!(free.get("/").body, "777 0");
    assert!(!free.stop().log.contains("overruled"));

    let guarded = Uwsgi::on(&default_host()).app(APP).with_pycow();
    let guarded = guarded
        .flag("pycow-gc-guard")
        .set("pycow-gc-threshold", 900)
        .start();
    let answer = guarded.get("/").body;
    let (threshold, frozen) = answer.split_once(' ').unwrap();
    assert_eq!(threshold, "900");
    assert!(
        frozen.parse::<u32>().unwrap() > 1000,
        "unfreeze had no effect"
    );
    let finished = guarded.stop();
    let log = &finished.log;
    // In a worker, gc.enable only undoes a gc.disable: that is allowed.
    assert!(log.contains("app.py:9 is overruled"), "unfreeze is named");
    assert!(!log.contains("app.py:8 is overruled"), "enable is not");
}
