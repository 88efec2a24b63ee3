//! The report in a reader's browser.

use std::{fs, path::Path, process::Command};

use pycow_testkit::skip;
use serde_json::Value;

use super::common::Ran;

/// Not the network, not another file.
pub fn nothing_else_is_needed(ran: &Ran) {
    let report = ran.read("out/report.html");
    for outside in ["src=", "href=", "@import", "url(", "<script"] {
        assert!(!report.contains(outside), "the report has {outside}");
    }
}

/// What a reader's browser makes of it, on a telephone.
pub fn the_report_is_shown(ran: &Ran, measured: &[String]) {
    const PROBE: &str = r#"<script>
        const all = selector => [...document.querySelectorAll(selector)];
        const shown = one => one.getBoundingClientRect().width > 100 && one.getBoundingClientRect().height > 50;
        const found = {
            mode: document.compatMode,
            heads: all("h2").length,
            plots: all("svg").length,
            shown: all("svg").filter(shown).length,
            words: all("svg text").length,
            rows: all("table")[0].tBodies[0].rows.length,
            cells: all("table")[0].tBodies[0].rows[0].cells.length,
            narrow: all("tbody th").filter(one => one.getBoundingClientRect().width < 100).length,
            wider: document.documentElement.scrollWidth - window.innerWidth,
            loaded: performance.getEntriesByType("resource").length,
            first: all("tbody th")[0].firstChild.data,
        };
        document.body.innerHTML = "<pre>" + JSON.stringify(found) + "</pre>";
    </script>"#;
    let probing = ran.path("probing.html");
    fs::write(&probing, ran.read("out/report.html") + PROBE).unwrap();
    let Some(dom) = chromium(&probing, &ran.path("profile")) else {
        skip("no chromium");
        return;
    };
    let json = dom
        .split_once("<pre>")
        .and_then(|(_, rest)| rest.split_once("</pre>"))
        .unwrap_or_else(|| panic!("Chromium shows no page: {dom}"));
    let found: Value = serde_json::from_str(json.0).unwrap();
    assert_eq!(found["mode"], "CSS1Compat", "{found}");
    // The application, what is private in it and why, and how it grows with workers.
    assert_eq!(found["heads"], 3, "{found}");
    assert_eq!(found["plots"], 8, "{found}");
    assert_eq!(found["shown"], found["plots"], "{found}");
    assert!(found["words"].as_u64() > Some(50), "{found}");
    assert!(
        found["rows"].as_u64() >= Some(measured.len() as u64),
        "{found}"
    );
    assert_eq!(found["cells"], 6, "{found}");
    assert_eq!(found["narrow"], 0, "{found}");
    assert!(found["wider"].as_i64() <= Some(0), "{found}");
    assert_eq!(found["loaded"], 0, "{found}");
    assert_eq!(found["first"], "stock", "{found}");
}

/// The page as Chromium has it after its scripts ran.
fn chromium(page: &Path, profile: &Path) -> Option<String> {
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args(["--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--window-size=400,900", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
