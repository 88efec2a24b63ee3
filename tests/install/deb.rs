//! The .deb, as dpkg sees it.

use std::process::Command;

use crate::{
    dist::artefact,
    life::{lived, Kind, DEBIAN},
    root::Root,
};

#[test]
fn it_depends_on_uwsgi_alone() {
    let output = Command::new("dpkg-deb")
        .arg("--field")
        .arg(artefact("_amd64.deb"))
        .arg("Depends")
        .output();
    assert_eq!(
        String::from_utf8(output.unwrap().stdout).unwrap().trim(),
        "uwsgi-core"
    );
}

#[test]
fn installed_upgraded_under_load_and_removed() {
    let root = Root::of(DEBIAN);
    let kind = Kind {
        packager: "deb",
        file: |version| format!("uwsgi-plugin-pycow_{version}_amd64.deb"),
        // Debian's uWSGI finds it by its name.
        needs: "pycow",
        installed: "/usr/lib/uwsgi/plugins/pycow_plugin.so",
        install: &|package| {
            // What `make dist` left is seen there, and so is /tmp.
            let name = package.file_name().unwrap().display().to_string();
            let newer = package.starts_with("/tmp");
            let path = if newer {
                package.display().to_string()
            } else {
                format!("/dist/{name}")
            };
            root.must(&format!("dpkg --install {path}"));
        },
        remove: &|| {
            root.must("dpkg --remove uwsgi-plugin-pycow");
        },
    };
    lived(&root, &kind);
}
