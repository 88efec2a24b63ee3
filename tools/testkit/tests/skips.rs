//! What `make test` makes of the notes of tests that could not run.

use std::{fs, path::Path, process::Command};

use pycow_testkit::checkout;

const KNOWN: &str = "ksm::equal_pages_are_merged_where_the_kernel_can";

/// Whether it passes, and what it prints.
fn judged(notes: &Path, ci: bool) -> (bool, String) {
    let mut command = Command::new(checkout().join("tools/testkit/skipped"));
    command.arg(notes).env_remove("CI");
    if ci {
        command.env("CI", "true");
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), text)
}

#[test]
fn skipped_tests_are_named_and_fail_ci_unless_they_are_on_the_list() {
    let notes = tempfile::tempdir().unwrap();
    let missing = notes.path().join("none");
    assert_eq!(judged(&missing, true), (true, "0 tests skipped\n".into()));

    fs::write(notes.path().join(KNOWN), "no KSM\n").unwrap();
    let known = format!("skipped: {KNOWN}: no KSM\n");
    let said = format!("{known}1 tests skipped\n");
    assert_eq!(judged(notes.path(), true), (true, said));

    fs::write(notes.path().join("zz::new"), "no root\n").unwrap();
    let said = format!("{known}skipped: zz::new: no root\n2 tests skipped\n");
    assert_eq!(judged(notes.path(), true), (false, said.clone()));
    assert_eq!(judged(notes.path(), false), (true, said));
}
