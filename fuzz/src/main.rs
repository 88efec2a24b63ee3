//! `pycow-fuzz [SECONDS [TARGET [SEED]]]`: feeds every target, or one, for so many seconds each.

use std::{env, process::ExitCode, time::Duration, time::SystemTime};

use pycow_fuzz::{run::run, targets::TARGETS};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |place: usize| arguments.get(place).and_then(|text| text.parse().ok());
    let wanted = arguments.get(1).filter(|name| *name != "all");
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = number(2).unwrap_or_else(|| since.map_or(1, |time| time.subsec_nanos().into()));
    let time = Duration::from_secs(number(0).unwrap_or(60));
    let mut fed = 0;
    for target in TARGETS
        .iter()
        .filter(|target| wanted.is_none_or(|name| name == target.name))
    {
        fed += 1;
        match run(target, seed, time) {
            Ok(outcome) => println!("{}: {outcome}", target.name),
            Err(failure) => {
                let (name, input) = (target.name, failure.input.escape_ascii());
                println!(
                    "{name}: input {} of seed {seed} fails: b\"{input}\"",
                    failure.number
                );
                return ExitCode::FAILURE;
            }
        }
    }
    if fed == 0 {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        println!("no such target; there are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
