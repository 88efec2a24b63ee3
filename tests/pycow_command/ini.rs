//! `pycow check` reads files of a configuration as uWSGI does.

use std::fs;

use pycow_testkit::default_host;

use crate::{check::has, command::Package};

#[test]
fn sections_includes_and_placeholders_are_read_as_uwsgi_reads_them() {
    let package = Package::new();
    let plugin = package.plugin();
    let folder = plugin.parent().unwrap().display();
    fs::write(
        package.dir().join("both.ini"),
        format!(
            "; a comment\n[base]\nhome = {folder}\nmaster = true\n[live]\nini = :base\nneed-plugin = %(home)/pycow_plugin.so\n\
             strict = 1\nenable-threads\n  pycow-gcc=off  \r\n[uwsgi]\npycow-nothing = 1\n"
        ),
    )
    .unwrap();
    let host = default_host();
    let uwsgi = host.uwsgi.to_str().unwrap();
    let said = package.pycow(&["check", "both.ini:live", "--uwsgi", uwsgi]);
    assert_eq!(
        (said.status, said.output.as_str()),
        (
            1,
            "both.ini:10: error: pycow has no option pycow-gcc: did you mean pycow-gc?\n\
             both.ini:live: 1 error and 0 remarks\n"
        )
    );
    let said = package.pycow(&["check", "both.ini:none", "--uwsgi", uwsgi]);
    has(
        &said,
        1,
        "both.ini:none: error: both.ini: no section [none]: uWSGI would read nothing from it",
    );
    let said = package.pycow(&["check", "missing.ini"]);
    has(
        &said,
        1,
        "missing.ini: error: missing.ini: No such file or directory",
    );
    fs::write(package.dir().join("app.yaml"), "uwsgi:\n  pycow-gc: off\n").unwrap();
    let said = package.pycow(&["check", "app.yaml"]);
    let only = "app.yaml: error: app.yaml: only ini files are read";
    has(&said, 1, only);
}
