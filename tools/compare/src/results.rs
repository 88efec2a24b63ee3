//! What a comparison found: `results.json`, from which every other output is made.

use std::{collections::BTreeMap, fmt, fs, path::Path, thread, time::SystemTime};

use pycow_testkit::{proc, Host};
use serde::{Deserialize, Serialize};

use crate::{
    binary,
    figure::{self, Round},
    method::Method,
    stats::{Line, Spread},
    why::Why,
};

/// Everything.
#[derive(Debug, Deserialize, Serialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub struct Results {
    /// When it began, UTC.
    pub date: String,
    /// The command that does it again.
    pub command: String,
    /// Where.
    pub machine: Machine,
    /// By workload.
    pub workloads: Vec<Compared>,
    /// How it grows with workers, and with the heap.
    pub scales: Vec<Scale>,
    /// What is private, and why.
    #[serde(default)]
    pub whys: Vec<Why>,
}

/// Where it was measured.
#[derive(Debug, Deserialize, Serialize)]
pub struct Machine {
    /// uWSGI and its CPython.
    pub uwsgi: String,
    /// Processors.
    pub cores: usize,
    /// Bytes.
    pub memory: u64,
    /// Linux's release.
    pub kernel: String,
}

/// One workload, by every method.
#[derive(Debug, Deserialize, Serialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub struct Compared {
    /// A word, for file names.
    pub name: String,
    /// A line, for people.
    pub title: String,
    /// Of every run.
    pub requests: usize,
    /// Of every run.
    pub workers: usize,
    /// Keys of the user's ini that were not used.
    pub left_out: Vec<String>,
    /// By method.
    pub methods: Vec<Measured>,
}

/// One method on one workload.
#[derive(Debug, Deserialize, Serialize)]
pub struct Measured {
    /// The method.
    pub method: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Why there are no figures, or fewer rounds.
    pub obstacle: Option<String>,
    /// By the key of the figure, in the unit in which it is shown.
    #[serde(borrow)]
    pub figures: BTreeMap<&'static str, Spread>,
    /// Megabytes shared per worker, over requests.
    pub curve: Vec<(u64, Spread)>,
    /// All that was measured.
    pub rounds: Vec<Round>,
}

/// What happens as something grows.
#[derive(Debug, Deserialize, Serialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub struct Scale {
    /// What grows.
    pub over: Over,
    /// A line, for people.
    pub title: String,
    /// By method.
    pub methods: Vec<Growth>,
}

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// The number of workers.
    Workers,
    /// What is preloaded.
    Heap,
}

/// What happens by one method.
#[derive(Debug, Deserialize, Serialize)]
pub struct Growth {
    /// The method.
    pub method: &'static str,
    /// In their order.
    pub points: Vec<Grown>,
    /// Total PSS as a line, megabytes over workers or over megabytes preloaded.
    pub line: Option<Line>,
    /// How many workers a host of `host_gb` takes, where workers grow.
    pub fits: Option<u64>,
    /// Gigabytes.
    pub host_gb: f64,
    /// Why points are missing.
    pub obstacle: Option<String>,
}

/// One size.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Grown {
    /// Their number.
    pub workers: usize,
    /// Megabytes preloaded: shared by every worker at its start.
    pub heap: f64,
    /// Megabytes, master and workers after the load.
    pub total_pss: f64,
    /// Seconds until all workers were gone.
    pub leaving: f64,
    /// Megabytes by which the available memory fell until then.
    pub dip: f64,
}

impl Over {
    /// A word, for file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Heap => "heap",
        }
    }

    /// The unit of what grows.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Heap => "MB preloaded",
        }
    }

    /// What the slope of the line is the cost of.
    pub fn one_more(self) -> &'static str {
        match self {
            Self::Workers => "one more worker",
            Self::Heap => "one more MB preloaded",
        }
    }

    /// The size of a point.
    pub fn of(self, point: &Grown) -> f64 {
        match self {
            Self::Workers => point.workers as f64,
            Self::Heap => point.heap,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gigabytes = self.memory as f64 / 1_073_741_824.0;
        write!(
            to,
            "{}; {} cores, {gigabytes:.0} GB, Linux {}",
            self.uwsgi, self.cores, self.kernel
        )
    }
}

impl Machine {
    /// This one.
    pub fn here(host: &Host) -> Self {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let version = binary::version(&host.uwsgi).unwrap_or_default();
        let (major, minor) = host.python;
        Self {
            uwsgi: format!(
                "uWSGI {version} and CPython {major}.{minor} ({})",
                host.name
            ),
            cores: thread::available_parallelism().map_or(0, usize::from),
            memory: proc::mem_total(),
            kernel: kernel.trim().to_owned(),
        }
    }
}

impl Measured {
    /// The rounds of a method in figures.
    pub fn new(method: Method, rounds: Vec<Round>, obstacle: Option<String>) -> Self {
        let figures = figure::ALL.iter().filter_map(|figure| {
            let spread = Spread::of(rounds.iter().map(figure.of))?;
            Some((figure.key, spread))
        });
        let figures = figures.collect();
        let points = rounds.first().map_or(0, |round| round.load.curve.len());
        let point = |i: usize| {
            let shared = rounds
                .iter()
                .map(|round| figure::megabytes(round.load.curve[i].shared));
            Some((rounds[0].load.curve[i].requests, Spread::of(shared)?))
        };
        Self {
            method: method.name,
            what: method.what,
            obstacle,
            figures,
            curve: (0..points).filter_map(point).collect(),
            rounds,
        }
    }

    /// The median of a figure.
    pub fn median(&self, key: &str) -> Option<f64> {
        self.figures.get(key).map(|spread| spread.median)
    }
}

impl Compared {
    /// How often each method was run, at most.
    pub fn rounds(&self) -> usize {
        let rounds = self.methods.iter().map(|one| one.rounds.len());
        rounds.max().unwrap_or_default()
    }

    /// What there is to say of other programs that ran meanwhile, if they took more than a little.
    pub fn busy(&self) -> Option<String> {
        const LITTLE: f64 = 0.05;
        let others = self.methods.iter().flat_map(|one| &one.rounds);
        let others: Vec<f64> = others.map(|round| round.others).collect();
        let busy = others.iter().filter(|share| **share > LITTLE).count();
        let most = others.iter().copied().fold(0.0, f64::max) * 100.0;
        (busy > 0).then(|| {
            format!(
                "This machine was busy: in {busy} of {} runs other programs took more than 5% of its processors, \
                 {most:.0}% at most. Memory hardly depends on that; times and requests per second do.",
                others.len()
            )
        })
    }
}

/// What an earlier comparison wrote.
///
/// # Errors
/// If it cannot be read, or is of another version.
pub fn read(file: &Path) -> Result<Results, String> {
    let told = |error: &dyn fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| told(&error))?;
    // The names of methods and figures live as long as the program.
    serde_json::from_str(text.leak()).map_err(|error| told(&error))
}

/// Now, as `2017-01-31T09:30:00Z`.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
