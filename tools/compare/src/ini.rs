//! A user's own `uwsgi.ini`, made fit for a comparison: uWSGI itself resolves it, and what would touch
//! the outside world, or end a worker before its time, is left out.

use std::{path::Path, process::Command};

use pycow_testkit::Host;

/// What uWSGI loads.
#[derive(Clone, Debug)]
pub enum Application {
    /// A module, perhaps with `:callable`.
    Module(String),
    /// A file.
    File(String),
}

/// What is to be known of a configuration.
#[derive(Debug)]
pub struct Ini {
    /// The lines that stay, resolved, in their order.
    pub lines: Vec<(String, String)>,
    /// The keys that do not stay.
    pub left_out: Vec<String>,
    /// `module`, `wsgi-file`, or what is mounted.
    pub application: Application,
    /// Where it is mounted, if it is.
    pub mount: Option<String>,
    /// `callable`.
    pub callable: Option<String>,
    /// The number of workers.
    pub workers: Option<usize>,
}

/// Aliases of one option.
const MODULE: &[&str] = &["module", "wsgi"];

/// Aliases of one option.
const FILE: &[&str] = &["wsgi-file", "file"];

/// Aliases of one option.
const WORKERS: &[&str] = &["processes", "workers", "p"];

/// What only led uWSGI to the lines that it shows.
const RESOLVED: &[&str] = &[
    "ini",
    "include",
    "inherit",
    "for",
    "endfor",
    "end-for",
    "endif",
    "end-if",
    "set-placeholder",
    "set-ph",
];

/// What a comparison decides for itself.
const DECIDED: &[&str] = &[
    "master",
    "M",
    "need-app",
    "show-config",
    "clock",
    "daemonize2",
    "disable-logging",
    "skip-atexit",
    "skip-atexit-teardown",
    "binary-path",
    "strict",
];

/// What would disturb a running instance of the same configuration, or the measurement.
const LEFT_OUT: &[&str] = &[
    "socket",
    "uwsgi-socket",
    "http",
    "https",
    "https2",
    "fastcgi",
    "scgi",
    "stats",
    "daemonize",
    "pidfile",
    "safe-pidfile",
    "log",
    "req-logger",
    "master-fifo",
    "emperor",
    "vassal",
    "touch",
    "fs-",
    "cron",
    "legion",
    "subscri",
    "snmp",
    "alarm",
    "carbon",
    "statsd",
    "metrics-dir",
    "attach-daemon",
    "smart-attach-daemon",
    "spooler",
    "mule",
    "farm",
    "max-requests",
    "reload-on",
    "cheap",
    "hook-accepting",
    "pycow",
];

/// As above, in the midst of a key.
const LEFT_OUT_PARTS: &[&str] = &[
    "-socket",
    "-router",
    "worker-lifetime",
    "evil-reload-on",
    "auto-reload",
    "exec-",
    "-cron",
];

/// The configuration in that file.
///
/// # Errors
/// If uWSGI refuses it, or it has no application or several.
pub fn read(file: &Path, host: &Host) -> Result<Ini, String> {
    let text = resolved(file, host)?;
    let (mut lines, mut left_out) = (Vec::new(), Vec::new());
    let (mut callable, mut workers) = (None, None);
    let mut applications = Vec::new();
    for (key, value) in pairs(&text) {
        let key = key.replace('_', "-");
        if MODULE.contains(&key.as_str()) {
            applications.push((None, Application::Module(value.to_owned())));
        } else if FILE.contains(&key.as_str()) {
            applications.push((None, Application::File(value.to_owned())));
        } else if key == "mount" {
            let (place, spec) = value
                .split_once('=')
                .ok_or_else(|| format!("mount = {value}: an application is missing"))?;
            // As uWSGI tells them apart (plugins/python/pyloader.c).
            let application = match spec.ends_with(".py") || spec.ends_with(".wsgi") {
                true => Application::File(spec.to_owned()),
                false => Application::Module(spec.to_owned()),
            };
            applications.push((Some(place.to_owned()), application));
        } else if key == "callable" {
            callable = Some(value.to_owned());
        } else if WORKERS.contains(&key.as_str()) {
            let number = value
                .parse()
                .map_err(|_| format!("{key} = {value}: no number"))?;
            workers = Some(number);
        } else if key == "plugin" || key == "plugins" {
            let others = value.split(',').filter(|name| !name.contains("pycow"));
            let others = others.collect::<Vec<_>>().join(",");
            if !others.is_empty() {
                lines.push((key, others));
            }
        } else if [RESOLVED, DECIDED].concat().contains(&key.as_str()) || key.starts_with("if-") {
            continue;
        } else if is_left_out(&key) {
            left_out.push(key);
        } else {
            lines.push((key, value.to_owned()));
        }
    }
    left_out.sort();
    left_out.dedup();
    let mut applications = applications.into_iter();
    match (applications.next(), applications.next()) {
        (Some((mount, application)), None) => Ok(Ini {
            lines,
            left_out,
            application,
            mount,
            callable,
            workers,
        }),
        (None, _) => Err(format!(
            "{}: no module, wsgi-file or mount: which application?",
            file.display()
        )),
        (Some(_), Some(_)) => Err(format!(
            "{}: several applications: give one with module, wsgi-file or mount",
            file.display()
        )),
    }
}

fn is_left_out(key: &str) -> bool {
    LEFT_OUT.iter().any(|prefix| key.starts_with(prefix))
        || LEFT_OUT_PARTS.iter().any(|part| key.contains(part))
}

/// What uWSGI makes of the file: includes, placeholders and conditions are all resolved.
///
/// uWSGI knows no option to show the configuration and end. But it ends at a clock that it does not
/// know, right after it has shown the configuration and before it opens anything; what it does even
/// earlier (`daemonize`, `logto`) it does not do after a reload (core/uwsgi.c, core/init.c).
fn resolved(file: &Path, host: &Host) -> Result<String, String> {
    let output = Command::new(&host.uwsgi)
        .arg("--ini")
        .arg(file)
        .args([
            "--show-config",
            "--clock",
            "none",
            "--daemonize2",
            "/dev/null",
        ])
        .env("UWSGI_RELOADS", "1")
        .current_dir(folder(file))
        .output()
        .map_err(|error| format!("{}: {error}", host.uwsgi.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let shown = said
        .split_once(";uWSGI instance configuration\n")
        .and_then(|(_, rest)| rest.split_once(";end of configuration"));
    match shown {
        Some((lines, _)) => Ok(lines.to_owned()),
        None => Err(format!(
            "{}: uWSGI does not take it: {}",
            file.display(),
            said.lines().last().unwrap_or("no word why")
        )),
    }
}

/// The folder of that file.
pub fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("/"))
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_touches_the_outside_is_left_out() {
        for key in [
            "http",
            "http-socket",
            "uwsgi-socket",
            "pidfile2",
            "logto",
            "touch-reload",
            "cheaper-algo",
            "min-worker-lifetime",
            "hook-exec-pre-app",
        ] {
            assert!(is_left_out(key), "{key}");
        }
        for key in [
            "plugin",
            "env",
            "chdir",
            "threads",
            "virtualenv",
            "lazy-apps",
        ] {
            assert!(!is_left_out(key), "{key}");
        }
    }
}
