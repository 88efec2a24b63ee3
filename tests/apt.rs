//! `make demo` and `make test` say which packages they install and why before they do, and take no for an answer.

use std::{
    env, fs,
    os::unix::fs::{symlink, PermissionsExt},
    path::Path,
    process::Command,
};

use pycow_testkit::{checkout, is_root, skip};
use tempfile::TempDir;

/// A machine of Debian's without a C compiler: its apt-get notes in `said`, where setup's own lines go, too.
struct Machine {
    dir: TempDir,
}

impl Machine {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let (bin, checkout_of) = (dir.path().join("bin"), dir.path().join("checkout"));
        fs::create_dir(&bin).unwrap();
        program(&bin, "dpkg-query", "exit 1");
        program(&bin, "apt-cache", "echo '  Candidate: 12.2'");
        program(&bin, "apt-get", "echo \"apt-get: $*\" >>\"$SAID\"");
        // What else is on PATH, but for the compiler.
        for folder in env::split_paths(&env::var_os("PATH").unwrap()) {
            let Ok(entries) = fs::read_dir(folder) else {
                continue;
            };
            for entry in entries.map(Result::unwrap) {
                let link = bin.join(entry.file_name());
                if entry.file_name() != "cc" && fs::symlink_metadata(&link).is_err() {
                    symlink(entry.path(), link).unwrap();
                }
            }
        }
        fs::create_dir_all(checkout_of.join("tools")).unwrap();
        symlink(checkout().join("Makefile"), checkout_of.join("Makefile")).unwrap();
        // Copied: setup goes to the checkout that it lies in.
        let copied = Command::new("cp")
            .arg("-r")
            .arg(checkout().join("tools/testkit"))
            .arg(checkout_of.join("tools"))
            .status();
        assert!(copied.unwrap().success());
        Self { dir }
    }

    /// What `make TARGET` says there, and apt-get among it. It fails, since the compiler is missing all the same.
    fn made(&self, target: &str, no_apt: Option<&str>) -> Vec<String> {
        let said = self.dir.path().join("said");
        fs::write(&said, "").unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", "make \"$0\" >>\"$SAID\" 2>&1", target])
            .current_dir(self.dir.path().join("checkout"))
            .env("SAID", &said)
            .env("PATH", self.dir.path().join("bin"))
            .env_remove("PYCOW_NO_APT")
            .env_remove("SETUP_ALIVE")
            // This test may run below a make.
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL");
        if let Some(no) = no_apt {
            command.env("PYCOW_NO_APT", no);
        }
        assert!(!command.status().unwrap().success());
        let said = fs::read_to_string(said).unwrap();
        assert!(
            said.contains("setup: a C compiler (cc) is needed"),
            "{said}"
        );
        said.lines().map(str::to_owned).collect()
    }
}

fn program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn position(lines: &[String], start: &str) -> Option<usize> {
    lines.iter().position(|line| line.starts_with(start))
}

#[test]
fn packages_are_named_with_their_reason_before_they_are_installed() {
    if !is_root() {
        skip("not root: none is installed");
        return;
    }
    let machine = Machine::new();
    for target in ["demo", "test"] {
        let lines = machine.made(target, None);
        let named = position(
            &lines,
            "setup: apt-get install gcc libc6-dev make: a C compiler checks the layout of structs (PYCOW_NO_APT=1 says no)",
        );
        let installed = position(&lines, "apt-get: install ");
        assert!(named.is_some() && named < installed, "{target}: {lines:#?}");
        assert_eq!(position(&lines, "apt-get: "), installed, "{lines:#?}");
    }
}

#[test]
fn none_is_installed_where_one_said_no() {
    let machine = Machine::new();
    for target in ["demo", "test"] {
        let lines = machine.made(target, Some("1"));
        assert_eq!(position(&lines, "apt-get: "), None, "{target}: {lines:#?}");
        let told = "setup: PYCOW_NO_APT: skipped gcc libc6-dev make (a C compiler checks the layout of structs)";
        assert!(position(&lines, told).is_some(), "{target}: {lines:#?}");
    }
}
