//! What cannot be compared is refused with one line.

mod common;

use common::{method, without_wrk, Bench, Ran};
use pycow_testkit::default_host;

const HELLO: &str = "def application(environ, start_response):
    start_response('200 OK', [])
    return [b'hello']
";

fn refused(ran: &Ran, why: &str) {
    assert!(!ran.succeeded, "{why:?} was taken");
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.starts_with("error: ") && ran.stderr.contains(why),
        "{why:?} is not what it says: {}",
        ran.stderr
    );
    assert!(!ran.path("out").exists());
}

#[test]
fn wrong_options_are_refused() {
    if without_wrk() {
        return;
    }
    for (arguments, why) in [
        ("--requests 0", "'0' for '--requests"),
        ("--workers many", "'many' for '--workers"),
        ("--rounds=-1", "'-1' for '--rounds"),
        ("--host-gb=-64", "'-64' for '--host-gb"),
        ("--host-gb 0", "a number above 0 is wanted"),
        (
            "--scale 1,two",
            "'two' for '--scale <NUMBERS>': whole numbers",
        ),
        (
            "--methods freeze,magic",
            "there are stock, skip-atexit-teardown, ",
        ),
        ("--workloads huge", "there are whole, hot, "),
        ("--workloads wag", ", lazy, wagtail"),
        ("--lazy-apps maybe", "there are true, false, both"),
        ("--app wsgi.py --ini uwsgi.ini", "cannot be used with"),
        ("--urls urls", "--urls goes with --app or --ini"),
        ("--app none.py", "none.py: no such file"),
        ("--app .", ".: no file"),
        ("--ini none.ini", "none.ini: no such file"),
        ("--app wsgi.py --urls none", "none: No such file"),
        ("--app wsgi.py --urls empty", "empty: no path in it"),
        (
            "--app wsgi.py --urls relative",
            "relative, line 1: \"index\" is no path",
        ),
        (
            "--app wsgi.py --urls bad",
            "bad, line 2: \"second path\" is no path",
        ),
        ("--app wsgi.py --uwsgi none", "none: no such file"),
        ("--app wsgi.py --uwsgi /bin/true", "is it uWSGI?"),
        ("--app wsgi.py --uwsgi true", "/true: no version of uWSGI"),
        ("--nonsense", "'--nonsense'"),
    ] {
        let ran = Bench::bare()
            .file("wsgi.py", HELLO)
            .file("uwsgi.ini", "[uwsgi]\nmodule = wsgi\n")
            .file("urls", "/\n")
            .file("relative", "index\n")
            .file("empty", "# none\n")
            .file("bad", "/first\nsecond path\n")
            .with(arguments)
            .run();
        refused(&ran, why);
    }
}

#[test]
fn an_ini_that_cannot_be_compared_is_refused() {
    if without_wrk() {
        return;
    }
    for (ini, why) in [
        ("[uwsgi]\nprocesses = 2\n", "no module, wsgi-file or mount"),
        (
            "[uwsgi]\nmodule = one\nwsgi-file = two.py\n",
            "several applications",
        ),
        (
            "[uwsgi]\nmodule = one\nprocesses = few\n",
            "processes = few: no number",
        ),
        (
            "[uwsgi]\ninclude = none.ini\nmodule = one\n",
            "uWSGI does not take it: ",
        ),
    ] {
        let ran = Bench::on(&default_host())
            .file("uwsgi.ini", ini)
            .with("--ini uwsgi.ini")
            .run();
        refused(&ran, why);
    }
}

#[test]
fn without_wrk_it_says_how_to_get_it() {
    refused(
        &Bench::bare().env("PATH", "/nowhere").run(),
        "apt-get install wrk",
    );
}

#[test]
fn nothing_is_measured_for_a_report_that_cannot_be_written() {
    if without_wrk() {
        return;
    }
    let ran = Bench::on(&default_host())
        .file("wsgi.py", HELLO)
        .with("--app wsgi.py --scale 0")
        .to("/proc/self")
        .run();
    assert!(!ran.succeeded);
    assert!(
        ran.stderr.starts_with("error: /proc/self: ") && ran.stderr.lines().count() == 1,
        "{}",
        ran.stderr
    );
    assert_eq!(ran.stdout, "");
}

#[test]
fn an_application_that_does_not_load_shows_its_log() {
    if without_wrk() {
        return;
    }
    let ran = Bench::on(&default_host())
        .file("wsgi.py", "raise RuntimeError('no database')\n")
        .with("--app wsgi.py --scale 0")
        .run();
    assert!(!ran.succeeded);
    assert!(
        ran.stderr.contains("uWSGI ended at its start"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("RuntimeError: no database"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_look_at_the_application_is_enough_to_refuse_it() {
    if without_wrk() {
        return;
    }
    let look = |app: &str| {
        let bench = Bench::on(&default_host()).file("wsgi.py", app);
        bench.with("--app wsgi.py --look").run()
    };
    let broken = look("import no_such_module\n");
    assert!(!broken.succeeded);
    let why = "No module named 'no_such_module'";
    assert!(broken.stderr.contains(why), "{}", broken.stderr);
    assert!(!broken.path("out").exists());

    let good = look(HELLO).well();
    assert!(!good.path("out").exists(), "nothing was measured");
}

#[test]
fn the_application_sees_pythonpath() {
    if without_wrk() {
        return;
    }
    let app = format!("import beside\n{HELLO}");
    for arguments in ["--app site/wsgi.py", "--ini site/uwsgi.ini"] {
        let bench = || {
            Bench::on(&default_host())
                .file("site/wsgi.py", &app)
                .file("site/uwsgi.ini", "[uwsgi]\nwsgi-file = %dwsgi.py\n")
                .file("elsewhere/beside.py", "")
                .with(arguments)
                .with("--look")
        };
        let without = bench().run();
        assert!(!without.succeeded, "{arguments}");
        assert!(
            without.stderr.contains("No module named 'beside'"),
            "{}",
            without.stderr
        );
        // Relative, as it stands where `make bench` was called.
        bench().env("PYTHONPATH", "elsewhere").run().well();
    }
}

#[test]
fn nobody_measures_error_pages_unawares() {
    if without_wrk() {
        return;
    }
    let app = HELLO.replace(
        "'200 OK'",
        "'200 OK' if environ['PATH_INFO'] == '/good' else '500 No'",
    );
    let bench = || Bench::on(&default_host()).file("wsgi.py", &app);
    let bad = bench()
        .file("urls", "/bad\n")
        .with("--app wsgi.py --urls urls --scale 0")
        .run();
    assert!(!bad.succeeded);
    let why = "1 of 1 paths are answered with an error, /bad with 500: nothing to measure";
    assert!(bad.stderr.contains(why), "{}", bad.stderr);

    let app = HELLO.replace("start_response('200 OK', [])", "1 / 0");
    let dead = bench()
        .file("wsgi.py", &app)
        .with("--app wsgi.py --look")
        .run();
    assert!(!dead.succeeded);
    assert!(dead.stderr.contains("ZeroDivisionError"), "{}", dead.stderr);

    let mixed = bench()
        .file("urls", "/good\n/bad\n")
        .with("--app wsgi.py --urls urls --scale 0 --rounds 1 --requests 20 --methods stock")
        .run()
        .well();
    let said = "1 of 2 paths are answered with an error, /bad with 500\n";
    assert!(mixed.stdout.contains(said), "{}", mixed.stdout);
    let results = mixed.results();
    let failed = method(&results, "stock")["figures"]["errors"]["median"].as_f64();
    assert!(failed >= Some(8.0), "{failed:?} of 20 requests failed");
}
