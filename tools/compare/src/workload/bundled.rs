//! The bundled shop, and the requests that it gets.

use super::Workload;
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

/// The names of the bundled workloads.
pub fn names() -> Vec<&'static str> {
    BUNDLED.iter().map(|bundled| bundled.name).collect()
}

/// The bundled workload of that name, with so many workers.
pub fn named(name: &str, workers: usize) -> Option<Workload> {
    let bundled = BUNDLED.iter().find(|bundled| bundled.name == name)?;
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
        lines: [paths::shop(), paths::django()]
            .map(|path| ("pythonpath".into(), path.display().to_string()))
            .into(),
        environment: Vec::new(),
        application: Application::Module("shop.wsgi".into()),
        callable: None,
        mount: None,
    };
    let mut workload = workload.with_products(bundled.products);
    let line = bundled.line.map(|(key, value)| (key.into(), value.into()));
    workload.lines.extend(line);
    Some(workload)
}
