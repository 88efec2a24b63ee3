//! Prometheus itself, and what `contrib/` has for it and for Grafana.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use pycow_testkit::{proc, Port};
use serde_json::Value;

use super::{busy, names, reporting, tool, until, within};

/// Killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_prometheus_server_scrapes_and_answers() {
    let Some(mut prometheus) = tool("prometheus") else {
        return;
    };
    let uwsgi = reporting(1).set("processes", 2).start();
    let config = uwsgi.dir().join("prometheus.yml");
    let address = uwsgi.url("").replace("http://", "");
    let text = format!(
        "global: {{scrape_interval: 1s}}\n\
         rule_files: [{}]\n\
         scrape_configs: [{{job_name: uwsgi, static_configs: [{{targets: ['{address}']}}]}}]\n",
        contrib("prometheus/pycow.rules.yml").display(),
    );
    fs::write(&config, text).unwrap();
    let reserved = Port::reserve().unwrap();
    let port = reserved.number;
    let server = prometheus
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            uwsgi.dir().join("tsdb").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Server(server);
    let query = |expression: &str| {
        let path = format!("/api/v1/query?query={}", encoded(expression));
        let answer = pycow_testkit::http::get(port, &path).ok()?;
        let answer: Value = serde_json::from_str(&answer.body).ok()?;
        let result = answer["data"]["result"].as_array()?.clone();
        (!result.is_empty()).then_some(result)
    };
    let workers = uwsgi.workers();
    // What was scraped may be of before the second worker, or before the last request.
    until("true number of each worker", || {
        let shared = query("uwsgi_worker_shared_bytes")?;
        let is_true = |series: &Value| {
            let number: usize = series["metric"]["worker_id"].as_str()?.parse().ok()?;
            let value = series["value"][1].as_str()?.parse().ok()?;
            let expected = proc::rollup(*workers.get(number - 1)?).shared();
            Some(within(5.0, value, expected))
        };
        let all_true = shared.iter().all(|series| is_true(series) == Some(true));
        (shared.len() == workers.len() && all_true).then_some(())
    });
    let rest = "sum(uwsgi_worker_pss_bytes)+sum(uwsgi_master_pss_bytes)-sum(uwsgi_total_pss_bytes)";
    until("sum that is none", || {
        let rest = query(rest)?[0]["value"][1].as_str()?.parse::<f64>().ok()?;
        (rest.abs() < 2_000_000.0).then_some(())
    });
    // The stacked area of the dashboard, and that it adds up.
    let dashboard = fs::read_to_string(contrib("grafana/pycow.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut panels = dashboard["panels"].as_array().unwrap().iter();
    let panel = panels.find(|it| it["title"] == "Private of all workers, by cause");
    let panel = panel.expect("a panel");
    let stacking = &panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"];
    assert_eq!(stacking, "normal");
    let by_cause = panel["targets"][0]["expr"].as_str().unwrap();
    let by_cause = by_cause.replace("$instance", ".*");
    let causes = until("two causes", || {
        query(&by_cause).filter(|all| all.len() == 2)
    });
    let causes: BTreeSet<&str> = causes
        .iter()
        .filter_map(|it| it["metric"]["cause"].as_str())
        .collect();
    assert_eq!(causes, BTreeSet::from(["copied", "new"]));
    let all = format!("sum({by_cause})/sum(uwsgi_worker_private_bytes)");
    until("parts of the whole", || {
        let ratio = query(&all)?[0]["value"][1].as_str()?.parse::<f64>().ok()?;
        ((ratio - 1.0).abs() < 1e-9).then_some(())
    });
    let info = until("versions", || query("uwsgi_pycow_info"));
    assert_eq!(info[0]["metric"]["version"], env!("CARGO_PKG_VERSION"));
}

/// As a query has it in a URL.
fn encoded(expression: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    expression.bytes().map(byte).collect()
}

fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("contrib")
        .join(name)
}

#[test]
fn the_alert_rules_hold_what_they_promise() {
    let Some(mut promtool) = tool("promtool") else {
        return;
    };
    let answer = promtool
        .args(["test", "rules"])
        .arg(contrib("prometheus/pycow.rules.test.yml"))
        .output()
        .unwrap();
    assert!(
        answer.status.success(),
        "{}",
        String::from_utf8_lossy(&answer.stdout)
    );
}

#[test]
fn dashboard_and_rules_ask_for_what_there_is() {
    let uwsgi = busy();
    let there = names(&uwsgi.get("/metrics").body);
    let dashboard = fs::read_to_string(contrib("grafana/pycow.json")).unwrap();
    let parsed: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = parsed["panels"].as_array().unwrap();
    let mut asked = BTreeSet::new();
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            asked.insert(target["expr"].as_str().unwrap().to_owned());
        }
    }
    let rules = fs::read_to_string(contrib("prometheus/pycow.rules.yml")).unwrap();
    asked.insert(rules);
    let end = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let words = asked.iter().flat_map(|text| text.split(end));
    let wanted: BTreeSet<_> = words.filter(|word| word.starts_with("uwsgi_")).collect();
    assert!(wanted.len() > 8, "{wanted:?}");
    for name in wanted {
        assert!(there.contains(name), "{name} of {there:?}");
    }
}
