//! The two structs of uWSGI's plugin interface: names, order, types and offsets.

use std::process::Command;

use pycow_testkit::{checkout, hosts, Host};

use crate::{compile, read};

/// What a host carries and what pycow was built with have these in common.
const STRUCTS: [&str; 2] = ["uwsgi_option", "uwsgi_plugin"];

/// The header inside the running binary.
fn header_of(host: &Host) -> String {
    let output = Command::new(&host.uwsgi).arg("--dot-h").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("struct uwsgi_server {"), "{}", host.name);
    text
}

fn ours() -> String {
    read(&checkout().join("uwsgi-headers/plugin.h"))
}

/// The body of a struct, without comments.
fn body(header: &str, name: &str) -> String {
    let start = format!("struct {name} {{");
    let (_, rest) = header.split_once(&start).unwrap();
    let (body, _) = rest.split_once("\n}").unwrap();
    let mut text = String::new();
    let mut rest = body;
    while let Some((before, comment)) = rest.split_once("/*") {
        text += before;
        (_, rest) = comment.split_once("*/").unwrap();
    }
    text += rest;
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// Its members in their order: name and whole declaration without blanks.
fn members(header: &str, name: &str) -> Vec<(String, String)> {
    let body = body(header, name);
    let declarations = body.split(';').map(str::trim).filter(|one| !one.is_empty());
    let named = declarations.map(|declaration| {
        // The name is the first thing in `(*name)`, or else the last word.
        let words = |text: &str| -> Vec<String> {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let words = text.split(|c| !is_word(c)).filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        };
        let member = match declaration.split_once("(*") {
            Some((_, function)) => words(function).swap_remove(0),
            None => words(declaration).pop().unwrap(),
        };
        (member, declaration.split_whitespace().collect())
    });
    named.collect()
}

/// The members that this uWSGI has: those of ours up to the end of its own.
fn compare(ours: &str, theirs: &str, name: &str) -> Vec<String> {
    let (mine, hosts) = (members(ours, name), members(theirs, name));
    assert!(hosts.len() <= mine.len(), "more members than pycow knows");
    assert_eq!(mine[..hosts.len()], hosts[..], "struct {name}");
    hosts.into_iter().map(|(member, _)| member).collect()
}

/// C that compares both layouts of a struct.
fn assertions(ours: &str, theirs: &str, name: &str) -> String {
    let mut text = String::from("#include <stddef.h>\n#include <stdint.h>\n");
    text +=
        "struct wsgi_request; struct uwsgi_buffer; struct uwsgi_instance; struct uwsgi_option;\n";
    for (whose, header) in [("ours", ours), ("theirs", theirs)] {
        text += &format!("struct {whose} {{ {} }};\n", body(header, name));
    }
    for (member, _) in members(theirs, name) {
        let same = [
            format!("offsetof(struct ours, {member}) == offsetof(struct theirs, {member})"),
            format!(
                "__builtin_types_compatible_p(__typeof__(((struct ours *)0)->{member}), \
                 __typeof__(((struct theirs *)0)->{member}))"
            ),
        ];
        for same in same {
            text += &format!("_Static_assert({same}, \"{member}\");\n");
        }
    }
    text
}

#[test]
fn every_member_is_the_hosts_own() {
    let ours = ours();
    for host in hosts() {
        println!("{}", host.name);
        let theirs = header_of(&host);
        for name in STRUCTS {
            let compared = compare(&ours, &theirs, name);
            assert!(compared.len() >= 7, "{compared:?}");
            compile(&assertions(&ours, &theirs, name), &[]).unwrap_or_else(|said| panic!("{said}"));
        }
        let options = members(&theirs, "uwsgi_option").len();
        assert_eq!(options, members(&ours, "uwsgi_option").len());
    }
}

#[test]
fn a_member_that_differs_is_found() {
    let ours = ours();
    let moved = ours
        .replace("int shortcut;\n", "")
        .replace("int type;\n", "int shortcut;\nint type;\n");
    let wider = ours.replace("int shortcut;", "long shortcut;");
    for theirs in [moved, wider] {
        let found = std::panic::catch_unwind(|| compare(&ours, &theirs, "uwsgi_option"));
        assert!(found.is_err());
        assert!(compile(&assertions(&ours, &theirs, "uwsgi_option"), &[]).is_err());
    }
}
