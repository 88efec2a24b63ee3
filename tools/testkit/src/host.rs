//! Which uWSGIs this machine has.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::skip;

const DEBIAN_UWSGI: &str = "/usr/bin/uwsgi-core";
/// Where Debian's `uwsgi-core` finds its plugins.
pub(crate) const DEBIAN_PLUGINS: &str = "/usr/lib/uwsgi/plugins";

/// How a uWSGI was built and packaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// PyPI's `pyuwsgi`: a wheel, uWSGI inside a Python extension module.
    Pyuwsgi,
    /// PyPI's `uwsgi`: compiled by pip, Python built in.
    Pypi,
    /// Debian's packages: Python is a plugin of its own.
    Debian,
}

/// One uWSGI that this machine has.
#[derive(Clone, Debug)]
pub struct Host {
    /// Flavour, uWSGI's version, CPython's: `pyuwsgi-2.0.30-py3.11`.
    pub name: String,
    /// How it was built.
    pub flavour: Flavour,
    /// The command to start.
    pub uwsgi: PathBuf,
    /// The plugin that brings Python, where it is not built in.
    pub python_plugin: Option<String>,
    /// CPython's version, such as `(3, 11)`.
    pub python: (u8, u8),
    /// A Python of that version that sees the same packages.
    pub interpreter: Option<PathBuf>,
}

impl Host {
    /// What it says of its own version, as `2.0.30`.
    ///
    /// # Panics
    /// If it says none.
    pub fn version(&self) -> String {
        let output = Command::new(&self.uwsgi).arg("--version").output();
        let said = String::from_utf8(output.expect("it starts").stdout).expect("a version");
        let version = said.trim();
        version.trim_end_matches("-debian").to_owned()
    }

    /// Whether its version is that one or newer.
    ///
    /// # Panics
    /// If it says none.
    pub fn is_at_least(&self, version: (u8, u8, u8)) -> bool {
        let own = self.version();
        let mut numbers = own.split('.').map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        (next(), next(), next()) >= version
    }

    /// Whether `uwsgi.add_var` and `uwsgi.set_logvar` work: those of 2.0.20 and older do not know of
    /// PY_SSIZE_T_CLEAN, without which CPython 3.10 refuses them; noted as skipped, if not.
    pub fn takes_variables(&self) -> bool {
        let takes = self.is_at_least((2, 0, 21)) || self.python < (3, 10);
        if !takes {
            skip("uwsgi.add_var and set_logvar of this uWSGI raise SystemError on this CPython");
        }
        takes
    }

    /// Whether its master reloads: that of 2.0.27 waits for the end of its workers before it tells them to end
    /// (core/master_utils.c, `uwsgi_destroy_processes`), with or without pycow; noted as skipped, if not.
    pub fn reloads(&self) -> bool {
        let reloads = !self.waits_for_workers();
        if !reloads {
            skip("the master of uWSGI 2.0.27 waits at SIGHUP for workers that it has not told, in stock too");
        }
        reloads
    }

    /// Whether a master that ends waits for its workers by itself, and so says of none that it is buried.
    pub fn waits_for_workers(&self) -> bool {
        self.version() == "2.0.27"
    }

    /// Whether a user without privileges can start its Python: one that lies in root's own folder is out of
    /// reach once uWSGI is that user. In the wheel Python runs before.
    pub fn runs_as_anybody(&self) -> bool {
        let python = self
            .interpreter
            .as_ref()
            .and_then(|path| path.canonicalize().ok());
        let may_pass =
            |dir: &Path| fs::metadata(dir).is_ok_and(|it| it.permissions().mode() & 1 == 1);
        self.flavour == Flavour::Pyuwsgi
            || python.is_none_or(|path| path.ancestors().skip(1).all(may_pass))
    }
}

/// All hosts of this machine, by flavour and version: those that
/// `tools/testkit/setup` made in `.hosts/`, and Debian's; or those in `$PYCOW_HOSTS` alone; or `$PYCOW_HOST` alone.
///
/// # Panics
/// If there are none.
pub fn hosts() -> Vec<Host> {
    static HOSTS: OnceLock<Vec<Host>> = OnceLock::new();
    HOSTS
        .get_or_init(|| only().map_or_else(find, |host| vec![host]))
        .clone()
}

/// The folder of one host, or `installed`: all tests run on that one (`make matrix`).
fn only() -> Option<Host> {
    let named = PathBuf::from(env::var_os("PYCOW_HOST")?);
    let host = match named.to_str() {
        Some("installed") => debian(),
        _ => host_in(&named),
    };
    Some(host.unwrap_or_else(|| panic!("PYCOW_HOST: no uWSGI in {}", named.display())))
}

/// The host of tests that need just one: the pyuwsgi wheel under the
/// machine's own `python3`.
///
/// # Panics
/// If `tools/testkit/setup` has not prepared it.
pub fn default_host() -> Host {
    if let Some(host) = only() {
        return host;
    }
    fs::read_link(prepared().join("default"))
        .ok()
        .and_then(|name| host_in(&prepared().join(name)))
        .expect("no default host: run `make setup` first")
}

/// A host of that flavour, with the default host's CPython if there is one;
/// none if the machine has none of that flavour.
pub fn host_of(flavour: Flavour) -> Option<Host> {
    let python = default_host().python;
    hosts()
        .into_iter()
        .filter(|host| host.flavour == flavour)
        .max_by_key(|host| (host.python == python, host.python))
}

/// One host of each flavour that this machine has.
pub fn one_of_each() -> Vec<Host> {
    let flavours = [Flavour::Pyuwsgi, Flavour::Pypi, Flavour::Debian];
    flavours.into_iter().filter_map(host_of).collect()
}

/// The built plugin: `$PYCOW_PLUGIN`, or what `make build` leaves in `target/`.
///
/// # Panics
/// If that file does not exist.
pub fn plugin_path() -> PathBuf {
    let path = env::var_os("PYCOW_PLUGIN").map_or_else(
        || target().join("release/libpycow_plugin.so"),
        PathBuf::from,
    );
    path.canonicalize()
        .unwrap_or_else(|error| panic!("{}: {error}: run `make build` first", path.display()))
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    // Relative to the checkout, where make calls cargo.
    checkout().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The root of this checkout.
///
/// # Panics
/// If this crate has moved to another depth.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate is two folders below the root")
        .to_path_buf()
}

/// The folder that setup prepares: `.hosts/`, or `$PYCOW_HOSTS`.
pub fn prepared() -> PathBuf {
    env::var_os("PYCOW_HOSTS").map_or_else(|| checkout().join(".hosts"), PathBuf::from)
}

fn find() -> Vec<Host> {
    let mut hosts: Vec<Host> = fs::read_dir(prepared())
        .into_iter()
        .flatten()
        .flatten()
        // `default` is a link to one of the others.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| host_in(&entry.path()))
        .chain(debian().filter(|_| env::var_os("PYCOW_HOSTS").is_none()))
        .collect();
    assert!(
        !hosts.is_empty(),
        "no uWSGI to test on: run `make setup` first"
    );
    hosts.sort_by(|a, b| {
        (a.flavour as u8, a.python, &a.name).cmp(&(b.flavour as u8, b.python, &b.name))
    });
    hosts
}

/// The host in a folder that setup finished, told by its name.
fn host_in(dir: &Path) -> Option<Host> {
    let name = dir.file_name()?.to_str()?;
    let (flavour, command) = match name.split_once('-')?.0 {
        "pyuwsgi" => (Flavour::Pyuwsgi, "bin/pyuwsgi"),
        "pypi" => (Flavour::Pypi, "bin/uwsgi"),
        "debian" => (Flavour::Debian, "uwsgi"),
        _ => return None,
    };
    let own_interpreter = dir.join("bin/python");
    dir.join(".stamp").exists().then_some(())?;
    Some(Host {
        name: name.to_owned(),
        flavour,
        uwsgi: dir.join(command),
        python_plugin: (flavour == Flavour::Debian).then(|| "python3".into()),
        python: version(name.rsplit_once("-py")?.1)?,
        interpreter: own_interpreter.exists().then_some(own_interpreter),
    })
}

/// Debian's uWSGI, if it is installed with its Python plugin.
fn debian() -> Option<Host> {
    let said = |args: &[&str]| {
        let output = Command::new(DEBIAN_UWSGI).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let uwsgi = said(&["--version"])?;
    let python = version(&said(&[
        "--plugins-dir",
        DEBIAN_PLUGINS,
        "--plugin",
        "python3",
        "--python-version",
    ])?)?;
    let interpreter = PathBuf::from(format!("/usr/bin/python{}.{}", python.0, python.1));
    Some(Host {
        name: format!(
            "debian-{}-py{}.{}",
            uwsgi.trim_end_matches("-debian"),
            python.0,
            python.1
        ),
        flavour: Flavour::Debian,
        uwsgi: DEBIAN_UWSGI.into(),
        python_plugin: Some("python3".into()),
        python,
        interpreter: interpreter.exists().then_some(interpreter),
    })
}

/// `3.11.2` or `3.11` as numbers.
fn version(text: &str) -> Option<(u8, u8)> {
    let mut numbers = text.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
