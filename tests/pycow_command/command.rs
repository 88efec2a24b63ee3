//! The package as pip leaves it, with the plugin under test in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pycow_testkit::{checkout, plugin_path, Host};
use tempfile::TempDir;

/// A folder with the package, to be put on `PYTHONPATH`.
pub struct Package(TempDir);

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub status: i32,
    pub output: String,
    pub errors: String,
}

impl Package {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = checkout().join("packaging/wheel/uwsgi_pycow");
        let package = dir.path().join("uwsgi_pycow");
        fs::create_dir(&package).unwrap();
        for file in fs::read_dir(source).unwrap().flatten() {
            if file.file_type().unwrap().is_file() {
                fs::copy(file.path(), package.join(file.file_name())).unwrap();
            }
        }
        fs::copy(plugin_path(), package.join("pycow_plugin.so")).unwrap();
        Self(dir)
    }

    /// The plugin that it carries.
    pub fn plugin(&self) -> PathBuf {
        self.0.path().join("uwsgi_pycow/pycow_plugin.so")
    }

    /// A folder for whatever a test needs beside it.
    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    /// `pycow ARGUMENTS`, in that folder.
    pub fn pycow(&self, arguments: &[&str]) -> Said {
        let output = Command::new("python3")
            .args(["-m", "uwsgi_pycow"])
            .args(arguments)
            .env("PYTHONPATH", self.0.path())
            .current_dir(self.0.path())
            .output()
            .unwrap();
        Said {
            status: output.status.code().unwrap(),
            output: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// `pycow check` on a configuration of these lines, for that uWSGI.
    pub fn check(&self, host: &Host, lines: &str) -> Said {
        fs::write(self.dir().join("app.ini"), format!("[uwsgi]\n{lines}\n")).unwrap();
        let uwsgi = host.uwsgi.to_str().unwrap();
        self.pycow(&["check", "app.ini", "--uwsgi", uwsgi])
    }
}
