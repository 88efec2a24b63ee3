//! What the tests of the comparison share: a run of it, as `make bench` does, and its results.

// Every test file is a crate of its own and uses a part of this.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use pycow_testkit::{default_host, hosts, skip, Host};
use serde_json::Value;
use tempfile::TempDir;

/// A run of the comparison in a folder of its own.
pub struct Bench {
    folder: TempDir,
    command: Command,
    out: String,
}

/// What it left.
pub struct Ran {
    pub succeeded: bool,
    pub stdout: String,
    pub stderr: String,
    folder: TempDir,
}

/// The newest CPython here: it can play most methods.
pub fn newest() -> Host {
    hosts()
        .into_iter()
        .max_by_key(|host| host.python)
        .unwrap_or_else(default_host)
}

/// Notes it if there is no load generator here.
pub fn without_wrk() -> bool {
    let there = Command::new("wrk").output().is_ok();
    if !there {
        skip("no wrk");
    }
    !there
}

impl Bench {
    /// With the uWSGI of that host, and nothing else said.
    pub fn on(host: &Host) -> Self {
        let mut bench = Self::bare();
        bench.command.arg("--uwsgi").arg(&host.uwsgi);
        bench
    }

    /// With nothing said at all, but where the output goes.
    pub fn bare() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_pycow-compare"));
        command
            .current_dir(folder.path())
            .env("SEEN", folder.path().join("seen"));
        Self {
            folder,
            command,
            out: "out".into(),
        }
    }

    /// With another folder for the output.
    pub fn to(mut self, out: &str) -> Self {
        self.out = out.into();
        self
    }

    /// A file beside the output.
    pub fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
        fs::write(path, text).expect("a file");
        self
    }

    /// Arguments, split at blanks.
    pub fn with(mut self, arguments: &str) -> Self {
        self.command.args(arguments.split_whitespace());
        self
    }

    /// A variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// The folder of the files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it; the folder goes when it is dropped.
    pub fn start(mut self) -> (Child, TempDir) {
        self.command.args(["--out", &self.out]);
        let child = self.command.stdout(Stdio::null()).spawn();
        (child.expect("the comparison is built"), self.folder)
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Ran {
        self.command.args(["--out", &self.out]);
        let output = self.command.output().expect("the comparison is built");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            succeeded: output.status.success(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            folder: self.folder,
        }
    }
}

impl Ran {
    /// Ends the test if it failed.
    pub fn well(self) -> Self {
        assert!(self.succeeded, "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// A file, or a folder, of the run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The text of a file.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// results.json.
    pub fn results(&self) -> Value {
        serde_json::from_str(&self.read("out/results.json")).expect("results.json is JSON")
    }
}

/// What was measured of a method, in the first workload.
pub fn method<'a>(results: &'a Value, name: &str) -> &'a Value {
    let all = results["workloads"][0]["methods"].as_array();
    let mut all = all.expect("results.json lists the methods").iter();
    all.find(|one| one["method"] == name)
        .unwrap_or_else(|| panic!("{name} is not in the results"))
}
