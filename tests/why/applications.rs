//! Real applications: the bundled shop, and those that `make why-applications` installs.

use std::{fs, path::PathBuf};

use pycow_testkit::{checkout, default_host, hosts, prepared, skip, Flavour, Uwsgi};

use super::report::{falling, number, sum, that_adds_up, that_looking_costs_nothing};

/// Answers `/why` before the application is asked.
const BEFORE: &str = r#"
import uwsgi
asked = application

def application(env, start):
    if env["PATH_INFO"] != "/why":
        return asked(env, start)
    start("200 OK", [])
    return [uwsgi.rpc(None, b"pycow.why")]
"#;

/// After such requests, whatever there is to be said of it adds up, and saying it costs nothing.
fn that_holds(uwsgi: Uwsgi, app: &str, paths: &[&str], rounds: usize) {
    let uwsgi = uwsgi.app(&format!("{app}{BEFORE}")).with_pycow();
    // Loading takes its time.
    let uwsgi = uwsgi.set("processes", 2).set("cheaper", 1).launch();
    let ready = uwsgi.ready(1, std::time::Duration::from_secs(240));
    ready.unwrap_or_else(|error| panic!("{error}"));
    for path in paths.repeat(rounds) {
        let status = uwsgi.get(path).status;
        assert!(status < 400, "{path}: {status}");
    }
    uwsgi.get("/why");
    let report = that_adds_up(&uwsgi);
    that_looking_costs_nothing(&uwsgi);
    let megabytes = |bytes: u64| bytes as f64 / 1_048_576.0;
    let (private, copied) = (&report["private"], sum(&report["mappings"], "copied"));
    println!(
        "{:.1} MB private, {:.1} copied, {:?}",
        megabytes(number(private)),
        megabytes(copied),
        falling(&report["causes"])
    );
    assert!(
        copied > 1 << 20 && report["missing"].is_null(),
        "{report:#}"
    );
}

#[test]
fn the_shop_adds_up() {
    let django = prepared().join("django");
    if !django.exists() {
        return skip("no Django");
    }
    // A Debian of its own may not see these folders.
    let newest = hosts()
        .into_iter()
        .filter(|host| host.flavour != Flavour::Debian);
    let newest = newest.max_by_key(|host| host.python);
    let both = [(Some(default_host()), "freeze"), (newest, "immortal")];
    for (host, gc) in both.into_iter().filter_map(|(host, gc)| Some((host?, gc))) {
        println!("{} {gc}", host.name);
        let uwsgi = Uwsgi::on(&host)
            .env("PRODUCTS", "6000")
            .set(
                "pythonpath",
                checkout().join("tools/compare/bundled").display(),
            )
            .set("pythonpath", django.display())
            .set("pycow-gc", gc);
        let app = "from shop.wsgi import application\n";
        that_holds(
            uwsgi,
            app,
            &["/product/7", "/category/books/0", "/offers/3"],
            20,
        );
    }
}

/// A folder of packages for the default CPython.
fn packages(name: &str) -> PathBuf {
    let (major, minor) = default_host().python;
    prepared().join(format!("{name}-{major}.{minor}"))
}

#[test]
#[ignore = "make why-applications"]
fn wagtail_adds_up() {
    let (site, bundled) = (
        prepared().join("wagtail-site"),
        checkout().join("tools/compare/bundled"),
    );
    let uwsgi = [site.clone(), packages("wagtail"), bundled]
        .iter()
        .fold(Uwsgi::on(&default_host()), |uwsgi, path| {
            uwsgi.set("pythonpath", path.display())
        })
        .env("DJANGO_SETTINGS_MODULE", "wagtail_site.settings");
    // It is written to.
    fs::copy(site.join("db.sqlite3"), uwsgi.dir().join("db.sqlite3")).unwrap();
    let app = "from mysite.wsgi import application\n";
    that_holds(
        uwsgi,
        app,
        &["/", "/page-3/", "/page-7/", "/admin/login/"],
        60,
    );
}

#[test]
#[ignore = "make why-applications"]
fn a_scikit_learn_service_adds_up() {
    let uwsgi = Uwsgi::on(&default_host());
    let uwsgi = uwsgi.set("pythonpath", packages("scikit-learn").display());
    let app = r#"
import numpy, pickle
from sklearn.ensemble import RandomForestClassifier

chance = numpy.random.default_rng(7)
rows = chance.random((12_000, 10))
forest = RandomForestClassifier(n_estimators=10, max_features=1, random_state=7)
forest.set_params(warm_start=True).fit(rows, chance.integers(0, 2, 12_000))
while len(pickle.dumps(forest)) < 80 << 20:
    forest.set_params(n_estimators=len(forest.estimators_) + 20)
    forest.fit(rows, chance.integers(0, 2, 12_000))
size = len(pickle.dumps(forest))
print("a forest of", size >> 20, "MB", flush=True)

def application(env, start):
    answer = forest.predict_proba(chance.random((1, 10)))
    start("200 OK", [])
    return [str(answer).encode()]
"#;
    that_holds(uwsgi, app, &["/"], 60);
}
