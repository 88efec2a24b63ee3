//! The .rpm, as `rpm` sees it: into roots of its own, since Fedora's packages are on no mirror of Debian's.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use pycow_testkit::skip;
use tempfile::TempDir;

use crate::{
    dist::artefact,
    life::{lived, made, Kind, DEBIAN},
    root::Root,
};

const NAME: &str = "uwsgi-plugin-pycow";
const PLUGIN: &str = "/usr/lib64/uwsgi/pycow_plugin.so";

/// All that is in it: mode, owner and path, as `ls` has them.
const FILES: [&str; 5] = [
    "-rwxr-xr-x root:root /usr/lib64/uwsgi/pycow_plugin.so",
    "drwxr-xr-x root:root /usr/share/doc/uwsgi-plugin-pycow",
    "-rw-r--r-- root:root /usr/share/doc/uwsgi-plugin-pycow/CHANGELOG.md",
    "drwxr-xr-x root:root /usr/share/licenses/uwsgi-plugin-pycow",
    "-rw-r--r-- root:root /usr/share/licenses/uwsgi-plugin-pycow/LICENSE",
];

/// `rpm` with a database of its own below that folder; none where this machine has no `rpm`.
struct Rpm {
    /// The words before it that make it see the root.
    beside: String,
    root: PathBuf,
}

impl Rpm {
    fn of(beside: String, root: PathBuf) -> Option<Self> {
        if Command::new("rpm").arg("--version").output().is_err() {
            skip("no rpm");
            return None;
        }
        let rpm = Self { beside, root };
        rpm.must(&["--initdb"], None);
        Some(rpm)
    }

    fn run(&self, arguments: &[&str], file: Option<&Path>) -> Output {
        let mut words = self.beside.split_whitespace().chain(["rpm"]);
        let mut command = Command::new(words.next().unwrap());
        // Debian's has its database elsewhere.
        let options = ["--dbpath", "/var/lib/rpm", "--root"];
        command.args(words).args(options);
        command.arg(&self.root).args(arguments).args(file);
        command.output().unwrap()
    }

    fn must(&self, arguments: &[&str], file: Option<&Path>) -> String {
        let output = self.run(arguments, file);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// What is left of the package below a root, the database of rpm aside.
fn left(root: &Path) -> Vec<PathBuf> {
    let mut left = Vec::new();
    let mut folders = vec![root.join("usr")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().contains("pycow") {
                left.push(path.clone());
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    left
}

/// A package of the name `uwsgi` with nothing in it.
fn uwsgi_itself(folder: &Path) -> PathBuf {
    let config = folder.join("uwsgi.yaml");
    fs::write(&config, "name: uwsgi\narch: amd64\nversion: 2.0.31\n").unwrap();
    made("rpm", &config, folder, &[]);
    folder.join("uwsgi-2.0.31-1.x86_64.rpm")
}

#[test]
fn it_says_what_it_needs_and_has() {
    let folder = TempDir::new().unwrap();
    let Some(rpm) = Rpm::of(String::new(), folder.path().to_owned()) else {
        return;
    };
    let package = artefact(".x86_64.rpm");
    let needs = rpm.must(&["--query", "--requires", "--package"], Some(&package));
    // What rpm itself must be able to do stands there, too.
    let needs = needs.lines().filter(|line| !line.starts_with("rpmlib("));
    assert_eq!(needs.collect::<Vec<_>>(), ["uwsgi"]);
    let scripts = ["--query", "--scripts", "--triggers", "--package"];
    assert_eq!(rpm.must(&scripts, Some(&package)), "");
    let format = "[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\n]";
    let files = ["--query", "--queryformat", format, "--package"];
    let files = rpm.must(&files, Some(&package));
    assert_eq!(files.lines().collect::<Vec<_>>(), FILES);
}

#[test]
fn it_is_installed_beside_uwsgi_alone_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    let Some(rpm) = Rpm::of(String::new(), root.clone()) else {
        return;
    };
    let package = artefact(".x86_64.rpm");
    let refused = rpm.run(&["--install"], Some(&package));
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("uwsgi is needed by"), "{said}");

    let uwsgi = uwsgi_itself(folder.path());
    rpm.must(&["--install"], Some(&uwsgi));
    rpm.must(&["--install"], Some(&package));
    assert_eq!(rpm.must(&["--verify", NAME], None), "");
    let plugin = fs::metadata(root.join(&PLUGIN[1..])).unwrap();
    let is = (plugin.permissions().mode() & 0o7777, plugin.uid());
    assert_eq!(is, (0o755, 0));

    rpm.must(&["--erase", NAME], None);
    assert_eq!(left(&root), Vec::<PathBuf>::new());
}

#[test]
fn installed_upgraded_under_load_and_removed() {
    let root = Root::of(DEBIAN);
    let (beside, folder) = root.beside();
    let Some(rpm) = Rpm::of(beside, folder) else {
        return;
    };
    // That Debian's uWSGI is no package of rpm's.
    let kind = Kind {
        packager: "rpm",
        file: |version| format!("{NAME}-{version}-1.x86_64.rpm"),
        // Where Fedora's uWSGI looks; Debian's has another folder.
        needs: PLUGIN,
        installed: PLUGIN,
        install: &|package| {
            rpm.must(&["--upgrade", "--nodeps"], Some(package));
        },
        remove: &|| {
            rpm.must(&["--erase", NAME], None);
        },
    };
    lived(&root, &kind);
}
