//! An application and the requests that it gets: the bundled ones, and the user's own.

use std::{
    fs,
    path::{absolute, Path, PathBuf},
};

use pycow_testkit::{Host, Uwsgi};

use crate::{ini::Application, method::Method, notes};

pub mod bundled;
pub mod own;

const WRAPPER: &str = include_str!("wrapper.py");

/// An application and the requests that it gets.
#[derive(Clone, Debug)]
pub struct Workload {
    /// A word, for file names.
    pub name: String,
    /// A line, for people.
    pub title: String,
    /// The paths that are requested, in turn.
    pub urls: Vec<String>,
    /// The paths that warm it, for the methods that do.
    pub warmup: Vec<String>,
    /// Workers.
    pub workers: usize,
    /// Keys of the user's ini that are not used.
    pub left_out: Vec<String>,
    /// Only stock and pycow are compared.
    pub short: bool,
    lines: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    application: Application,
    callable: Option<String>,
    mount: Option<String>,
}

/// The path itself, absolute, if there is a file.
///
/// # Errors
/// If there is none.
pub fn existing(file: &Path) -> Result<PathBuf, String> {
    if !file.is_file() {
        return Err(format!("{}: no such file", file.display()));
    }
    absolute(file).map_err(|error| format!("{}: {error}", file.display()))
}

impl Workload {
    /// With a catalogue of another size; only the bundled application has one.
    pub fn with_products(mut self, products: usize) -> Self {
        self.environment = vec![("PRODUCTS".into(), products.to_string())];
        self
    }

    /// With paths that warm it.
    pub fn warmed_by(mut self, paths: Vec<String>) -> Self {
        self.warmup = paths;
        self
    }

    /// Each worker loads it, or the master does.
    pub fn with_lazy_apps(mut self, lazy: bool) -> Self {
        self.lines
            .retain(|(key, _)| key != "lazy-apps" && key != "lazy");
        self.lines.push(("lazy-apps".into(), lazy.to_string()));
        self
    }

    /// A uWSGI that will run it by that method.
    pub fn uwsgi(&self, host: &Host, method: Method, workers: usize) -> Uwsgi {
        let uwsgi = notes::prepare(Uwsgi::on(host).file("pycow_bench.py", WRAPPER));
        // Replaces the default of that name, which the user's own would drop.
        let home = uwsgi.dir().display().to_string();
        let wrapper = "pycow_bench:application";
        let uwsgi = match &self.mount {
            Some(place) => uwsgi.set("mount", format!("{place}={wrapper}")),
            None => uwsgi.set("module", wrapper),
        };
        let uwsgi = uwsgi
            .set("pythonpath", home)
            .set("processes", workers)
            // uWSGI closes every connection after the answer, but does not say so. And wrk's script sees
            // only answers with a header.
            .set("add-header", "Connection: close")
            .flag("disable-logging");
        let uwsgi = match &self.application {
            Application::Module(name) => uwsgi.env("PYCOW_BENCH_MODULE", name.as_str()),
            Application::File(path) => uwsgi.env("PYCOW_BENCH_FILE", path.as_str()),
        };
        let uwsgi = match &self.callable {
            Some(name) => uwsgi.env("PYCOW_BENCH_CALLABLE", name.as_str()),
            None => uwsgi,
        };
        let uwsgi = self
            .lines
            .iter()
            .fold(uwsgi, |uwsgi, (key, value)| uwsgi.set(key, value));
        let environment = self.environment.iter();
        let uwsgi = environment.fold(uwsgi, |uwsgi, (key, value)| uwsgi.env(key, value.as_str()));
        method.apply(uwsgi, host, &self.warmup)
    }
}

/// The paths in a file, one a line; blank lines and those with `#` are passed over.
///
/// # Errors
/// If the file cannot be read, has no path, or has something else.
pub fn urls(file: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut paths = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with('/') || line.contains(char::is_whitespace) {
            return Err(format!(
                "{}, line {}: {line:?} is no path: it begins with / and has no blanks",
                file.display(),
                number + 1
            ));
        }
        paths.push(line.to_owned());
    }
    if paths.is_empty() {
        return Err(format!("{}: no path in it", file.display()));
    }
    Ok(paths)
}
