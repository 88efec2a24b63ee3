//! `pycow`, `pycow version` and `pycow install`.

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt, PermissionsExt},
};

use pycow_testkit::{default_host, host_of, Flavour};

use crate::command::Package;

#[test]
fn without_a_command_it_prints_the_path_of_the_plugin() {
    let package = Package::new();
    let said = package.pycow(&[]);
    assert_eq!(said.status, 0);
    assert_eq!(said.output, format!("{}\n", package.plugin().display()));
}

#[test]
fn versions_are_told_of_file_uwsgi_and_python() {
    let package = Package::new();
    for host in [
        Some(default_host()),
        host_of(Flavour::Pypi),
        host_of(Flavour::Debian),
    ] {
        let Some(host) = host else { continue };
        let said = package.pycow(&["version", "--uwsgi", host.uwsgi.to_str().unwrap()]);
        assert_eq!(said.status, 0, "{said:?}");
        let (major, minor) = host.python;
        assert!(said
            .output
            .contains(concat!("pycow ", env!("CARGO_PKG_VERSION"), " (")));
        assert!(said.output.contains("uWSGI 2.0."), "{said:?}");
        assert!(
            said.output.contains(&format!("CPython {major}.{minor}.")),
            "{said:?}"
        );
    }
}

#[test]
fn the_version_of_any_file_can_be_asked() {
    let package = Package::new();
    fs::write(package.dir().join("other.so"), "no plugin").unwrap();
    let said = package.pycow(&["version", "other.so"]);
    assert_eq!(said.status, 1);
    assert!(
        said.errors.contains("other.so: no plugin of pycow"),
        "{said:?}"
    );
    assert_eq!(said.errors.lines().count(), 1, "{said:?}");
}

#[test]
fn a_file_that_is_in_use_keeps_its_content() {
    let package = Package::new();
    let folder = package.dir().join("plugins");
    fs::create_dir(&folder).unwrap();
    let target = folder.join("pycow_plugin.so");
    fs::write(&target, "an older one").unwrap();
    let in_use = File::open(&target).unwrap();
    let old = in_use.metadata().unwrap().ino();

    let said = package.pycow(&["install", "plugins"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.output.contains("instead of another file"), "{said:?}");
    assert_eq!(std::io::read_to_string(in_use).unwrap(), "an older one");
    assert_ne!(fs::metadata(&target).unwrap().ino(), old);
    assert_eq!(
        fs::read(&target).unwrap(),
        fs::read(package.plugin()).unwrap()
    );
    assert_eq!(
        fs::metadata(&target).unwrap().permissions().mode() & 0o777,
        0o644
    );
    // Nothing is left beside it.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);

    let said = package.pycow(&["install", "plugins"]);
    assert!(said.output.contains("is there already"), "{said:?}");
}

#[test]
fn a_folder_that_is_none_is_refused_in_one_line() {
    let package = Package::new();
    let said = package.pycow(&["install", "nowhere"]);
    assert_eq!(
        (said.status, said.errors.as_str()),
        (1, "pycow: nowhere is not a folder\n")
    );
    // PyPI's looks where it is started: that is no place to install into.
    let host = default_host();
    let said = package.pycow(&["install", "--uwsgi", host.uwsgi.to_str().unwrap()]);
    assert_eq!(said.status, 1);
    assert!(
        said.errors
            .contains("has no plugin folder of its own: name one"),
        "{said:?}"
    );
}
