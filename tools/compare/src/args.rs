//! The command line. `make bench` passes its variables on as these.

use std::path::PathBuf;

use clap::Parser;

use crate::{
    method::{self, Method},
    workload::bundled,
};

/// Compares every way to keep the memory of preforked Python workers shared, on one workload.
#[derive(Debug, Parser)]
#[command(name = "make bench", version)]
pub struct Args {
    /// Your application: a WSGI file with a callable named `application`
    #[arg(long, value_name = "FILE", conflicts_with = "ini")]
    pub app: Option<PathBuf>,

    /// Your application: its uwsgi.ini
    #[arg(long, value_name = "FILE")]
    pub ini: Option<PathBuf>,

    /// The paths to request, one a line [default: /]
    #[arg(long, value_name = "FILE")]
    pub urls: Option<PathBuf>,

    /// The paths that are served before the fork by the methods that warm, one a line
    #[arg(long, value_name = "FILE")]
    pub warmup: Option<PathBuf>,

    /// Whether your application is loaded by each worker [default: as the ini says]
    #[arg(long, value_name = "true|false|both", value_parser = lazy_apps)]
    pub lazy_apps: Option<LazyApps>,

    /// Requests of every run
    #[arg(long, value_name = "N", default_value_t = 8000, value_parser = at_least_1)]
    pub requests: usize,

    /// Workers [default: those of the ini, or 4]
    #[arg(long, value_name = "N", value_parser = at_least_1)]
    pub workers: Option<usize>,

    /// The uWSGI to run [default: the one on the PATH; for the bundled workloads the newest in .hosts/]
    #[arg(long, value_name = "FILE")]
    pub uwsgi: Option<PathBuf>,

    /// Where the report goes
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    pub out: PathBuf,

    /// The memory of the host that the projection is for, in GB [default: this machine's]
    #[arg(long, value_name = "GB", value_parser = positive)]
    pub host_gb: Option<f64>,

    /// How often each method is run
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_1)]
    pub rounds: usize,

    /// Only these methods; stock is always among them
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = method::parse)]
    pub methods: Vec<Method>,

    /// Only these of the bundled workloads
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = bundled_name,
          conflicts_with_all = ["app", "ini"])]
    pub workloads: Vec<String>,

    /// Look at the application only: does it load, and does it answer?
    #[arg(long)]
    pub look: bool,

    /// Tell only what is private in a worker, and why
    #[arg(long)]
    pub why: bool,

    /// Measure nothing: make the report anew from the results.json of an earlier comparison
    #[arg(long, value_name = "FILE")]
    pub again: Option<PathBuf>,

    /// One table with the figures that matter most
    #[arg(long)]
    pub brief: bool,

    /// The numbers of workers of the scale part; 0: no scale part
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        value_parser = whole,
        default_value = "1,2,4,8,16"
    )]
    pub scale: Vec<usize>,
}

/// Whether each worker loads the application.
#[derive(Clone, Copy, Debug)]
pub enum LazyApps {
    /// It does, or does not.
    Told(bool),
    /// It is measured both ways.
    Both,
}

fn lazy_apps(text: &str) -> Result<LazyApps, String> {
    match text {
        "both" => Ok(LazyApps::Both),
        "true" => Ok(LazyApps::Told(true)),
        "false" => Ok(LazyApps::Told(false)),
        _ => Err("there are true, false, both".into()),
    }
}

fn whole(text: &str) -> Result<usize, String> {
    let number = text.parse();
    number.map_err(|_| "whole numbers are wanted, with commas between them".into())
}

fn at_least_1(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("a whole number above 0 is wanted".into()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("a number above 0 is wanted".into()),
    }
}

fn bundled_name(name: &str) -> Result<String, String> {
    let names = bundled::names();
    if names.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!("there are {}", names.join(", ")))
}
