//! Feeds one target for a while.

use std::{
    collections::HashSet,
    fmt,
    panic::catch_unwind,
    time::{Duration, Instant},
};

use crate::{
    coverage::Seen,
    mutate::{mutate, Chance},
    targets::Target,
};

/// So many at least, however slow the machine.
pub const LEAST: u64 = 100;

/// What became of it.
#[derive(Debug)]
pub struct Outcome {
    /// How many inputs were tried.
    pub inputs: u64,
    /// How many of them were kept, because none before had gone where they went.
    pub kept: usize,
    /// Edges of the program that were gone; 0 where nobody counts.
    pub edges: usize,
}

/// An input that the target did not stand.
#[derive(Debug)]
pub struct Failure {
    /// Which one.
    pub input: Vec<u8>,
    /// It was the so manyth.
    pub number: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            inputs,
            kept,
            edges,
        } = self;
        write!(f, "{inputs} inputs, {kept} new paths")?;
        if *edges > 0 {
            write!(f, ", {edges} edges")?;
        }
        Ok(())
    }
}

/// Feeds the target until the time is over, and [`LEAST`] inputs were tried, or it panics.
///
/// # Errors
/// The input that made it panic; the panic's own words went to standard error.
pub fn run(target: &Target, seed: u64, time: Duration) -> Result<Outcome, Box<Failure>> {
    let mut chance = Chance::new(seed);
    let mut corpus = (target.corpus)();
    let (mut seen, mut shapes) = (Seen::default(), HashSet::new());
    let recorded = corpus.clone();
    let mut fresh = recorded.iter();
    let (start, mut inputs, mut kept) = (Instant::now(), 0, 0);
    while start.elapsed() < time || inputs < LEAST {
        let input = match fresh.next() {
            Some(recorded) => recorded.clone(),
            None => {
                let (one, other) = (chance.below(corpus.len()), chance.below(corpus.len()));
                mutate(&mut chance, &corpus[one], &corpus[other])
            }
        };
        inputs += 1;
        seen.start();
        let Ok(shape) = catch_unwind(|| (target.feed)(&input)) else {
            return Err(Box::new(Failure {
                input,
                number: inputs,
            }));
        };
        let is_new = match seen.news() {
            Some(edges) => edges > 0,
            None => shapes.insert(shape),
        };
        if is_new && inputs > recorded.len() as u64 {
            corpus.push(input);
            kept += 1;
        }
    }
    Ok(Outcome {
        inputs,
        kept,
        edges: seen.edges(),
    })
}
