//! `make matrix`: the behaviour suite on every host, with one built plugin; docs/supported.md gets a row of each,
//! `target/matrix/` what the tests said.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
};

use pycow_testkit::{
    checkout, hosts, prepared,
    supported::{tell, Verdict},
    Host,
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

/// Debian's, installed on this machine.
const INSTALLED: &str = "/usr/bin/uwsgi-core";

/// Hosts that were wanted and are not here: `.hosts/matrix/NAME.skipped` says why.
const SKIPPED: &str = "skipped";

/// A host by its name, and the folder that it is in, or why it is not there.
fn wanted() -> Vec<(String, Result<PathBuf, String>)> {
    let is_installed = |host: &Host| host.uwsgi == Path::new(INSTALLED);
    let mut found: Vec<(String, Result<PathBuf, String>)> = Vec::new();
    if let Some(host) = hosts().into_iter().find(is_installed) {
        found.push((host.name, Ok("installed".into())));
    }
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

/// Tests of others that do.
const ROUTED_TESTS: &[&str] = &[
    "counted::collections_are_counted_whatever_the_policy",
    "policy::an_application_that_sets_thresholds_keeps_them",
];

/// Tests wait for most of their time.
const AT_A_TIME: usize = 7;

/// As many tests that failed get one more try, as in `make test`: machines are busy.
const MOST: usize = 3;

/// Whether this uWSGI was built with request routing (PCRE).
fn routes(host: &Path) -> bool {
    let command = match host.to_str() {
        Some("installed") => INSTALLED.into(),
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
    /// How many cannot be there, for each reason that the tests give themselves.
    skipped: BTreeMap<String, usize>,
}

/// A host at work.
struct Run<'a> {
    name: &'a str,
    host: &'a Path,
    programs: Vec<&'static str>,
    routes: bool,
}

impl Run<'_> {
    /// Runs the suite, or one test of it.
    fn cargo(&self, only: Option<&str>) -> Outcome {
        let folder = target().join("matrix");
        let notes = folder.join(format!("{}.skipped", self.name));
        let _ = fs::remove_dir_all(&notes);
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--no-fail-fast", "--color=never"]);
        for program in &self.programs {
            cargo.args(["--test", program]);
        }
        cargo.arg("--");
        if let Some(only) = only {
            cargo.args(["--exact", only]);
        }
        for test in ROUTED_TESTS.iter().filter(|_| !self.routes) {
            cargo.args(["--skip", test]);
        }
        let output = cargo
            .current_dir(checkout())
            .env("PYCOW_HOST", self.host)
            .env("PYCOW_SKIPPED", &notes)
            .output();
        let text = String::from_utf8_lossy(&output.expect("cargo").stdout).into_owned();
        let log = folder.join(format!(
            "{}{}.log",
            self.name,
            only.map_or("", |_| "-again")
        ));
        fs::create_dir_all(&folder).expect("target/matrix");
        fs::write(log, &text).expect("target/matrix");
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
            *outcome.skipped.entry(why.trim().to_owned()).or_default() += 1;
        }
        outcome
    }

    /// The suite; tests that failed once more, one by one.
    fn suite(&self) -> Outcome {
        let mut outcome = self.cargo(None);
        if outcome.failed.len() <= MOST {
            for test in std::mem::take(&mut outcome.failed) {
                let again = self.cargo(Some(&test));
                if again.failed.is_empty() && again.passed > 0 {
                    outcome.passed += 1;
                } else {
                    outcome.failed.insert(test);
                }
            }
        }
        outcome
    }

    /// Its cell.
    fn told(&self, outcome: &Outcome) -> String {
        let skipped: usize = outcome.skipped.values().sum();
        let passed = outcome.passed.saturating_sub(skipped);
        let mut cell = format!("{passed} of {}", passed + outcome.failed.len());
        if !outcome.failed.is_empty() {
            let failed: Vec<&str> = outcome.failed.iter().map(String::as_str).collect();
            cell += &format!("; failed: {}", failed.join(", "));
        }
        let reason = |(why, count): (&String, &usize)| format!("{why} ({count})");
        let reasons: Vec<String> = outcome.skipped.iter().map(reason).collect();
        if skipped > 0 {
            cell += &format!("; {skipped} cannot be there: {}", reasons.join(", "));
        }
        if !self.routes {
            let lacking = [ROUTED, ROUTED_TESTS].concat().join(", ");
            cell += &format!("; built without request routing, not tried: {lacking}");
        }
        cell
    }
}

fn target() -> PathBuf {
    checkout().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Whether all that was tried on that host passed.
fn passes(name: &str, host: &Path) -> bool {
    println!("{name} ..");
    let routes = routes(host);
    let programs = PROGRAMS.iter().filter(|it| routes || !ROUTED.contains(it));
    let run = Run {
        name,
        host,
        programs: programs.copied().collect(),
        routes,
    };
    let outcome = run.suite();
    let cell = run.told(&outcome);
    println!("{name}: {cell}");
    let passes = outcome.failed.is_empty() && outcome.passed > 0;
    let verdict = if passes { Verdict::Yes } else { Verdict::No };
    tell("hosts", name, verdict, &[cell]);
    passes
}

#[test]
fn every_host() {
    let only = env::var("HOSTS").unwrap_or_default();
    let is_chosen = |name: &str| only.split([',', ' ']).any(|part| name.contains(part));
    let mut chosen = wanted();
    chosen.retain(|(name, _)| is_chosen(name));
    assert!(!chosen.is_empty(), "no host is called {only}");
    chosen.reverse();
    let (next, bad) = (Mutex::new(chosen), Mutex::new(Vec::new()));
    let work = || loop {
        let Some((name, host)) = next.lock().expect("no panic").pop() else {
            return;
        };
        match host {
            Ok(host) if passes(&name, &host) => {}
            Ok(_) => bad.lock().expect("no panic").push(name),
            Err(why) => tell("hosts", &name, Verdict::Skipped, &[why]),
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(work);
        }
    });
    let bad = bad.into_inner().expect("no panic");
    assert!(bad.is_empty(), "{bad:?}");
}
