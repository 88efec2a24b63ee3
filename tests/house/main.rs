//! The house: who may use whom in `src/`, read from its own `use` lines.
//!
//! lib -> lifecycle -> features -> config and hosts. What stands higher may use what stands lower, never
//! the other way round; features do not know each other, nor do hosts. Inside a room there are no circles.

mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use pycow_testkit::checkout;
use source::{code_of, has_word, paths_in};

/// The rooms from the bottom up. Those of one row do not know each other.
const FLOORS: [&[&str]; 6] = [
    &["guard", "symbols"],
    &["config", "uwsgi", "python", "linux"],
    &["plugin"],
    &["collector", "immortal", "forking", "leaving", "sharing"],
    &["lifecycle"],
    &["lib", "calls"],
];
/// Where `unsafe` is allowed: the hosts and the look-up under them, the marks, and the door with its
/// guard.
const UNSAFE: [&str; 8] = [
    "uwsgi", "python", "linux", "symbols", "immortal", "lib", "calls", "guard",
];
const MOST_LINES: usize = 300;

/// A module, as its path in the crate: `linux::smaps`; the crate itself is `lib`.
type Module = Vec<String>;

/// The modules of a crate, and their code.
struct House(BTreeMap<Module, String>);

/// What stands in the file of one module, and names another.
type Arrow = (Module, Module);

fn module(name: &str) -> Module {
    name.split("::").map(str::to_owned).collect()
}

fn name(module: &[String]) -> String {
    module.join("::")
}

/// The module in that file: `linux/mod.rs` and `linux.rs` are both `linux`.
fn module_of(path: &Path) -> Module {
    let without_extension = path.with_extension("");
    let mut names: Module = without_extension
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if names.last().is_some_and(|last| last == "mod") {
        names.pop();
    }
    names
}

impl House {
    fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter();
        Self(
            files
                .map(|(name, text)| (module(name), code_of(text)))
                .collect(),
        )
    }

    /// The module that a path leads to: its longest beginning that is one.
    fn target(&self, from: &Module, path: &[String]) -> Option<Module> {
        let mut full = match from[0].as_str() {
            "lib" => Vec::new(),
            _ => from.clone(),
        };
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => (full, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            _ => {}
        }
        while rest.first().is_some_and(|word| word == "super") {
            full.pop();
            rest = &rest[1..];
        }
        let floor = full.len();
        full.extend(rest.iter().cloned());
        // A path that begins with another crate's name leads to no module of ours.
        let ours = ["crate", "self", "super"].contains(&path[0].as_str());
        let least = if ours { 1 } else { floor + 1 };
        let beginnings = (least..=full.len()).rev().map(|length| &full[..length]);
        let found = beginnings
            .map(<[String]>::to_vec)
            .find(|one| self.0.contains_key(one));
        found.or_else(|| ours.then(|| module("lib")))
    }

    fn arrows(&self) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        for (from, code) in &self.0 {
            for path in paths_in(code) {
                let target = self.target(from, &path).filter(|target| target != from);
                arrows.extend(target.map(|target| (from.clone(), target)));
            }
        }
        arrows
    }

    /// Arrows that run upwards or sideways, and rooms that the house does not have.
    fn wrong_arrows(&self) -> Vec<String> {
        let floor = |module: &Module| FLOORS.iter().position(|floor| floor.contains(&&*module[0]));
        let mut wrong: Vec<String> = self
            .0
            .keys()
            .filter(|module| floor(module).is_none())
            .map(|module| format!("{} is in no room", name(module)))
            .collect();
        for (from, to) in self.arrows() {
            let (Some(high), Some(low)) = (floor(&from), floor(&to)) else {
                continue;
            };
            // Options are read before anything else is there.
            let alone = from[0] == "config";
            if from[0] != to[0] && (high <= low || alone) {
                wrong.push(format!("{} -> {}", name(&from), name(&to)));
            }
        }
        wrong
    }

    /// Modules that need each other. A module and those inside it belong together.
    fn circles(&self) -> Vec<String> {
        let arrows = self.arrows();
        let inside = |(from, to): &&Arrow| !from.starts_with(to) && !to.starts_with(from);
        let arrows: Vec<&Arrow> = arrows.iter().filter(inside).collect();
        let mut circles = Vec::new();
        for start in self.0.keys() {
            let mut reached = BTreeSet::new();
            let mut next = vec![start];
            while let Some(from) = next.pop() {
                let onward = arrows.iter().filter(|arrow| &arrow.0 == from);
                next.extend(
                    onward
                        .map(|arrow| &arrow.1)
                        .filter(|to| reached.insert(*to)),
                );
            }
            if reached.contains(start) {
                circles.push(name(start));
            }
        }
        circles
    }

    fn unsafe_outside(&self) -> Vec<String> {
        let elsewhere = self
            .0
            .iter()
            .filter(|(module, _)| !UNSAFE.contains(&&*module[0]));
        let found = elsewhere.filter(|(_, code)| has_word(code, "unsafe"));
        found.map(|(module, _)| name(module)).collect()
    }
}

/// The files of src/, their paths from there.
fn files() -> Vec<(String, String)> {
    let src = checkout().join("src");
    let mut folders = vec![src.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&src).unwrap().display().to_string();
                files.push((inside, fs::read_to_string(path).unwrap()));
            }
        }
    }
    files
}

fn ours() -> House {
    let files = files();
    let module = |path: &str| module_of(Path::new(path));
    House(
        files
            .iter()
            .map(|(path, text)| (module(path), code_of(text)))
            .collect(),
    )
}

#[test]
fn arrows_run_downwards_only() {
    let wrong = ours().wrong_arrows();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn there_are_no_circles() {
    let circles = ours().circles();
    assert!(
        circles.is_empty(),
        "these modules stand in circles: {circles:#?}"
    );
}

#[test]
fn unsafe_stands_where_it_is_allowed() {
    let outside = ours().unsafe_outside();
    assert!(outside.is_empty(), "{outside:#?}");
}

#[test]
fn no_file_is_too_long() {
    let lines = |(path, text): (String, String)| (path, text.lines().count());
    let long = files()
        .into_iter()
        .map(lines)
        .filter(|(_, lines)| *lines > MOST_LINES);
    let long: Vec<_> = long.collect();
    assert!(long.is_empty(), "more than {MOST_LINES} lines: {long:#?}");
}

/// Rust before 1.89 lets it live until the end of its statement only, and clippy does not tell.
#[test]
fn no_variable_keeps_format_args() {
    let keeps = |text: &str| text.contains("= format_args!(");
    assert!(keeps("let line = format_args!(\"{number}\");"));
    let kept: Vec<_> = files()
        .into_iter()
        .filter(|(_, text)| keeps(text))
        .collect();
    let kept: Vec<_> = kept.iter().map(|(path, _)| path).collect();
    assert!(kept.is_empty(), "too new for rust-version: {kept:?}");
}

/// A made-up house in which all of that is wrong.
#[test]
fn what_is_wrong_is_found() {
    let house = House::of(&[
        (
            "lib",
            "mod guard; use guard::guard;\nuse lifecycle::{exit, start};\n",
        ),
        ("guard", "use std::panic;\n"),
        (
            "config",
            "// use crate::linux::smaps;\nuse crate::guard;\nconst A: &str = \"crate::linux\";\n",
        ),
        ("linux", ""),
        (
            "linux::smaps",
            "use super::{reader::{Reader, self}, super::config as x};\n",
        ),
        (
            "linux::reader",
            "use crate::guard::guard;\nfn f() { super::smaps::parse('\"') }\n",
        ),
        (
            "sharing",
            "pub(crate) use crate::{\n    config::Config,\n    leaving::line,\n};\n",
        ),
        (
            "leaving",
            "fn f<'a>() { unsafe { g() } }\n#[cfg(test)]\nmod tests {\nuse crate::lib;\n}",
        ),
        ("lifecycle", "use crate::sharing::f; use std::process;\n"),
        ("lifecycle::exit", "use super::super::leaving;\n"),
        ("python", "fn f() { crate::lifecycle::exit::go() }\n"),
        ("role", ""),
    ]);
    let wrong = [
        "role is in no room",
        "config -> guard",
        "linux::smaps -> config",
        "python -> lifecycle::exit",
        "sharing -> leaving",
    ];
    assert_eq!(house.wrong_arrows(), wrong);
    assert_eq!(house.circles(), ["linux::reader", "linux::smaps"]);
    assert_eq!(house.unsafe_outside(), ["leaving"]);
    let lib = house
        .arrows()
        .into_iter()
        .filter(|(from, _)| from[0] == "lib");
    assert_eq!(
        lib.map(|(_, to)| name(&to)).collect::<Vec<_>>(),
        ["guard", "lifecycle", "lifecycle::exit"]
    );
}
