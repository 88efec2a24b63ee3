//! The built file: one for a whole fleet, so it asks its host for nothing but libc.

use object::{Object, ObjectSection, ObjectSymbol, SymbolSection};
use pycow_testkit::plugin_path;

fn read() -> Vec<u8> {
    std::fs::read(plugin_path()).unwrap()
}

#[test]
fn no_symbol_of_uwsgi_or_python_is_undefined() {
    let data = read();
    let file = object::File::parse(&*data).unwrap();
    let undefined: Vec<&str> = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_undefined())
        .map(|symbol| symbol.name().unwrap())
        .collect();
    assert!(undefined.contains(&"dlsym"), "{undefined:?}");
    for name in undefined {
        let foreign = ["uwsgi", "Py", "_Py"];
        assert!(
            !foreign.iter().any(|start| name.starts_with(start)),
            "{name}"
        );
    }
}

#[test]
fn the_table_has_both_names_and_lies_in_writable_memory() {
    let data = read();
    let file = object::File::parse(&*data).unwrap();
    for wanted in ["pycow_plugin", "libpycow_plugin"] {
        let symbol = file
            .dynamic_symbols()
            .find(|symbol| symbol.name() == Ok(wanted))
            .unwrap_or_else(|| panic!("{wanted} is not exported"));
        let SymbolSection::Section(index) = symbol.section() else {
            panic!("{wanted} has no section");
        };
        let section = file.section_by_index(index).unwrap();
        // .data.rel.ro is writable only until relocations are done.
        assert_eq!(section.name(), Ok(".data"), "{wanted}");
    }
}

#[test]
fn nothing_else_is_exported() {
    let data = read();
    let file = object::File::parse(&*data).unwrap();
    let mut exported: Vec<&str> = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.is_global())
        .map(|symbol| symbol.name().unwrap())
        .collect();
    exported.sort_unstable();
    assert_eq!(exported, ["libpycow_plugin", "pycow_plugin"]);
}

#[test]
fn only_libc_and_the_unwinder_are_needed() {
    let output = std::process::Command::new("readelf")
        .arg("--dynamic")
        .arg(plugin_path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let needed: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split(['[', ']']).nth(1))
        .collect();
    assert!(!needed.is_empty());
    for library in needed {
        let allowed = [
            "libc.so.",
            "libgcc_s.so.",
            "ld-linux",
            "libdl.so.",
            "libpthread.so.",
        ];
        assert!(
            allowed.iter().any(|start| library.starts_with(start)),
            "{library}"
        );
    }
}
