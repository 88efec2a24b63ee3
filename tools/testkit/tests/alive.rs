//! Whoever waits for a build or for setup hears that it is alive.

use std::process::Command;

use pycow_testkit::checkout;

/// Its status, and what it says while a script runs, and then `over`.
fn heard(script: &str) -> (Option<i32>, String) {
    let output = Command::new("sh")
        .args([
            "-c",
            "\"$0\" sh -c \"$1\" 2>&1; status=$?; echo over; exit $status",
        ])
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
    let (ticks, after) = said.split_once("over\n").unwrap();
    assert_eq!(after, "", "nothing comes after its end");
    // It may be heard of once more between its last word and its end.
    let (ticks, others): (Vec<&str>, Vec<&str>) = ticks
        .lines()
        .partition(|line| line.starts_with("  .. sh, "));
    assert!(ticks.len() > 2, "{said}");
    assert_eq!(others, ["done"]);
    assert_eq!(heard("exit 0"), (Some(0), "over\n".into()));
}
