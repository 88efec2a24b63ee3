//! Wheel, .deb and .rpm say the same of themselves as the crate does, and nothing of the machine that made them.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use pycow_testkit::checkout;

use crate::dist::artefact;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const DESCRIPTION: &str = env!("CARGO_PKG_DESCRIPTION");
const LICENSE: &str = env!("CARGO_PKG_LICENSE");

/// What a command prints.
fn printed(program: &str, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .arg(file)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{program} {}", file.display());
    String::from_utf8(output.stdout).unwrap()
}

/// The license as the checkout has it.
fn license() -> String {
    fs::read_to_string(checkout().join("LICENSE")).unwrap()
}

#[test]
fn the_wheel() {
    let read = |ending: &str| {
        let script = format!(
            "import sys, zipfile; wheel = zipfile.ZipFile(sys.argv[1]); \
             print(wheel.read(next(n for n in wheel.namelist() if n.endswith('.dist-info/{ending}'))).decode(), end='')"
        );
        printed("python3", &["-c", &script], &artefact("_x86_64.whl"))
    };
    let metadata = read("METADATA");
    for line in [
        "Name: uwsgi-pycow".to_owned(),
        format!("Version: {VERSION}"),
        format!("Summary: {DESCRIPTION}"),
        format!("License-Expression: {LICENSE}"),
    ] {
        assert!(metadata.lines().any(|it| it == line), "{line}: {metadata}");
    }
    assert_eq!(read("licenses/LICENSE"), license());
}

#[test]
fn the_deb() {
    let package = artefact("_amd64.deb");
    let field = |name| {
        let text = printed("dpkg-deb", &["--show", "--showformat", name], &package);
        text.lines().next().unwrap().to_owned()
    };
    assert_eq!(field("${Package}"), "uwsgi-plugin-pycow");
    assert_eq!(field("${Version}"), VERSION);
    assert_eq!(field("${Description}"), DESCRIPTION);
    // A .deb says its license in a file.
    let script = "dpkg-deb --fsys-tarfile \"$0\" | tar --extract --to-stdout ./usr/share/doc/uwsgi-plugin-pycow/copyright";
    assert_eq!(printed("sh", &["-c", script], &package), license());
}

/// A text of a .rpm's header, by the number of its tag; this machine may have no `rpm`.
fn rpm_text(file: &[u8], tag: u32) -> String {
    const LEAD: usize = 96;
    let number = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
    // A header is its magic, how many entries of 16 bytes, how many bytes of data, these two.
    let parts = |at: usize| {
        assert_eq!(file[at..at + 3], [0x8e, 0xad, 0xe8], "a header at {at}");
        let entries = at + 16;
        let data = entries + 16 * number(at + 8) as usize;
        (entries, data, data + number(at + 12) as usize)
    };
    let (.., signatures_end) = parts(LEAD);
    let (entries, data, _) = parts(signatures_end.next_multiple_of(8));
    let mut all = (entries..data).step_by(16);
    let entry = all.find(|at| number(*at) == tag);
    let at = data + number(entry.unwrap_or_else(|| panic!("no tag {tag}")) + 8) as usize;
    let text = file[at..].split(|byte| *byte == 0).next().unwrap();
    String::from_utf8(text.to_vec()).unwrap()
}

#[test]
fn the_rpm() {
    let file = fs::read(artefact(".x86_64.rpm")).unwrap();
    let (name, version, summary, build_host, license) = (1000, 1001, 1004, 1007, 1014);
    assert_eq!(rpm_text(&file, name), "uwsgi-plugin-pycow");
    assert_eq!(rpm_text(&file, version), VERSION);
    assert_eq!(rpm_text(&file, summary), DESCRIPTION);
    assert_eq!(rpm_text(&file, license), LICENSE);
    assert_eq!(
        rpm_text(&file, build_host),
        "localhost",
        "the same anywhere"
    );
}

#[test]
fn the_plugin_has_no_path_of_the_machine_that_built_it() {
    let plugin = fs::read(checkout().join("target/dist/x86_64/pycow_plugin.so")).unwrap();
    let is_there = |text: &str| plugin.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(is_there("/cargo/registry/"), "its crates are told");
    let home = || std::env::var("HOME").unwrap() + "/.cargo";
    let cargo = std::env::var("CARGO_HOME").unwrap_or_else(|_| home());
    assert!(!is_there(&cargo));
    assert!(!is_there(&checkout().display().to_string()));
}
