//! What differs by one thing alone, side by side: a method that warms beside the same cold, and an application
//! without `lazy-apps` beside the same with it.

use crate::{
    figure::Round,
    results::{Compared, Measured},
    stats::Spread,
    workload::LAZY,
};

/// All that can be said of the last of these workloads; the one before it may be the same without `lazy-apps`.
pub fn lines(workloads: &[Compared]) -> Vec<String> {
    let Some((last, before)) = workloads.split_last() else {
        return Vec::new();
    };
    let mut lines = warming(last);
    let shared = before
        .last()
        .filter(|one| one.name.clone() + LAZY == last.name);
    lines.extend(
        shared
            .into_iter()
            .flat_map(|shared| lazy_apps(last, shared)),
    );
    lines
}

/// What warming changes, a line for each method that was run warm and cold.
fn warming(compared: &Compared) -> Vec<String> {
    let methods = compared.methods.iter();
    let pairs = methods.filter_map(|warm| {
        let cold = warm.method.strip_suffix("+warm")?;
        let cold = compared.methods.iter().find(|one| one.method == cold)?;
        warmed(warm, cold)
    });
    pairs.collect()
}

fn warmed(warm: &Measured, cold: &Measured) -> Option<String> {
    let ratio = |of: fn(&Round) -> f64| ratios(&warm.rounds, &cold.rounds, of);
    let private = ratio(|round| round.load.curve.last().map_or(0.0, |point| point.private))?;
    let copied = |one: &Measured| Some(one.rounds.last()?.copied? as f64 / 1_048_576.0);
    let copied = match (copied(warm), copied(cold)) {
        (Some(warm), Some(cold)) => {
            format!(" (of a worker's, copied are {warm:.1} MB beside {cold:.1} MB)")
        }
        _ => String::new(),
    };
    let pss = ratio(|round| round.load.total_pss as f64)?;
    let (first_warm, first_cold) = (first_requests(warm), first_requests(cold));
    let (warm_p99, cold_p99) = (slowest(&first_warm)?, slowest(&first_cold)?);
    let unwarmed = |round: &Round| round.restart.ready - round.restart.warming;
    let ready = ratios(&warm.rounds, &cold.rounds, unwarmed)?;
    let own = Spread::of(warm.rounds.iter().map(|round| round.restart.warming))?.median;
    Some(format!(
        "{} beside {}: private memory {private}{copied}, total PSS {pss}; first request of a worker after a restart, \
         p99 of {}: {warm_p99:.0} ms beside {cold_p99:.0} ms, {:.2}; ready {ready}, without the {own:.2} s of \
         the warming itself",
        warm.method,
        cold.method,
        first_warm.len(),
        warm_p99 / cold_p99,
    ))
}

/// What the application without `lazy-apps` takes, a line for each method, beside stock uWSGI with it.
fn lazy_apps(lazy: &Compared, shared: &Compared) -> Vec<String> {
    let Some(stock) = lazy.methods.first() else {
        return Vec::new();
    };
    let methods = shared.methods.iter();
    let lines = methods.filter_map(|one| {
        let pss = |round: &Round| round.load.total_pss as f64;
        let ready = |round: &Round| round.restart.ready;
        Some(format!(
            "{} without lazy-apps, beside stock with it: total PSS {}, ready {}",
            one.method,
            ratios(&one.rounds, &stock.rounds, pss)?,
            ratios(&one.rounds, &stock.rounds, ready)?,
        ))
    });
    lines.collect()
}

/// The ratios of a figure, round by round: what disturbed one method of a round disturbed the other, too.
fn ratios(these: &[Round], those: &[Round], of: impl Fn(&Round) -> f64) -> Option<String> {
    let pairs = these.iter().zip(those);
    let spread = Spread::of(pairs.map(|(this, that)| of(this) / of(that)))?;
    Some(match these.len().min(those.len()) {
        1 => format!("{:.2}", spread.median),
        _ => format!(
            "{:.2} ({:.2} to {:.2})",
            spread.median, spread.min, spread.max
        ),
    })
}

/// Of all workers in all rounds, milliseconds.
fn first_requests(measured: &Measured) -> Vec<f64> {
    let rounds = measured.rounds.iter();
    rounds
        .flat_map(|round| round.restart.first_requests.iter().copied())
        .collect()
}

/// What 99 of 100 stayed below.
fn slowest(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * 99).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::slowest;

    #[test]
    fn the_slowest_is_the_one_at_99_of_100() {
        assert_eq!(slowest(&[]), None);
        assert_eq!(slowest(&[3.0, 1.0, 2.0]), Some(3.0));
        let many: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(slowest(&many), Some(198.0));
    }
}
