//! The documents: every link leads somewhere, what they show of ini and log is real.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use pycow_testkit::{checkout, default_host, hosts, skip, Uwsgi, HELLO};

/// All pages, by their place in the checkout.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(checkout().join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    let above = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    let above = above.map(|name| checkout().join(name));
    let all = docs.chain(above);
    all.filter(|path| path.extension().is_some_and(|it| it == "md"))
        .collect()
}

fn read(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// The text without blocks of code, and those blocks with their language.
fn parts(text: &str) -> (String, Vec<(String, String)>) {
    let (mut prose, mut blocks) = (String::new(), Vec::new());
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => open = Some((language.into(), String::new())),
            (None, Some((_, block))) => *block += &format!("{}\n", line.trim_start()),
            (None, None) => prose += &format!("{line}\n"),
        }
    }
    assert!(open.is_none(), "a block that does not end");
    (prose, blocks)
}

/// Where the links of a page lead.
fn links(prose: &str) -> Vec<&str> {
    let rest = prose.split("](").skip(1);
    rest.filter_map(|rest| rest.split_once(')'))
        .map(|it| it.0)
        .collect()
}

/// The anchors of a page, as forges and mkdocs make them of its headings.
fn anchors(prose: &str) -> BTreeSet<String> {
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let kept = line.trim_start_matches('#').trim().to_lowercase();
        let kept = kept
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let (prose, _) = parts(&read(&page));
        for link in links(&prose) {
            if link.starts_with("http://") || link.starts_with("https://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                _ => page.parent().unwrap().join(file),
            };
            let place = format!("{}: {link}", page.display());
            assert!(target.exists(), "{place}");
            if !anchor.is_empty() {
                let (there, _) = parts(&read(&target));
                assert!(anchors(&there).contains(anchor), "{place}");
            }
        }
    }
}

#[test]
fn the_readme_is_read_in_ten_minutes() {
    let readme = read(&checkout().join("README.md"));
    assert!(readme.lines().count() < 120);
}

/// Numbers and versions differ from run to run.
fn without_numbers(line: &str) -> String {
    let mut text = String::new();
    for c in line.chars() {
        let number = c.is_ascii_digit() || c == '.' && text.ends_with('0');
        if !number {
            text.push(c);
        } else if !text.ends_with('0') {
            text.push('0');
        }
    }
    text
}

/// What is shown of the log is there, with other numbers.
fn assert_shown(shown: &str, log: &str) {
    let lines: Vec<String> = log.lines().map(without_numbers).collect();
    for line in shown.lines().filter(|line| line.starts_with("[pycow]")) {
        let line = without_numbers(line);
        // What is left mortal for which reason depends on the application: each part may be elsewhere.
        let parts: Vec<&str> = line.split([',', ';']).map(str::trim).collect();
        let found = lines
            .iter()
            .any(|there| parts.iter().all(|part| there.contains(part)));
        assert!(found, "{line}\n{log}");
    }
}

#[test]
fn the_ini_of_the_readme_logs_what_it_says() {
    let Some(host) = hosts().into_iter().find(|host| host.python == (3, 13)) else {
        return skip("no CPython 3.13");
    };
    let (_, blocks) = parts(&read(&checkout().join("README.md")));
    let of = |language: &str| {
        let found = blocks.iter().find(|block| block.0 == language);
        &found
            .unwrap_or_else(|| panic!("no block of {language:?}"))
            .1
    };
    let app = "import asyncio, decimal, email.mime.text, http.client, sqlite3, unittest\n";
    let mut uwsgi = Uwsgi::on(&host).app(&format!("{app}{HELLO}")).with_pycow();
    for line in of("ini").lines().filter(|line| !line.starts_with('[')) {
        let (key, value) = line.split_once(" = ").unwrap();
        // The test kit has its own plugin and application.
        if !["need-plugin", "module"].contains(&key) {
            uwsgi = uwsgi.set(key, value);
        }
    }
    let uwsgi = uwsgi.start();
    uwsgi.get("/");
    let finished = uwsgi.stop();
    assert_shown(of(""), &finished.log);
}

#[test]
fn the_log_of_a_time_limit_is_what_its_page_shows() {
    let app = "import atexit, threading\natexit.register(threading.Event().wait)\n";
    let uwsgi = Uwsgi::on(&default_host()).app(&format!("{app}{HELLO}"));
    let finished = uwsgi
        .with_pycow()
        .set("pycow-exit-timeout", 1)
        .start()
        .stop();
    let (_, blocks) = parts(&read(&checkout().join("docs/exit.md")));
    let shown: Vec<&(String, String)> = blocks
        .iter()
        .filter(|block| block.1.contains("[pycow] WARNING"))
        .collect();
    assert_eq!(shown.len(), 1);
    assert_shown(&shown[0].1, &finished.log);
}

/// Whatever a page tells people to write into their ini is an option, and its value is allowed.
#[test]
fn every_line_of_ini_is_taken() {
    let mut uwsgi = Uwsgi::on(&default_host()).app(HELLO).with_pycow();
    let mut lines = BTreeSet::new();
    for page in pages() {
        let text = read(&page);
        let (prose, blocks) = parts(&text);
        let in_blocks = blocks.iter().flat_map(|block| block.1.lines());
        let in_prose = prose.split('`').skip(1).step_by(2);
        let all = in_blocks.chain(in_prose).map(str::to_owned);
        lines.extend(all.filter(|line| line.starts_with("pycow-") && line.contains(" = ")));
    }
    assert!(lines.len() > 5, "{lines:?}");
    // Places of the reader's machine, of which this one has none.
    let here = |value: &str| {
        value.starts_with('@') || value.contains('/') && value != "/" || value.contains("package.")
    };
    let pairs = lines.iter().filter_map(|line| line.split_once(" = "));
    for (key, value) in pairs.filter(|(_, value)| !here(value)) {
        uwsgi = uwsgi.set(key, value);
    }
    let log = uwsgi.start().stop().log.clone();
    assert!(!log.contains("[pycow] ERROR"), "{log}");
    assert!(!log.contains("unknown option"), "{log}");
}
