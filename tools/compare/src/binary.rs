//! Which uWSGI runs the comparison, and what it says of itself.

use std::{
    env, fs,
    path::{absolute, Path, PathBuf},
    process::Command,
};

use pycow_testkit::{hosts, Flavour, Host};

/// The uWSGI at that path.
///
/// A name without a folder is looked for on the PATH, too. `arguments` lead it to its Python: those of the user's configuration, or none.
///
/// # Errors
/// If it does not run, or has no Python.
pub fn at(path: &Path, arguments: &[&str]) -> Result<Host, String> {
    let bare = path.components().count() == 1 && !path.is_file();
    let path = on_path(path).filter(|_| bare).unwrap_or(path.into());
    // Not resolved: a Python finds its venv by the path it was started by.
    let path = absolute(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if let Some(host) = hosts().into_iter().find(|host| host.uwsgi == path) {
        return Ok(host);
    }
    if !path.is_file() {
        return Err(format!("{}: no such file", path.display()));
    }
    if version(&path).is_none() {
        return Err(format!(
            "{}: no version of uWSGI told by --version: is it uWSGI?",
            path.display()
        ));
    }
    let plugins = [
        "--plugins-dir",
        "/usr/lib/uwsgi/plugins",
        "--plugin",
        "python3",
    ];
    // Python is built in, or named by the configuration, or Debian's plugin.
    let tries = [
        (arguments, None),
        (&plugins[..], Some("python3".to_owned())),
    ];
    let (python, python_plugin) = tries
        .into_iter()
        .find_map(|(arguments, plugin)| {
            let text = said(&path, &[arguments, &["--python-version"]].concat())?;
            Some((python_version(&text)?, plugin))
        })
        .ok_or_else(|| format!("{} has no Python plugin", path.display()))?;
    let interpreter = path.with_file_name("python");
    Ok(Host {
        name: path.display().to_string(),
        flavour: flavour(&path),
        interpreter: interpreter.exists().then_some(interpreter),
        uwsgi: path,
        python_plugin,
        python,
    })
}

/// What it says of its version.
pub fn version(uwsgi: &Path) -> Option<String> {
    said(uwsgi, &["--version"]).filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}

/// The command of that name on the PATH.
pub fn on_path(name: impl AsRef<Path>) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(&name))
        .find(|file| file.is_file())
}

/// The newest CPython that setup prepared: it can play most methods.
pub fn newest() -> Host {
    let found = hosts();
    let newest = found.iter().max_by_key(|host| host.python);
    newest.expect("`hosts` panics if there are none").clone()
}

/// pyuwsgi's command is a script of Python's, and starts itself anew in its own way.
fn flavour(path: &Path) -> Flavour {
    let script = fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"#!"));
    if script {
        Flavour::Pyuwsgi
    } else {
        Flavour::Pypi
    }
}

fn said(path: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(path)
        .args(arguments)
        // As after a reload: nothing is detached, no log or pid file is written.
        .env("UWSGI_RELOADS", "1")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

/// `3.12.1` as `(3, 12)`.
fn python_version(text: &str) -> Option<(u8, u8)> {
    let mut numbers = text.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
