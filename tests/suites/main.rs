//! `make suites`: test suites of others, run in a worker of stock uWSGI and in one whose heap is immortal.
//!
//! The tests are found in the master, so that they, and all that they import, are what the worker
//! inherits. Outcomes are compared test by test. Those that differ run once more, alone: what differs
//! again is pycow's doing, and stands in `expected.txt` with the reason or fails.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use pycow_testkit::{checkout, immortal, prepared, Host, Uwsgi};

/// For a suite to be found, and for one step of it: on a busy machine, too.
const LIMIT: Duration = Duration::from_secs(600);

/// Where the tests of others come from.
enum Source {
    /// A folder that was unpacked from what PyPI has.
    Unpacked(&'static str),
    /// The package itself has them.
    Installed,
}

/// A suite, and what is run of it.
struct Suite {
    name: &'static str,
    source: Source,
    selection: &'static str,
    /// Fewer tests than this were not found, or not run.
    least: usize,
}

const SUITES: [Suite; 3] = [
    Suite {
        name: "django",
        source: Source::Unpacked("django-5.2.19"),
        selection: "utils_tests dispatch signals template_tests forms_tests model_fields model_forms queries \
            aggregation annotations expressions expressions_window lookup basic serializers auth_tests \
            sessions_tests middleware handlers requests_tests httpwrappers urlpatterns_reverse view_tests wsgi \
            cache generic_views many_to_many many_to_one prefetch_related select_related validation validators \
            messages_tests syndication_tests contenttypes_tests generic_relations model_inheritance proxy_models \
            timezones transactions test_client file_uploads admin_utils admin_widgets modeladmin migrations \
            check_framework",
        least: 8_000,
    },
    Suite {
        name: "sqlalchemy",
        source: Source::Unpacked("sqlalchemy-2.0.45"),
        selection: "test/base test/engine test/ext test/orm/inheritance test/orm/test_attributes.py \
            test/orm/test_cascade.py test/orm/test_collection.py test/orm/test_events.py test/orm/test_expire.py \
            test/orm/test_mapper.py test/orm/test_merge.py test/orm/test_pickled.py test/orm/test_query.py \
            test/orm/test_session.py test/orm/test_transaction.py test/orm/test_unitofwork.py \
            test/orm/test_unitofworkv2.py test/sql/test_resultset.py test/sql/test_compiler.py",
        least: 7_000,
    },
    Suite {
        name: "pandas",
        source: Source::Installed,
        selection: "pandas/tests/indexes/multi pandas/tests/series/methods pandas/tests/frame/methods \
            pandas/tests/groupby/test_groupby.py pandas/tests/groupby/aggregate pandas/tests/internals pandas/tests/strings \
            pandas/tests/arrays/categorical",
        least: 15_000,
    },
];

/// What became of a test.
#[derive(Clone, Debug)]
struct Outcome {
    outcome: String,
    why: String,
}

type Outcomes = BTreeMap<String, Outcome>;

/// What the suites need, for that host's CPython.
fn packages(host: &Host) -> PathBuf {
    let (major, minor) = host.python;
    prepared().join(format!("suites-{major}.{minor}"))
}

/// What is run of a suite: `SELECTION`, if that is set.
fn selection(suite: &Suite) -> String {
    std::env::var("SELECTION").unwrap_or_else(|_| suite.selection.into())
}

/// Runs a suite, or only those tests of it.
fn run(host: &Host, suite: &Suite, is_immortal: bool, only: Option<&[String]>) -> Outcomes {
    let app = fs::read_to_string(checkout().join("tests/suites/app.py")).unwrap();
    let uwsgi = if is_immortal {
        immortal::uwsgi(host, &app)
    } else {
        Uwsgi::on(host).app(&app)
    };
    let folder = match suite.source {
        Source::Unpacked(name) => prepared().join("suites-sources").join(name),
        Source::Installed => packages(host),
    };
    let results = uwsgi.dir().join("results");
    let uwsgi = uwsgi
        .set("pythonpath", packages(host).display())
        .env("SUITE", suite.name)
        .env("FOLDER", folder)
        .env("SELECTION", selection(suite))
        .env("RESULTS", &results)
        // The same order of tests in both.
        .env("PYTHONHASHSEED", "1")
        // SQLAlchemy's tests prefer its sources to what is installed.
        .env("PYTHONNOUSERSITE", "1")
        .flag("enable-threads");
    let uwsgi = match only {
        Some(names) => {
            let file = uwsgi.dir().join("only").display().to_string();
            uwsgi.file("only", &names.join("\n")).env("ONLY", file)
        }
        None => uwsgi,
    };
    let uwsgi = uwsgi.launch();
    uwsgi
        .ready(1, LIMIT)
        .unwrap_or_else(|error| panic!("{}: {error}", suite.name));
    let worker = uwsgi.workers();
    while step(uwsgi.port()) != "0" {}
    assert_eq!(uwsgi.workers(), worker, "the worker has ended");
    read(&results)
}

/// Some tests: how many were run.
fn step(port: u16) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    body.to_owned()
}

fn read(results: &Path) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for line in fs::read_to_string(results).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        let (outcome, why) = (text("outcome"), text("why"));
        let there = outcomes.entry(text("name")).or_insert_with(|| Outcome {
            outcome: outcome.clone(),
            why: why.clone(),
        });
        // Of a test that is told of twice, such as one that fails at its end, too.
        if outcome == "failed" {
            *there = Outcome { outcome, why };
        }
    }
    outcomes
}

/// Both ways, side by side.
fn run_both(host: &Host, suite: &Suite, only: Option<&[String]>) -> (Outcomes, Outcomes) {
    thread::scope(|scope| {
        let stock = scope.spawn(|| run(host, suite, false, only));
        let immortal = run(host, suite, true, only);
        (stock.join().unwrap(), immortal)
    })
}

/// The tests whose outcome is another.
fn different(stock: &Outcomes, immortal: &Outcomes) -> Vec<String> {
    let outcome = |all: &Outcomes, name: &String| all.get(name).map(|one| one.outcome.clone());
    let names = stock.keys().chain(immortal.keys());
    let differ = |name: &&String| outcome(stock, name) != outcome(immortal, name);
    let mut names: Vec<String> = names.filter(differ).cloned().collect();
    names.sort();
    names.dedup();
    names
}

/// Whether a test is expected to differ, and why: `suite test: reason` in `expected.txt`.
fn reason(suite: &Suite, test: &str) -> Option<String> {
    let expected = fs::read_to_string(checkout().join("tests/suites/expected.txt")).unwrap();
    let start = format!("{} {test}: ", suite.name);
    let mut lines = expected.lines();
    lines.find_map(|line| line.strip_prefix(&start).map(str::to_owned))
}

/// How many were run, and which differ without being expected to.
fn compare(host: &Host, suite: &Suite) -> Vec<String> {
    let begin = Instant::now();
    let (stock, immortal) = run_both(host, suite, None);
    let count = |what| stock.values().filter(|one| one.outcome == what).count();
    println!(
        "{}: {} tests, {} passed, {} skipped, {} failed on stock uWSGI; {:.0?}",
        suite.name,
        stock.len(),
        count("passed"),
        count("skipped"),
        count("failed"),
        begin.elapsed()
    );
    let least = match std::env::var_os("SELECTION") {
        Some(_) => 1,
        None => suite.least,
    };
    assert!(stock.len() >= least, "at least {least}");
    let once = different(&stock, &immortal);
    if once.is_empty() {
        return Vec::new();
    }
    let (stock, immortal) = run_both(host, suite, Some(&once));
    let again = different(&stock, &immortal);
    for name in once.iter().filter(|name| !again.contains(name)) {
        println!("  differed once: {name}");
    }
    let mut unexpected = Vec::new();
    for name in again {
        match reason(suite, &name) {
            Some(why) => println!("  differs as expected: {name}: {why}"),
            None => {
                let told = |all: &Outcomes| {
                    let one = all.get(&name);
                    one.map_or("not run".into(), |one| {
                        format!("{} {}", one.outcome, one.why)
                    })
                };
                unexpected.push(format!(
                    "{} {name}\n  stock: {}\n  immortal: {}",
                    suite.name,
                    told(&stock),
                    told(&immortal)
                ));
            }
        }
    }
    unexpected
}

#[test]
fn nothing_but_tests_of_counts_differs() {
    let hosts = immortal::hosts();
    let host = hosts.iter().find(|host| packages(host).is_dir());
    let host = host.expect("run `make suites`: no suites in .hosts/");
    let wanted = std::env::var("SUITE").ok();
    let suites = SUITES
        .iter()
        .filter(|suite| wanted.as_deref().is_none_or(|name| name == suite.name));
    let unexpected: Vec<String> = suites.flat_map(|suite| compare(host, suite)).collect();
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
}
