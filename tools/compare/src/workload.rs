//! An application and the requests that it gets: the bundled ones, and the user's own.

use std::{
    fs,
    path::{absolute, Path, PathBuf},
};

use pycow_testkit::{Host, Uwsgi};

use crate::{ini::Application, method::Method, notes};

pub mod bundled;
pub mod own;

/// How the name of a workload ends that is measured with `lazy-apps` beside the same without.
pub const LAZY: &str = "-lazy";

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
    /// What an application does that warms itself.
    own_warming: Option<OwnWarming>,
    /// Each run has a copy in its folder.
    files: Vec<PathBuf>,
    application: Application,
    callable: Option<String>,
    mount: Option<String>,
}

/// An application's own warm-up: what it requests of itself while it is loaded.
#[derive(Clone, Debug)]
struct OwnWarming {
    paths: &'static [&'static str],
    /// The variable of the environment that keeps it from that.
    prevented_by: &'static str,
}

/// The path itself, absolute, if there is a file.
///
/// # Errors
/// If there is none.
pub fn existing(file: &Path) -> Result<PathBuf, String> {
    if !file.is_file() {
        let what = if file.exists() {
            "no file"
        } else {
            "no such file"
        };
        return Err(format!("{}: {what}", file.display()));
    }
    absolute(file).map_err(|error| format!("{}: {error}", file.display()))
}

impl Workload {
    /// With a catalogue of another size; only the bundled application has one.
    pub fn with_products(mut self, products: usize) -> Self {
        self.environment.retain(|(name, _)| name != "PRODUCTS");
        self.environment
            .push(("PRODUCTS".into(), products.to_string()));
        self
    }

    /// With paths that warm it, where a method does: nothing else warms it then.
    pub fn warmed_by(mut self, paths: Vec<String>) -> Self {
        if let Some(own) = self.own_warming.take() {
            self.title += ", cold where no method warms";
            self.environment.push((own.prevented_by.into(), "1".into()));
        }
        self.warmup = paths;
        self
    }

    /// What it requests of itself is left to the methods that warm.
    pub fn warmed_by_methods(self) -> Self {
        match &self.own_warming {
            Some(own) => {
                let paths = own.paths.iter().map(|&path| path.to_owned()).collect();
                self.warmed_by(paths)
            }
            None => self,
        }
    }

    /// Each worker loads it, or the master does.
    pub fn with_lazy_apps(mut self, lazy: bool) -> Self {
        self.lines
            .retain(|(key, _)| key != "lazy-apps" && key != "lazy");
        self.lines.push(("lazy-apps".into(), lazy.to_string()));
        self
    }

    /// The same twice: the master loads it, and each worker does.
    pub fn with_lazy_apps_and_without(self) -> [Self; 2] {
        let (mut lazy, mut shared) = (self.clone(), self);
        lazy.name += LAZY;
        lazy.title += ", with lazy-apps";
        shared.title += ", without lazy-apps";
        [shared.with_lazy_apps(false), lazy.with_lazy_apps(true)]
    }

    /// Why that method cannot be played without paths that warm, if so.
    pub fn is_cold(&self, method: Method) -> Option<String> {
        let cold = method.warm && self.warmup.is_empty();
        cold.then(|| "needs WARMUP, a file of paths".into())
    }

    /// A uWSGI that will run it by that method.
    pub fn uwsgi(&self, host: &Host, method: Method, workers: usize) -> Uwsgi {
        let uwsgi = notes::prepare(Uwsgi::on(host).file("pycow_bench.py", WRAPPER));
        for file in &self.files {
            let name = file.file_name().unwrap_or_default();
            fs::copy(file, uwsgi.dir().join(name))
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
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
