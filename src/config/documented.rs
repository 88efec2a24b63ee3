//! docs/options.md says what the table of options says.

use std::{env, fs, path::Path};

use super::options::OPTIONS;

const BEGIN: &str =
    "<!-- From src/config/options.rs: PYCOW_WRITE_DOCS=1 cargo test --lib documented -->\n";
const END: &str = "<!-- End of that. -->\n";

/// The table of the page.
fn table() -> String {
    let mut table = String::from("\n| option | what it does | allowed |\n| --- | --- | --- |\n");
    for option in &OPTIONS {
        let text = |text: &str| text.replace('|', "\\|");
        table += &format!(
            "| `{}` | {} | {} |\n",
            option.name.to_string_lossy(),
            text(&option.help.to_string_lossy()),
            text(option.allowed)
        );
    }
    table + "\n"
}

#[test]
fn the_page_has_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/options.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("where the table begins");
    let (shown, after) = rest.split_once(END).expect("where the table ends");
    if env::var_os("PYCOW_WRITE_DOCS").is_some() {
        let new = [before, BEGIN, &table(), END, after].concat();
        fs::write(&path, new).unwrap();
    } else {
        assert_eq!(shown, table(), "{BEGIN}");
    }
}

#[test]
fn the_page_has_a_part_for_every_option() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/options.md");
    let page = fs::read_to_string(path).unwrap();
    let (_, parts) = page.split_once(END).expect("where the table ends");
    for option in &OPTIONS {
        let name = option.name.to_string_lossy();
        assert!(parts.contains(&format!("`{name}`")), "{name}");
    }
}
