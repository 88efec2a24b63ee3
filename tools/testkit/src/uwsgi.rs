//! The builder: from options to a started uWSGI.

use crate::{
    host::{plugin_path, Flavour, Host, DEBIAN_PLUGINS},
    instance::{Finished, Instance},
    lines::{Helpers, ACCEPTING},
    port::Port,
};
use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A uWSGI about to be started in a temporary folder of its own, which is its
/// working directory and on its `pythonpath`.
///
/// Unless set otherwise it has a master, one worker and an `http-socket` on a
/// free port, needs an application (`need-app`), and ends on SIGTERM
/// (`die-on-term`). Workers are set by `processes`, not by its alias `workers`.
#[derive(Debug)]
pub struct Uwsgi {
    host: Host,
    dir: TempDir,
    port: Port,
    defaults: Vec<(&'static str, String)>,
    options: Vec<(String, String)>,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    pycow: Option<Pycow>,
    wrapper: Option<String>,
}

/// Where the plugin under test stands among the `plugin` lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pycow {
    First,
    AfterPython,
}

impl Uwsgi {
    /// Nothing is loaded but the Python plugin, where the host's is not built in.
    pub fn on(host: &Host) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("pycow-test-")
            // A worker that has dropped its privileges reads the application too.
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .expect("a temporary folder");
        let home = dir.path().display().to_string();
        let port = Port::reserve().expect("a free port");
        let address = format!("127.0.0.1:{}", port.number);
        let accepting = format!("print:{ACCEPTING}");
        let mut defaults = vec![
            ("master", "true"),
            ("processes", "1"),
            ("http-socket", address.as_str()),
            ("listen", "64"),
            ("need-app", "true"),
            ("die-on-term", "true"),
            ("chdir", &home),
            ("pythonpath", &home),
            ("hook-accepting", &accepting),
        ];
        // On reload pyuwsgi would start the Python that the venv's is a link to,
        // which does not see the venv.
        let python = host
            .interpreter
            .as_ref()
            .map(|path| path.display().to_string());
        if let (Flavour::Pyuwsgi, Some(python)) = (host.flavour, &python) {
            defaults.push(("binary-path", python));
        }
        let own = |(key, value): (_, &str)| (key, value.to_owned());
        let defaults = defaults.into_iter().map(own).collect();
        Self {
            host: host.clone(),
            dir,
            port,
            defaults,
            options: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            pycow: None,
            wrapper: None,
        }
    }

    /// The application: `app.py`, loaded as `wsgi-file`.
    pub fn app(self, source: &str) -> Self {
        let path = self.dir().join("app.py");
        self.file("app.py", source).set("wsgi-file", path.display())
    }

    /// One more file in the folder.
    pub fn file(self, name: &str, text: &str) -> Self {
        let path = self.dir().join(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self
    }

    /// One ini line. Replaces a default of that name; otherwise keys may repeat
    /// and keep their order.
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.options.push((key.to_owned(), value.to_string()));
        self.unset(key)
    }

    /// The ini line `key = true`.
    pub fn flag(self, key: &str) -> Self {
        self.set(key, true)
    }

    /// Takes back a default.
    pub fn unset(mut self, key: &str) -> Self {
        self.defaults.retain(|(default, _)| *default != key);
        self
    }

    /// One argument on the command line, after `--ini`.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Loads the plugin under test, after the Python plugin.
    pub fn with_pycow(mut self) -> Self {
        self.pycow = Some(Pycow::AfterPython);
        self
    }

    /// Loads the plugin under test before all others.
    pub fn pycow_first(mut self) -> Self {
        self.pycow = Some(Pycow::First);
        self
    }

    /// Starts uWSGI through a line of shell, which is to end in `exec "$@"`.
    pub fn through(mut self, line: &str) -> Self {
        self.wrapper = Some(line.to_owned());
        self
    }

    /// An environment variable of uWSGI.
    pub fn env(mut self, key: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((key.to_owned(), value.into()));
        self
    }

    /// The temporary folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts uWSGI and waits until every worker accepts requests, and the log
    /// names workers, mules and spoolers.
    ///
    /// # Panics
    /// If uWSGI ends instead, or takes more than a minute.
    pub fn start(self) -> Instance {
        let workers = self.workers();
        let instance = self.launch();
        instance.await_accepting(workers);
        instance
    }

    /// Starts a uWSGI that is expected to end by itself, and waits for that.
    ///
    /// # Panics
    /// If that takes more than a minute.
    pub fn run(self) -> Finished {
        self.launch().finish()
    }

    /// Starts uWSGI and waits for nothing.
    pub fn launch(self) -> Instance {
        let (ini, helpers) = (self.ini(), self.helpers());
        let file = self.write_ini(&ini);
        let mut command = match &self.wrapper {
            None => Command::new(&self.host.uwsgi),
            Some(line) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", line, "sh"]).arg(&self.host.uwsgi);
                shell
            }
        };
        // uWSGI takes options from UWSGI_*, Python from PYTHON*, and cargo
        // points LD_LIBRARY_PATH at folders that a user's uWSGI never sees.
        for (key, _) in env::vars_os() {
            let name = key.to_string_lossy();
            if name.starts_with("PYTHON") || name.starts_with("UWSGI_") || name == "LD_LIBRARY_PATH"
            {
                command.env_remove(&key);
            }
        }
        command
            .arg("--ini")
            .arg(file)
            .args(&self.arguments)
            .envs(self.environment)
            .current_dir(self.dir.path());
        Instance::spawn(command, helpers, ini, self.dir, self.port)
    }

    /// The text of `uwsgi.ini`: plugins first, for options are known only once
    /// the plugin that brings them is loaded.
    fn ini(&self) -> String {
        let pycow = |place| {
            let wanted = self.pycow == Some(place);
            wanted.then(|| ("plugin", plugin_path().display().to_string()))
        };
        let python = self.host.python_plugin.iter();
        let options = self.options.iter();
        // Debian keeps what such routes need in a plugin of its own.
        let asks_rpc = |(key, value): &(String, String)| key == "route" && value.contains(" rpc:");
        let rpc = self.host.python_plugin.is_some() && self.options.iter().any(asks_rpc);
        let mut ini = String::from("[uwsgi]\n");
        [("plugins-dir", DEBIAN_PLUGINS.to_owned())]
            .into_iter()
            .filter(|_| self.host.python_plugin.is_some())
            .chain(pycow(Pycow::First))
            .chain(python.map(|name| ("plugin", name.clone())))
            .chain(rpc.then(|| ("plugin", "rpc".to_owned())))
            .chain(pycow(Pycow::AfterPython))
            .chain(self.defaults.iter().cloned())
            .chain(options.map(|(key, value)| (key.as_str(), value.clone())))
            .for_each(|(key, value)| ini += &format!("{key} = {value}\n"));
        ini
    }

    fn write_ini(&self, ini: &str) -> PathBuf {
        let file = self.dir().join("uwsgi.ini");
        fs::write(&file, ini).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        file
    }

    /// How many workers uWSGI starts with.
    fn workers(&self) -> usize {
        // The first of these that is set decides.
        ["cheaper-initial", "cheaper", "processes"]
            .iter()
            .find_map(|key| self.value(key))
            .map_or(1, |value| {
                value
                    .parse()
                    .unwrap_or_else(|error| panic!("{value} workers: {error}"))
            })
    }

    /// Whom uWSGI starts beside its workers.
    fn helpers(&self) -> Helpers {
        let values = |key: &'static str| {
            let options = self.options.iter().filter(move |(name, _)| name == key);
            options.map(|(_, value)| value.as_str())
        };
        let counted = values("mules").map(|value| {
            let count: usize = value
                .parse()
                .unwrap_or_else(|error| panic!("{value} mules: {error}"));
            count
        });
        // Mules are the master's.
        let mules = match self.value("master") {
            Some("true") => values("mule").count() + counted.sum::<usize>(),
            _ => 0,
        };
        Helpers {
            mules,
            spoolers: values("spooler").count(),
        }
    }

    /// The value in force: the last that was set, or the default.
    fn value(&self, key: &str) -> Option<&str> {
        let set = self.options.iter().rev();
        let defaults = self.defaults.iter();
        set.map(|(key, value)| (key.as_str(), value))
            .chain(defaults.map(|(key, value)| (*key, value)))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.as_str())
    }
}
