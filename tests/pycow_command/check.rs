//! `pycow check`: each mistake has its line, and what is right has none.

use std::fs;

use pycow_testkit::{default_host, host_of, hosts, Flavour, Host, Uwsgi};

use crate::command::{Package, Said};

const RIGHT: &str = "strict = true\nmaster = true\nenable-threads = true\nmodule = app\n";

/// A configuration that is right but for `lines`, which come first.
fn check(package: &Package, host: &Host, lines: &str) -> Said {
    let plugin = package.plugin();
    let python = host
        .python_plugin
        .as_ref()
        .map_or(String::new(), |name| format!("plugin = {name}\n"));
    package.check(
        host,
        &format!(
            "need-plugin = {}\n{lines}\n{python}{RIGHT}",
            plugin.display()
        ),
    )
}

pub fn has(said: &Said, status: i32, line: &str) {
    assert_eq!(said.status, status, "{said:?}");
    assert!(
        said.output.lines().any(|each| each == line),
        "{line}\n{}",
        said.output
    );
}

#[test]
fn what_is_right_has_no_remark_and_starts() {
    let package = Package::new();
    for host in hosts() {
        println!("{}", host.name);
        let said = check(
            &package,
            &host,
            "pycow-gc = freeze\npycow-ksm = true\npycow-exit-timeout = 9",
        );
        assert_eq!(
            (said.status, said.output.as_str()),
            (0, "app.ini: nothing to report\n")
        );
    }
    // As it stands, on a real one.
    let uwsgi = Uwsgi::on(&default_host())
        .app("def application(env, start):\n    start('200 OK', [])\n    return []\n");
    let uwsgi = uwsgi.set("need-plugin", package.plugin().display());
    let uwsgi = uwsgi
        .flag("strict")
        .flag("enable-threads")
        .set("pycow-gc", "freeze")
        .start();
    assert_eq!(uwsgi.get("/").status, 200);
}

#[test]
fn what_is_refused_at_the_start_is_an_error_before() {
    let package = Package::new();
    let host = default_host();
    for (line, why) in [
        (
            "pycow-gc",
            "invalid value \"\" for option pycow-gc, allowed: keep, off, freeze or immortal",
        ),
        (
            "pycow-textfile = /nonexistent/a.prom",
            "pycow-textfile: no such folder: /nonexistent",
        ),
    ] {
        let said = check(&package, &host, line);
        has(&said, 1, &format!("app.ini:3: error: {why}"));
    }
    let said = check(&package, &host, "pycow-ksm\npycow-textfile = /tmp/a.prom");
    assert_eq!(said.output, "app.ini: nothing to report\n");
}

#[test]
fn unknown_options_are_named_with_the_nearest() {
    let package = Package::new();
    let said = check(
        &package,
        &default_host(),
        "pycow-gcc = off\npycow_ksm = true",
    );
    has(
        &said,
        1,
        "app.ini:3: error: pycow has no option pycow-gcc: did you mean pycow-gc?",
    );
    has(
        &said,
        1,
        "app.ini:4: error: pycow has no option pycow_ksm: did you mean pycow-ksm?",
    );
}

#[test]
fn a_wrong_value_is_refused_in_the_plugin_s_own_words() {
    let package = Package::new();
    let debian = host_of(Flavour::Debian);
    for host in [Some(default_host()), host_of(Flavour::Pypi), debian]
        .into_iter()
        .flatten()
    {
        let said = check(
            &package,
            &host,
            "pycow-gc = never\npycow-gc-guard\npycow-gc = freeze",
        );
        let line = "app.ini:3: error: invalid value \"never\" for option pycow-gc, allowed: keep, off, freeze or immortal";
        has(&said, 1, line);
        assert_eq!(said.output.matches("error:").count(), 1, "{}", said.output);
    }
}

#[test]
fn options_without_the_plugin_are_told() {
    let package = Package::new();
    let said = package.check(&default_host(), &format!("pycow-gc = freeze\n{RIGHT}"));
    let plugin = package.plugin();
    has(
        &said,
        1,
        &format!(
            "app.ini:2: error: pycow-gc is ignored: pycow is not loaded: add need-plugin = {}",
            plugin.display()
        ),
    );
    let said = package.check(&default_host(), RIGHT);
    has(
        &said,
        1,
        &format!(
            "app.ini: error: pycow is not loaded: add need-plugin = {}",
            plugin.display()
        ),
    );
}

#[test]
fn a_plugin_that_cannot_be_found_or_loaded_is_told() {
    let package = Package::new();
    let path = package.plugin().display().to_string();
    let host = default_host();
    let said = package.check(&host, &format!("need-plugin = pycow\n{RIGHT}"));
    has(
        &said,
        1,
        &format!("app.ini:2: error: no such file: pycow_plugin.so: write need-plugin = {path}"),
    );
    let said = package.check(
        &host,
        &format!("need-plugin = /srv/pycow_plugin.so\n{RIGHT}"),
    );
    has(
        &said,
        1,
        &format!(
            "app.ini:2: error: no such file: /srv/pycow_plugin.so: write need-plugin = {path}"
        ),
    );

    fs::create_dir(package.dir().join("broken")).unwrap();
    fs::write(package.dir().join("broken/pycow_plugin.so"), "no object").unwrap();
    let said = package.check(
        &host,
        &format!("plugins-dir = broken\nneed-plugin = pycow\n{RIGHT}"),
    );
    assert_eq!(said.status, 1);
    assert!(
        said.output
            .contains("app.ini:3: error: uWSGI cannot load broken/pycow_plugin.so: "),
        "{}",
        said.output
    );
    assert!(said.output.contains("file too short"), "{}", said.output);
}

#[test]
fn a_plugin_that_is_not_needed_is_a_warning() {
    let package = Package::new();
    let plugin = package.plugin();
    let said = package.check(
        &default_host(),
        &format!("plugin = python3,{}\n{RIGHT}", plugin.display()),
    );
    assert_eq!(said.status, 0);
    assert!(said.output.contains(
        "app.ini:2: warning: if it cannot be loaded, uWSGI goes on without it: write need-plugin"
    ));
}

#[test]
fn what_takes_the_gain_away_is_a_warning() {
    let package = Package::new();
    let said = check(&package, &default_host(), "lazy-apps = true");
    has(&said, 0, "app.ini:3: warning: lazy-apps: every worker loads a heap of its own, there is nothing to share");
    let said = check(&package, &default_host(), "lazy-apps = false");
    assert!(!said.output.contains("lazy-apps"));

    let plugin = package.plugin();
    let said = package.check(
        &default_host(),
        &format!("need-plugin = {}\nmodule = app", plugin.display()),
    );
    has(
        &said,
        0,
        "app.ini: warning: no master: there is nothing to share memory with",
    );
    has(
        &said,
        0,
        "app.ini: note: with strict = true uWSGI refuses options that it does not know",
    );
}

#[test]
fn immortal_needs_a_newer_python() {
    let package = Package::new();
    for host in hosts() {
        let said = check(&package, &host, "pycow-gc = immortal");
        let told = said.output.contains("app.ini:3: warning: CPython 3.");
        assert_eq!(
            (said.status, told),
            (0, host.python < (3, 12)),
            "{}: {}",
            host.name,
            said.output
        );
    }
}

#[test]
fn a_uwsgi_that_is_not_known_is_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let package = Package::new();
    let stub = package.dir().join("uwsgi");
    // Answers as uWSGI's next series would.
    let script =
        "#!/bin/sh\ncase \"$*\" in *python-version*) echo 3.7.17;; *version*) echo 2.1.0;; esac\n";
    fs::write(&stub, script).unwrap();
    fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).unwrap();
    let host = Host {
        uwsgi: stub.clone(),
        ..default_host()
    };
    let said = check(&package, &host, "");
    has(
        &said,
        1,
        &format!(
            "app.ini: error: {} is uWSGI 2.1.0: pycow knows 2.0",
            stub.display()
        ),
    );
    has(
        &said,
        1,
        "app.ini: error: CPython 3.7.17: pycow knows 3.8 to 3.15",
    );
    let none = package.pycow(&["version", "--uwsgi", "/bin/true"]);
    let line = "pycow: /bin/true tells no version of uWSGI: is it one?\n";
    assert_eq!((none.status, none.errors.as_str()), (1, line));
}
