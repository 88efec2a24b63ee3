//! `make matrix`: the behaviour suite, host by host, with one built plugin; docs/supported.md gets a row of each.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use pycow_testkit::{
    checkout, prepared,
    supported::{tell, Verdict},
};

/// The programs of the suite that start uWSGI. Others look at files, or at all hosts at once.
const PROGRAMS: &[&str] = &[
    "load",
    "leaving",
    "statuses",
    "collector",
    "immortal",
    "garbage",
    "gc_guard",
    "warmup",
    "fork_check",
    "late_library",
    "lines",
    "logvars",
    "metrics",
    "report",
    "sampler",
    "private_limit",
    "options",
    "guest",
    "trace",
    "waste",
    "soak",
    "faults",
];

/// Hosts that were wanted and are not here: `.hosts/matrix/NAME.skipped` says why.
const SKIPPED: &str = "skipped";

/// A host by its name, and the folder that it is in, or why it is not there.
fn wanted() -> Vec<(String, Result<PathBuf, String>)> {
    let mut found = vec![("the installed Debian's".to_owned(), Ok("installed".into()))];
    for folder in [
        prepared(),
        prepared().join("matrix"),
        prepared().join("old"),
    ] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, is_link) = (
                entry.path(),
                entry.file_type().is_ok_and(|it| it.is_symlink()),
            );
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_host = ["pyuwsgi-", "pypi-", "debian-"]
                .iter()
                .any(|it| name.starts_with(it));
            if !is_host || is_link {
                continue;
            }
            if let Some(name) = name.strip_suffix(&format!(".{SKIPPED}")) {
                let why = fs::read_to_string(&path).unwrap_or_default();
                found.push((name.to_owned(), Err(why.trim().to_owned())));
            } else if path.join(".stamp").exists() {
                found.push((name, Ok(path)));
            }
        }
    }
    found.sort();
    found.dedup_by(|a, b| a.0 == b.0);
    found
}

/// Those that ask uWSGI's own router, which some builds lack.
const ROUTED: &[&str] = &[
    "report", "sampler", "metrics", "logvars", "guest", "waste", "faults",
];

/// As many tests that failed get one more try, as in `make test`: machines are busy.
const MOST: usize = 3;

/// Whether this uWSGI was built with request routing (PCRE).
fn routes(host: &Path) -> bool {
    let command = match host.to_str() {
        Some("installed") => "/usr/bin/uwsgi-core".into(),
        _ => ["bin/pyuwsgi", "bin/uwsgi", "uwsgi"]
            .map(|command| host.join(command))
            .into_iter()
            .find(|command| command.exists())
            .unwrap_or_default(),
    };
    let help = Command::new(command).arg("--help").output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--route "))
}

/// What the suite said.
#[derive(Debug, Default)]
struct Outcome {
    passed: usize,
    failed: BTreeSet<String>,
    /// What cannot be there, as the tests say themselves.
    skipped: BTreeSet<String>,
}

/// Runs that part of the suite: a test's name, or all.
fn run(host: &Path, programs: &[&str], only: Option<&str>) -> Outcome {
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let notes = checkout().join(target).join("skipped");
    let _ = fs::remove_dir_all(&notes);
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--no-fail-fast", "--color=never"]);
    for program in programs {
        cargo.args(["--test", program]);
    }
    cargo.arg("--");
    if let Some(only) = only {
        cargo.args(["--exact", only]);
    }
    let output = cargo
        .current_dir(checkout())
        .env("PYCOW_HOST", host)
        .output();
    let text = String::from_utf8_lossy(&output.expect("cargo").stdout).into_owned();
    let mut outcome = Outcome::default();
    // cargo names programs on stderr: the tests are told apart by their own names.
    for line in text.lines().filter_map(|line| line.strip_prefix("test ")) {
        match line.rsplit_once(" ... ") {
            Some((_, "ok")) => outcome.passed += 1,
            Some((name, "FAILED")) => drop(outcome.failed.insert(name.to_owned())),
            _ => {}
        }
    }
    for note in fs::read_dir(notes).into_iter().flatten().flatten() {
        let why = fs::read_to_string(note.path()).unwrap_or_default();
        let name = note.file_name().to_string_lossy().into_owned();
        outcome.skipped.insert(format!("{name}: {}", why.trim()));
    }
    outcome
}

#[test]
fn every_host() {
    let only = env::var("HOSTS").unwrap_or_default();
    let is_chosen = |name: &str| only.split([',', ' ']).any(|part| name.contains(part));
    let chosen: Vec<_> = wanted()
        .into_iter()
        .filter(|(name, _)| is_chosen(name))
        .collect();
    assert!(!chosen.is_empty(), "no host is called {only}");
    let mut bad = Vec::new();
    for (name, host) in chosen {
        let host = match host {
            Ok(host) => host,
            Err(why) => {
                tell("hosts", &name, Verdict::Skipped, &[why]);
                continue;
            }
        };
        println!("{name} ..");
        let routes = routes(&host);
        let programs = PROGRAMS.iter().filter(|it| routes || !ROUTED.contains(it));
        let programs: Vec<&str> = programs.copied().collect();
        let mut outcome = run(&host, &programs, None);
        let mut failed = BTreeSet::new();
        if outcome.failed.len() <= MOST {
            failed = std::mem::take(&mut outcome.failed);
        }
        for test in failed {
            let again = run(&host, &programs, Some(&test));
            match again.failed.is_empty() && again.passed > 0 {
                true => outcome.passed += 1,
                false => drop(outcome.failed.insert(test)),
            }
        }
        let told = |what: &BTreeSet<String>| what.iter().cloned().collect::<Vec<_>>().join(", ");
        let tried = outcome.passed + outcome.failed.len();
        let mut cell = format!("{} of {tried}", outcome.passed);
        if !outcome.failed.is_empty() {
            cell += &format!("; failed: {}", told(&outcome.failed));
        }
        if !outcome.skipped.is_empty() {
            cell += &format!(
                "; {} of them cannot be there ({})",
                outcome.skipped.len(),
                told(&outcome.skipped)
            );
        }
        if !routes {
            cell += &format!(
                "; built without request routing, not tried: {}",
                ROUTED.join(", ")
            );
        }
        println!("{name}: {cell}");
        let is_good = outcome.failed.is_empty() && outcome.passed > 0;
        let verdict = if is_good { Verdict::Yes } else { Verdict::No };
        tell("hosts", &name, verdict, &[cell]);
        if !is_good {
            bad.push(name);
        }
    }
    assert!(bad.is_empty(), "{bad:?}");
}
