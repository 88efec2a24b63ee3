//! Whoever waits for a build or for setup hears that it is alive.

use std::process::Command;

use pycow_testkit::checkout;

/// Its status, and what it says while a script runs.
fn heard(script: &str) -> (Option<i32>, String) {
    let output = Command::new("sh")
        .args(["-c", "exec \"$0\" sh -c \"$1\" 2>&1"])
        .arg(checkout().join("tools/testkit/alive"))
        .arg(script)
        .env("ALIVE_EVERY", "0.1")
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn a_command_that_says_nothing_is_heard_of() {
    let (status, said) = heard("sleep 1; echo done; exit 3");
    assert_eq!(status, Some(3));
    let (ticks, done) = said.split_once("done\n").unwrap();
    assert!(ticks.lines().count() > 2, "{said}");
    assert!(
        ticks.lines().all(|line| line.starts_with("  .. sh, ")),
        "{said}"
    );
    assert_eq!(done, "", "nothing comes after its end");
    assert_eq!(heard("exit 0"), (Some(0), String::new()));
}
