//! Options: a wrong value ends the start with one line, the last of two wins.

use std::{collections::BTreeSet, ffi::OsStr, process::Command};

use pycow_testkit::{default_host, hosts, plugin_path, Uwsgi, HELLO};

/// All options of pycow that uWSGI shows.
fn in_help() -> BTreeSet<String> {
    let finished = pycow().arg("--help").run();
    let names = finished.log.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("--")?.split_whitespace().next()?;
        name.starts_with("pycow-").then(|| name.to_owned())
    });
    names.collect()
}

fn pycow() -> Uwsgi {
    Uwsgi::on(&default_host()).app(HELLO).with_pycow()
}

/// uWSGI prints its list where it reads `--help`, and README and docs say so.
#[test]
fn help_lists_them_where_the_plugin_stands_before_it() {
    let plugin = plugin_path();
    let (plugin, load, help) = (
        plugin.as_os_str(),
        OsStr::new("--plugin"),
        OsStr::new("--help"),
    );
    for host in hosts() {
        let listed = |arguments: [&OsStr; 3]| {
            let output = Command::new(&host.uwsgi).args(arguments).output().unwrap();
            assert!(output.status.success(), "{}: {output:?}", host.name);
            let list = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(list.contains("--socket"), "{list}");
            list.matches("--pycow-").count()
        };
        assert_eq!(listed([load, plugin, help]), 17, "{}", host.name);
        assert_eq!(listed([help, load, plugin]), 0, "{}", host.name);
    }
}

#[test]
fn every_wrong_value_of_every_option_is_refused_by_one_line() {
    let wrong: [(&str, &[&str], &str); 17] = [
        (
            "pycow-gc",
            &["never", "FREEZE", ""],
            "keep, off, freeze or immortal",
        ),
        (
            "pycow-gc-threshold",
            &["0", "-5", "many", "1,2,3,4", "1,,2", "99999999999"],
            "auto, cpython, or one to three whole numbers",
        ),
        ("pycow-gc-guard", &["maybe", "2"], "true or false"),
        ("pycow-ksm", &["perhaps"], "true or false"),
        ("pycow-exit", &["slow", "fast,full"], "fast or full"),
        ("pycow-fork", &["Host", "os"], "cpython or host"),
        (
            "pycow-exit-grace",
            &["-1", "1.5", "5s", "86401"],
            "a whole number of seconds",
        ),
        (
            "pycow-exit-timeout",
            &["-1", "1.5", "30s", "86401"],
            "a whole number of seconds",
        ),
        (
            "pycow-sample",
            &["-1", "often", "86401", ""],
            "a whole number of seconds",
        ),
        (
            "pycow-mortal",
            &["", "Class", "module.", ".Class", "a b.C"],
            "the name of a class with its module",
        ),
        (
            "pycow-warmup",
            &["", "relative", "http://", "two words", "@/nonexistent"],
            "a path that begins with /",
        ),
        ("pycow-warmup-rounds", &["0", "1001", "x"], "a whole number"),
        (
            "pycow-warmup-timeout",
            &["0", "-1", "86401"],
            "a whole number of seconds",
        ),
        ("pycow-fork-check", &["perhaps"], "true or false"),
        (
            "pycow-reload-on-private",
            &["0", "-1", "1.5", "200M", "1048577"],
            "a whole number of megabytes",
        ),
        (
            "pycow-instance",
            &["", "two words", "a\"b"],
            "a name of at most 100",
        ),
        (
            "pycow-textfile",
            &["", "relative.prom", "/nonexistent/pycow.prom"],
            "the absolute path of a file",
        ),
    ];
    let covered: BTreeSet<String> = wrong.iter().map(|row| row.0.to_owned()).collect();
    assert_eq!(covered, in_help(), "every option is tried");
    for (option, values, allowed) in wrong {
        for value in values {
            let finished = pycow().set(option, value).run();
            assert_eq!(finished.status.code(), Some(1), "{option} = {value}");
            let lines: Vec<&str> = finished
                .log
                .lines()
                .filter(|line| line.contains("[pycow] ERROR") || line.contains("[pycow] WARNING"))
                .collect();
            assert_eq!(lines.len(), 1, "{lines:?}");
            let said =
                format!("[pycow] ERROR: invalid value \"{value}\" for option {option}, allowed: ");
            assert!(lines[0].starts_with(&said), "{}", lines[0]);
            assert!(lines[0].contains(allowed), "{}", lines[0]);
        }
    }
}

#[test]
fn a_wrong_value_on_the_command_line_is_refused_too() {
    let finished = pycow().arg("--pycow-exit=never").run();
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished
        .log
        .contains("invalid value \"never\" for option pycow-exit"));
}

#[test]
fn the_last_of_two_wins() {
    let uwsgi = pycow()
        .set("pycow-gc", "off")
        .set("pycow-gc", "keep")
        .start();
    uwsgi.await_log(": gc keep, exit fast");
}

#[test]
fn a_switch_needs_no_value() {
    let uwsgi = pycow().arg("--pycow-gc-guard").start();
    uwsgi.await_log(", guarded, exit fast");
    // A key alone in an ini, as for uWSGI's own switches.
    let uwsgi = pycow();
    let more = uwsgi.dir().join("more.ini");
    let uwsgi = uwsgi.file("more.ini", "[uwsgi]\npycow-gc-guard\n");
    let uwsgi = uwsgi.set("ini", more.display()).start();
    uwsgi.await_log(", guarded, exit fast");
}

#[test]
fn the_start_line_names_versions_and_policy() {
    let host = default_host();
    let uwsgi = pycow()
        .set("pycow-exit-timeout", 7)
        .set("pycow-gc-threshold", "9,8")
        .start();
    let line = uwsgi.await_log("[pycow] ");
    let (major, minor) = host.python;
    let expected = format!(
        "[pycow] {} on uWSGI {} and CPython {major}.{minor}.",
        env!("CARGO_PKG_VERSION"),
        host.version()
    );
    let line = line.replace("-debian and", " and");
    assert!(line.starts_with(&expected), "{expected}: {line}");
    let policy = ": gc freeze (thresholds 9,8,10 in workers), exit fast (hooks within 7 s)";
    assert!(line.ends_with(policy), "{line}");
}

#[test]
fn each_option_without_effect_is_told() {
    let uwsgi = pycow()
        .set("pycow-gc", "off")
        .set("pycow-gc-threshold", 9)
        .set("pycow-mortal", "app.Class")
        .set("pycow-exit", "full")
        .set("pycow-exit-timeout", 9)
        .set("pycow-warmup-rounds", 2)
        .start();
    for line in [
        "pycow-gc-threshold has no effect with pycow-gc = off",
        "pycow-mortal has no effect with pycow-gc = off",
        "pycow-exit-timeout has no effect with pycow-exit = full",
        "pycow-warmup-rounds has no effect without pycow-warmup",
    ] {
        uwsgi.await_log(&format!("[pycow] WARNING: {line}"));
    }
}

#[test]
fn an_option_that_nobody_knows_is_named_with_the_nearest() {
    for host in hosts() {
        println!("{}", host.name);
        let uwsgi = Uwsgi::on(&host).app(HELLO).with_pycow();
        let uwsgi = uwsgi.set("pycow-gcc", "off").set("pycow_ksm", "true");
        let uwsgi = uwsgi.set("pycow-exit", "fast").start();
        assert_eq!(uwsgi.get("/").body, "hello");
        let log = uwsgi.log();
        for line in [
            "[pycow] WARNING: unknown option pycow-gcc is ignored, did you mean pycow-gc?",
            "[pycow] WARNING: unknown option pycow_ksm is ignored, did you mean pycow-ksm?",
        ] {
            assert_eq!(log.matches(line).count(), 1, "{line}");
        }
        assert_eq!(log.matches("unknown option").count(), 2);
    }
}
