//! What is private in a worker after its requests, and why: `pycow.why`, asked once by every method.
//!
//! It is a run of its own, in which nothing else is measured: a question comes in by the wrapper, and where
//! a method goes without pycow, pycow is loaded to look and leaves everything else as it is.

use pycow_testkit::Host;
use serde::{Deserialize, Serialize};

use crate::{
    args::Args,
    method::{self, Method},
    progress::Progress,
    run,
    workload::Workload,
};

pub mod advice;
pub mod figures;

/// One application.
#[derive(Debug, Deserialize, Serialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub struct Why {
    /// A word, for file names.
    pub name: String,
    /// A line, for people.
    pub title: String,
    /// Requests of all workers before the question.
    pub requests: usize,
    /// Workers.
    pub workers: usize,
    /// By method.
    pub methods: Vec<Told>,
}

/// One method.
#[derive(Debug, Deserialize, Serialize)]
pub struct Told {
    /// Its name.
    pub method: &'static str,
    /// What it does.
    pub what: &'static str,
    /// What one of its workers answered.
    pub answer: Option<Answer>,
    /// Why there is none.
    pub obstacle: Option<String>,
    /// Milliseconds until it was there.
    pub took: f64,
}

/// What `pycow.why` answers (docs/metrics.md). In bytes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Answer {
    /// All that is private.
    pub private: u64,
    /// By mapping, the most first.
    pub mappings: Vec<Mapping>,
    /// What lies on copied pages.
    pub copied: Copied,
    /// What wrote to copied pages.
    pub causes: Causes,
    /// What could not be told, if anything.
    #[serde(default)]
    pub missing: Option<String>,
}

/// One mapping, or all of one name.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Mapping {
    /// As people call it.
    pub name: String,
    /// Never inherited.
    pub new: u64,
    /// Inherited once.
    pub copied: u64,
}

/// What lies on copied pages.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Copied {
    /// Inherited objects, the most first.
    pub types: Vec<Type>,
    /// Code objects.
    pub code: u64,
    /// What came into holes.
    pub free_blocks: u64,
    /// Memory without objects.
    pub malloc: u64,
    /// Tables of dicts and lists, data of libraries, stacks.
    pub other: u64,
}

/// One class.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Type {
    /// `module.Class`
    #[serde(rename = "type")]
    pub name: String,
    /// Its objects on copied pages.
    pub objects: u64,
    /// How many such pages.
    pub pages: u64,
    /// What of them is put down to it.
    pub bytes: u64,
}

/// What wrote to copied pages.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Causes {
    /// Nothing but counts.
    pub reference_counts: u64,
    /// The collector.
    pub collection: u64,
    /// Content.
    pub writes: u64,
    /// Nothing that could be seen.
    pub unknown: u64,
}

impl Answer {
    /// What was inherited once, if that can be told apart from what is new.
    pub fn copied_bytes(&self) -> Option<u64> {
        let told = self.missing.is_none();
        told.then(|| self.mappings.iter().map(|one| one.copied).sum())
    }

    /// What was never inherited.
    pub fn new_bytes(&self) -> u64 {
        self.mappings.iter().map(|one| one.new).sum()
    }
}

impl Why {
    /// Its place in the report, and the name of its picture.
    pub fn place(&self) -> String {
        format!("{}-why", self.name)
    }

    /// By method, of those that have one.
    pub fn answers(&self) -> impl Iterator<Item = (&str, &Answer)> {
        let methods = self.methods.iter();
        methods.filter_map(|told| Some((told.method, told.answer.as_ref()?)))
    }
}

/// Asks every method that was chosen; of all of them, those that tell most.
///
/// # Errors
/// If not even stock serves the application.
pub fn ask(
    workload: &Workload,
    host: &Host,
    args: &Args,
    progress: &Progress,
) -> Result<Why, String> {
    const MOST_TELLING: [&str; 3] = ["stock", "freeze", "immortal"];
    let is_asked = |method: &Method| match args.methods.is_empty() {
        true => {
            let is_warm = method.warm && !method.is_stock() && !workload.warmup.is_empty();
            MOST_TELLING.contains(&method.name) || is_warm
        }
        false => method.is_stock() || args.methods.contains(method),
    };
    let mut methods = Vec::new();
    for method in method::ALL.into_iter().filter(is_asked) {
        let obstacle = method.obstacle(host).or_else(|| workload.is_cold(method));
        let asked = match obstacle {
            Some(why) => Err(why),
            None => ask_one(workload, host, method, args.requests),
        };
        let line = match &asked {
            Ok((answer, took)) => format!("{} bytes private, told in {took:.0} ms", answer.private),
            Err(why) if method.is_stock() => return Err(why.clone()),
            Err(why) => why.clone(),
        };
        progress.say(&format!("{}: why: {}: {line}", workload.title, method.name));
        let (answer, obstacle, took) = match asked {
            Ok((answer, took)) => (Some(answer), None, took),
            Err(why) => (None, Some(why), 0.0),
        };
        methods.push(Told {
            method: method.name,
            what: method.what,
            answer,
            obstacle,
            took,
        });
    }
    Ok(Why {
        name: workload.name.clone(),
        title: workload.title.clone(),
        requests: args.requests,
        workers: workload.workers,
        methods,
    })
}

fn ask_one(
    workload: &Workload,
    host: &Host,
    method: Method,
    requests: usize,
) -> Result<(Answer, f64), String> {
    let running = run::start_watched(workload, host, method, workload.workers)?;
    running.warm_up(requests)?;
    // The first answer of a worker imports and allocates what answers take.
    running.why()?;
    let (text, took) = running.why()?;
    let answer = serde_json::from_str(&text);
    let answer = answer.map_err(|error| format!("pycow.why said {text:?}: {error}"))?;
    Ok((answer, took))
}
