//! What the workflow, CI and the documents call `make` for can be made.

use std::{collections::BTreeSet, fs, process::Command};

use pycow_testkit::checkout;

fn read(path: &str) -> String {
    let path = checkout().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The targets of a Makefile: names at the start of a line, before a colon.
fn targets(makefile: &str) -> BTreeSet<&str> {
    let names = makefile.lines().filter_map(|line| line.split_once(':'));
    names
        .map(|(name, _)| name)
        .filter(|name| is_target(name))
        .collect()
}

fn is_target(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c == '-';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(is_letter)
}

/// What follows each `before` up to the end of the word, if it is a target's name.
fn called<'a>(text: &'a str, before: &str) -> BTreeSet<&'a str> {
    let rest = text.split(before).skip(1);
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_$".contains(c);
    let words = rest.map(|rest| rest.split(|c| !is_part(c)).next().unwrap_or_default());
    words.filter(|word| is_target(word)).collect()
}

const WORKFLOW: &str = ".github/workflows/ci.yml";

#[test]
fn every_job_of_the_workflow_is_a_target() {
    let (makefile, workflow) = (read("Makefile"), read(WORKFLOW));
    let known = targets(&makefile);
    let mut jobs = called(&workflow, "{ target: ");
    jobs.extend(called(&workflow, "run: make "));
    let promised = [
        "lint", "test", "matrix", "modes", "faults", "fuzz", "sanitize", "miri", "build",
    ];
    for job in promised {
        assert!(jobs.contains(job), "{job} is no job: {jobs:?}");
    }
    let unknown: Vec<_> = jobs.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    // One that is named above and not there would be found.
    assert!(!known.contains("nothing-of-this-name"));
}

#[test]
fn what_ci_runs_is_a_target() {
    let (makefile, run) = (read("Makefile"), read(".ci/run"));
    let called = called(&run, "\nmake ");
    assert_eq!(called, BTreeSet::from(["lint", "test"]));
    assert!(called.is_subset(&targets(&makefile)));
}

#[test]
fn what_a_page_calls_make_for_is_a_target() {
    let makefile = read("Makefile");
    let known = targets(&makefile);
    let docs = fs::read_dir(checkout().join("docs")).unwrap();
    let mut pages: Vec<_> = docs.map(|entry| entry.unwrap().path()).collect();
    let above = ["README.md", "CONTRIBUTING.md", "SECURITY.md"];
    pages.extend(above.map(|name| checkout().join(name)));
    let mut all = 0;
    for page in pages
        .iter()
        .filter(|it| it.extension().is_some_and(|e| e == "md"))
    {
        let text = fs::read_to_string(page).unwrap();
        let called = called(&text, "`make ");
        all += called.len();
        let unknown: Vec<_> = called.difference(&known).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", page.display());
    }
    assert!(all > 10, "{all}");
}

/// The oldest Rust is named by the manifest; the workflow builds with that, and who is told of Rust is told of it.
#[test]
fn the_workflow_builds_with_the_oldest_rust_that_is_promised() {
    let (manifest, workflow) = (read("Cargo.toml"), read(WORKFLOW));
    let (_, rest) = manifest.split_once("\nrust-version = \"").unwrap();
    let (version, _) = rest.split_once('"').unwrap();
    let image = format!("container: rust:{version}-bookworm\n");
    assert!(workflow.contains(&image), "no {image}");
    for page in ["README.md", "docs/install.md", "uwsgiplugin.py"] {
        let told = format!("Rust {version} or newer");
        assert!(read(page).contains(&told), "{page}: no {told}");
    }
}

/// Told by make itself, before anything is built.
#[test]
fn a_file_of_ones_own_that_is_not_there_is_told_at_once() {
    for target in ["bench", "why"] {
        let made = |file: &str| {
            let mut make = Command::new("make");
            make.args(["--dry-run", target, file]);
            // This test may run below a make.
            make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
            make.current_dir(checkout()).output().unwrap()
        };
        for name in ["APP", "INI", "URLS", "WARMUP"] {
            let output = made(&format!("{name}=/nowhere/of ones own"));
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{errors}");
            let told = format!("{name}=/nowhere/of ones own: no such file");
            assert!(errors.contains(&told), "{errors}");
        }
        let output = made(&format!("APP={}", checkout().join("LICENSE").display()));
        assert!(output.status.success(), "{output:?}");
    }
}
