//! The user's own application.

use std::{
    env,
    path::{absolute, Path},
};

use pycow_testkit::Host;

use super::{existing, Workload};
use crate::ini::{self, Application};

/// The application in a WSGI file.
///
/// Its folder, and the first folder above it that is no package, are on the path: a Django project
/// is imported from there.
///
/// # Errors
/// If there is no such file.
pub fn wsgi(file: &Path, urls: Vec<String>, workers: usize) -> Result<Workload, String> {
    let file = existing(file)?;
    let folder = ini::folder(&file);
    let root = folder
        .ancestors()
        .find(|folder| !folder.join("__init__.py").exists())
        .unwrap_or(folder);
    let line = |key: &str, path: &Path| (key.to_owned(), path.display().to_string());
    Ok(Workload {
        name: "application".into(),
        title: file.display().to_string(),
        urls,
        warmup: Vec::new(),
        workers,
        left_out: Vec::new(),
        short: false,
        lines: vec![
            line("chdir", root),
            line("pythonpath", folder),
            line("pythonpath", root),
        ],
        environment: python_path(),
        own_warming: None,
        files: Vec::new(),
        application: Application::File(file.display().to_string()),
        callable: None,
        mount: None,
    })
}

/// The application of a `uwsgi.ini`.
///
/// # Errors
/// If the file cannot be used; see `ini::read`.
pub fn ini(
    file: &Path,
    host: &Host,
    urls: Vec<String>,
    workers: Option<usize>,
) -> Result<Workload, String> {
    let file = existing(file)?;
    let ini = ini::read(&file, host)?;
    let mut lines = ini.lines;
    if !lines.iter().any(|(key, _)| key == "chdir") {
        let folder = ini::folder(&file).display().to_string();
        lines.push(("chdir".into(), folder));
    }
    Ok(Workload {
        name: "application".into(),
        title: file.display().to_string(),
        urls,
        warmup: Vec::new(),
        workers: workers.or(ini.workers).unwrap_or(1),
        left_out: ini.left_out,
        short: false,
        lines,
        environment: python_path(),
        own_warming: None,
        files: Vec::new(),
        application: ini.application,
        callable: ini.callable,
        mount: ini.mount,
    })
}

/// `PYTHONPATH`, for one's own application: uWSGI is started in another folder, and without the environment
/// of whoever started this.
fn python_path() -> Vec<(String, String)> {
    let given = env::var_os("PYTHONPATH").unwrap_or_default();
    let folders = env::split_paths(&given).filter_map(|folder| absolute(folder).ok());
    let joined = env::join_paths(folders).unwrap_or_default();
    let value = joined.into_string().unwrap_or_default();
    if value.is_empty() {
        return Vec::new();
    }
    vec![("PYTHONPATH".into(), value)]
}
