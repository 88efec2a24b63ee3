//! One workload by every method: in turns, several times.

use pycow_testkit::Host;

use crate::{
    args::Args,
    busy::Watch,
    figure::{megabytes, Round},
    method::{self, Method},
    progress::Progress,
    results::{Compared, Measured},
    run,
    why::Answer,
    workload::Workload,
};

/// So many paths are tried before the first run.
const TRIED: usize = 50;

/// One method, and what has become of it so far.
struct Entry {
    method: Method,
    rounds: Vec<Round>,
    obstacle: Option<String>,
}

/// Runs the workload by every method.
///
/// # Errors
/// If stock uWSGI cannot serve it. What another method cannot is noted in its place.
pub fn compare(
    workload: &Workload,
    host: &Host,
    args: &Args,
    progress: &Progress,
) -> Result<Compared, String> {
    let title = &workload.title;
    look(workload, host, progress)?;

    let mut entries: Vec<Entry> = chosen(workload, args)
        .map(|method| Entry {
            method,
            rounds: Vec::new(),
            obstacle: method.obstacle(host).or_else(|| workload.is_cold(method)),
        })
        .collect();
    for entry in &entries {
        if let Some(why) = &entry.obstacle {
            progress.say(&format!("{}: skipped: {why}", entry.method.name));
        }
    }
    for round in 0..args.rounds {
        // Another one is first in each round, so that nobody always follows the same neighbour.
        entries.rotate_left(usize::from(round > 0));
        for entry in entries.iter_mut().filter(|entry| entry.obstacle.is_none()) {
            let name = entry.method.name;
            let place = format!("{title}: round {} of {}: {name}", round + 1, args.rounds);
            match one_round(workload, host, entry.method, args.requests) {
                Ok(round) => {
                    progress.say(&format!("{place}: {}", in_short(&round)));
                    entry.rounds.push(round);
                }
                Err(why) => {
                    progress.say(&format!("{place}: failed: {why}"));
                    entry.obstacle = Some(format!("failed: {why}"));
                }
            }
        }
    }
    entries.sort_by_key(|entry| {
        method::ALL
            .iter()
            .position(|method| *method == entry.method)
    });
    let measured = entries
        .into_iter()
        .map(|entry| Measured::new(entry.method, entry.rounds, entry.obstacle));
    Ok(Compared {
        name: workload.name.clone(),
        title: title.clone(),
        requests: args.requests,
        workers: workload.workers,
        left_out: workload.left_out.clone(),
        methods: measured.collect(),
    })
}

/// Starts the application once, on stock uWSGI, and asks it for some of the paths.
///
/// # Errors
/// If it does not load, or answers with nothing but errors.
pub fn look(workload: &Workload, host: &Host, progress: &Progress) -> Result<(), String> {
    let title = &workload.title;
    progress.say(&format!("{title}: a look at the application"));
    if !workload.left_out.is_empty() {
        progress.say(&format!(
            "not used of the ini: {}",
            workload.left_out.join(", ")
        ));
    }
    try_paths(workload, host, progress)
}

/// The methods for that workload.
pub fn chosen<'a>(workload: &'a Workload, args: &'a Args) -> impl Iterator<Item = Method> + 'a {
    const SHORT: [&str; 5] = [
        "stock",
        "freeze",
        "immortal",
        "freeze+cpython",
        "immortal+cpython",
    ];
    let with_paths = !workload.warmup.is_empty();
    method::ALL.into_iter().filter(move |method| {
        let all = args.methods.is_empty() && (with_paths || !method.warm);
        let wanted = all || args.methods.contains(method);
        method.is_stock()
            || wanted && (!workload.short || SHORT.contains(&method.name) || method.warm)
    })
}

/// Asks for some of the paths, so that nobody measures an error page unawares.
fn try_paths(workload: &Workload, host: &Host, progress: &Progress) -> Result<(), String> {
    let running = run::start(workload, host, method::ALL[0], 1)?;
    let statuses = running.statuses(TRIED)?;
    let bad: Vec<_> = statuses
        .iter()
        .filter(|(_, status)| *status >= 400)
        .collect();
    let Some((path, status)) = bad.first() else {
        return Ok(());
    };
    let what = format!(
        "{} of {} paths are answered with an error, {path} with {status}",
        bad.len(),
        statuses.len()
    );
    if bad.len() == statuses.len() {
        let log = running.end_of_log();
        return Err(format!("{what}: nothing to measure; {log}"));
    }
    progress.say(&what);
    Ok(())
}

fn one_round(
    workload: &Workload,
    host: &Host,
    method: Method,
    requests: usize,
) -> Result<Round, String> {
    let watch = Watch::start();
    let running = run::start(workload, host, method, workload.workers)?;
    let load = running.serve(requests)?;
    let copied = copied(&running, method);
    let restart = running.restart()?;
    let others = watch.others();
    Ok(Round {
        load,
        restart,
        copied,
        others,
    })
}

/// What of a worker's private memory is copied, where a method has pycow.
fn copied(running: &run::Running<'_>, method: Method) -> Option<u64> {
    let (answer, _) = method.is_pycow().then(|| running.why().ok())??;
    let answer: Answer = serde_json::from_str(&answer).ok()?;
    answer.copied_bytes()
}

fn in_short(round: &Round) -> String {
    let curve = &round.load.curve;
    format!(
        "shared {:.0} -> {:.0} MB, PSS {:.0} MB, {:.0} requests/s, gone in {:.2} s",
        megabytes(curve[0].shared),
        megabytes(curve[curve.len() - 1].shared),
        megabytes(round.load.total_pss as f64),
        round.load.requests_per_second,
        round.restart.leaving
    )
}
