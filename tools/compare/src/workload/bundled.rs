//! The bundled workloads: a Django shop with a catalogue and what is asked of it, and Wagtail.

use pycow_testkit::Host;

use super::{OwnWarming, Workload};
use crate::{ini::Application, paths};

/// The bundled application with a catalogue of so many products, and such requests.
struct Bundled {
    name: &'static str,
    title: &'static str,
    /// `{}` is a customer's number.
    path: &'static str,
    products: usize,
    line: Option<(&'static str, &'static str)>,
    short: bool,
}

/// The size of the bundled catalogue.
pub const PRODUCTS: usize = 60_000;

/// The bundled workload that reads all of its catalogue.
pub const WHOLE: &str = "whole";

/// The bundled workload that reads a tenth of it.
pub const HOT: &str = "hot";

const BUNDLED: [Bundled; 5] = [
    Bundled {
        name: WHOLE,
        title: "requests over the whole heap",
        path: "/offers/{}",
        products: PRODUCTS,
        line: None,
        short: false,
    },
    Bundled {
        name: HOT,
        title: "requests over a hot tenth of the heap",
        path: "/offers/{}/popular",
        products: PRODUCTS,
        line: None,
        short: false,
    },
    Bundled {
        name: "tiny",
        title: "a tiny application",
        path: "/offers/{}",
        products: 200,
        line: None,
        short: true,
    },
    Bundled {
        name: "rewrite",
        title: "requests that rewrite what they read",
        path: "/reprice/{}",
        products: PRODUCTS,
        line: None,
        short: true,
    },
    Bundled {
        name: "lazy",
        title: "the whole heap, with lazy-apps",
        path: "/offers/{}",
        products: PRODUCTS,
        line: Some(("lazy-apps", "true")),
        short: true,
    },
];

/// Wagtail's start project with ten pages.
const WAGTAIL: &str = "wagtail";

/// The start page, and one of its pages.
const WAGTAIL_WARMUP: [&str; 2] = ["/", "/page-3/"];

/// The names of the workloads that are compared if none is named.
pub fn usual() -> Vec<&'static str> {
    BUNDLED.iter().map(|bundled| bundled.name).collect()
}

/// The names of all bundled workloads.
pub fn names() -> Vec<&'static str> {
    [usual(), vec![WAGTAIL]].concat()
}

/// The bundled workload of that name, for that host, with so many workers.
///
/// # Errors
/// If there is none, or it was not prepared.
pub fn named(name: &str, host: &Host, workers: usize) -> Result<Workload, String> {
    if name == WAGTAIL {
        return wagtail(host, workers);
    }
    let mut bundled = BUNDLED.iter();
    let bundled = bundled.find(|bundled| bundled.name == name);
    let bundled = bundled.ok_or_else(|| format!("there are {}", names().join(", ")))?;
    Ok(shop(bundled, workers))
}

fn shop(bundled: &Bundled, workers: usize) -> Workload {
    let workload = Workload {
        name: bundled.name.into(),
        title: bundled.title.into(),
        // A thousand customers more than requests in the longest run would not differ.
        urls: (0..50_000)
            .map(|customer| bundled.path.replace("{}", &customer.to_string()))
            .collect(),
        warmup: Vec::new(),
        workers,
        left_out: Vec::new(),
        short: bundled.short,
        lines: [paths::bundled(), paths::django()]
            .map(|path| ("pythonpath".into(), path.display().to_string()))
            .into(),
        environment: Vec::new(),
        own_warming: Some(OwnWarming {
            paths: &["/product/1", "/category/books/0", "/offers/1"],
            prevented_by: "SHOP_COLD",
        }),
        files: Vec::new(),
        application: Application::Module("shop.wsgi".into()),
        callable: None,
        mount: None,
    };
    let mut workload = workload.with_products(bundled.products);
    let line = bundled.line.map(|(key, value)| (key.into(), value.into()));
    workload.lines.extend(line);
    workload
}

/// Wagtail as `tools/testkit/setup --bench` prepared it.
fn wagtail(host: &Host, workers: usize) -> Result<Workload, String> {
    let (packages, site) = (paths::wagtail(host.python), paths::wagtail_site());
    let database = site.join("db.sqlite3");
    for path in [&packages, &database] {
        if !path.exists() {
            let path = path.display();
            return Err(format!("{path} is missing: `make bench` prepares it"));
        }
    }
    let pages = (0..10).map(|number| format!("/page-{number}/"));
    Ok(Workload {
        name: WAGTAIL.into(),
        title: "Wagtail's start project with 10 pages".into(),
        urls: ["/".to_owned()].into_iter().chain(pages).collect(),
        warmup: WAGTAIL_WARMUP.map(str::to_owned).into(),
        workers,
        left_out: Vec::new(),
        short: false,
        lines: [site, packages, paths::bundled()]
            .map(|path| ("pythonpath".into(), path.display().to_string()))
            .into(),
        environment: vec![(
            "DJANGO_SETTINGS_MODULE".into(),
            "wagtail_site.settings".into(),
        )],
        own_warming: None,
        files: vec![database],
        application: Application::Module("mysite.wsgi".into()),
        callable: None,
        mount: None,
    })
}
