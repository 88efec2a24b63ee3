//! `pycow check` on the line that loads the plugin, each beside what uWSGI itself says.

use std::process::Command;

use pycow_testkit::{default_host, hosts};

use crate::{check::has, command::Package};

/// What uWSGI says of the configuration that was checked last, where it refuses it.
fn refused(package: &Package) -> String {
    let uwsgi = Command::new(&default_host().uwsgi)
        .args(["--ini", "app.ini", "--clock", "none"])
        .current_dir(package.dir())
        .output()
        .unwrap();
    assert_eq!(uwsgi.status.code(), Some(1), "{uwsgi:?}");
    String::from_utf8(uwsgi.stderr).unwrap()
}

#[test]
fn a_second_line_that_needs_it_is_an_error() {
    let package = Package::new();
    let load = format!("need-plugin = {}", package.plugin().display());
    let rest = "strict = true\nmaster = true\nenable-threads = true";
    let said = package.check(&default_host(), &format!("{load}\n{load}\n{rest}"));
    has(
        &said,
        1,
        "app.ini:3: error: pycow is loaded already (app.ini:2), and uWSGI ends at a second need-plugin",
    );
    assert!(refused(&package).contains("unable to load plugin"));
}

#[test]
fn an_option_before_that_line_is_refused_by_strict() {
    let package = Package::new();
    let load = format!("need-plugin = {}", package.plugin().display());
    let option = "pycow-gc = freeze";
    let rest = "master = true\nenable-threads = true";
    let of =
        |lines: [&str; 3]| package.check(&default_host(), &format!("{}\n{rest}", lines.join("\n")));
    let said = of(["strict = true", option, &load]);
    has(
        &said,
        1,
        "app.ini:3: error: pycow-gc stands before the line that loads pycow: strict refuses it",
    );
    assert!(refused(&package).contains("unknown config directive: pycow-gc"));
    for lines in [
        ["strict = true", &load, option],
        [option, &load, "strict = true"],
    ] {
        assert_eq!(of(lines).output, "app.ini: nothing to report\n");
    }
}

#[test]
fn a_missing_python_plugin_is_an_error() {
    let package = Package::new();
    let load = format!("need-plugin = {}", package.plugin().display());
    let rest = "strict = true\nmaster = true\nenable-threads = true";
    let error = "app.ini: error: no Python plugin is loaded, and pycow is off without one: add plugin = python3";
    for host in hosts() {
        println!("{}", host.name);
        let said = package.check(&host, &format!("{load}\nplugin = pyton3\n{rest}"));
        let is_built_in = host.python_plugin.is_none();
        assert_eq!(
            said.output.lines().any(|line| line == error),
            !is_built_in,
            "{said:?}"
        );
        assert_eq!(said.status, i32::from(!is_built_in));
    }
}

/// uWSGI 2.0.27 and newer have `enable-threads` on by themselves.
#[test]
fn threads_are_a_matter_of_older_ones() {
    let package = Package::new();
    let load = format!("need-plugin = {}", package.plugin().display());
    for host in hosts() {
        let python = host.python_plugin.as_ref();
        let python = python.map_or(String::new(), |name| format!("plugin = {name}\n"));
        let said = package.check(
            &host,
            &format!("{load}\n{python}strict = true\nmaster = true"),
        );
        let noted = said
            .output
            .contains("app.ini: note: before uWSGI 2.0.27, no thread");
        assert_eq!(
            (said.status, noted),
            (0, !host.is_at_least((2, 0, 27))),
            "{}: {}",
            host.name,
            said.output
        );
    }
}
