//! The structs of CPython that pycow reads, against the headers of every CPython found.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pycow_testkit::{checkout, hosts, prepared, skip};

use crate::{compile, read};

/// Folders with a `Python.h` and the version they are of.
fn headers() -> BTreeMap<PathBuf, (u32, u32)> {
    let asked = hosts().into_iter().filter_map(|host| {
        let ask = "import sysconfig; print(sysconfig.get_path('include'))";
        let output = Command::new(host.interpreter?)
            .args(["-c", ask])
            .output()
            .ok()?;
        Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
    });
    // What setup unpacked for the hosts that have no interpreter outside of their own Debian.
    let unpacked = fs::read_dir(prepared().join("headers"))
        .into_iter()
        .flatten();
    let unpacked = unpacked.flatten().map(|entry| entry.path());
    let folders = asked.chain(unpacked);
    let folders = folders.filter_map(|folder| Some((folder.clone(), version(&folder)?)));
    folders.collect()
}

/// Major and minor version of the headers in that folder.
fn version(folder: &Path) -> Option<(u32, u32)> {
    let text = fs::read_to_string(folder.join("patchlevel.h")).ok()?;
    let number = |name: &str| {
        let line = text.lines().find(|line| line.contains(name))?;
        line.split_whitespace().last()?.parse().ok()
    };
    Some((number("PY_MAJOR_VERSION")?, number("PY_MINOR_VERSION")?))
}

/// Compiles the assertions, with the type that a count has in that version.
fn check(folder: &Path, version: (u32, u32), text: &str) -> Result<(), String> {
    // 3.14 has a count of 32 bits and flags behind it.
    let count = if version >= (3, 14) {
        "-DCOUNT=uint32_t"
    } else {
        "-DCOUNT=Py_ssize_t"
    };
    let include = folder.display().to_string();
    // Debian keeps what differs between processors, such as pyconfig.h, beside it.
    let beside = folder.parent().unwrap().display().to_string();
    compile(text, &["-I", &include, "-I", &beside, count])
}

fn assertions() -> String {
    read(&checkout().join("tests/layouts/cpython.c"))
}

#[test]
fn every_struct_is_where_it_is_looked_for() {
    let found = headers();
    assert!(!found.is_empty(), "no headers of CPython: run `make setup`");
    for (folder, version) in &found {
        println!("{}: {version:?}", folder.display());
        check(folder, *version, &assertions()).unwrap_or_else(|said| panic!("{said}"));
    }
    let covered = |python: (u8, u8)| {
        let python = (u32::from(python.0), u32::from(python.1));
        found.values().any(|version| *version == python)
    };
    let absent: Vec<_> = hosts()
        .into_iter()
        .filter(|host| !covered(host.python))
        .collect();
    if let Some(host) = absent.first() {
        skip(&format!("no headers of {}'s CPython", host.name));
    }
}

#[test]
fn what_differs_is_found() {
    let wrong = [
        ("wr_callback, 24", "wr_callback, 32"),
        ("m_ml, 16", "m_ml, 24"),
        ("tp_flags, 21", "tp_flags, 20"),
        ("shape, 48", "shape, 40"),
        ("IS(Py_tp_traverse, 71)", "IS(Py_tp_traverse, 72)"),
        ("interpreters.main)\n", "interpreters.next_id)\n"),
    ];
    let (folder, version) = headers().pop_first().unwrap();
    for (right, wrong) in wrong {
        let text = assertions().replace(right, wrong);
        assert_ne!(text, assertions());
        assert!(check(&folder, version, &text).is_err(), "{wrong}");
    }
}

#[test]
fn bytecode_begins_where_the_class_of_code_says() {
    let mut asked = 0;
    for host in hosts().into_iter().filter(|host| host.python >= (3, 11)) {
        let Some(interpreter) = &host.interpreter else {
            continue;
        };
        let ask = "import sysconfig, types\n\
                   print(sysconfig.get_path('include'), types.CodeType.__basicsize__)";
        let output = Command::new(interpreter)
            .args(["-c", ask])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (folder, size) = text.trim().rsplit_once(' ').unwrap();
        let folder = Path::new(folder);
        let Some(version) = version(folder) else {
            continue;
        };
        let equal = format!(
            "\n_Static_assert(offsetof(PyCodeObject, co_code_adaptive) == {size}, \"bytecode\");\n"
        );
        check(folder, version, &(assertions() + &equal)).unwrap_or_else(|said| panic!("{said}"));
        asked += 1;
    }
    assert!(asked > 0);
}
