//! A uWSGI that is stopped before it has come up.

use std::{
    thread,
    time::{Duration, Instant},
};

use pycow_testkit::signal::SIGTERM;
use pycow_testkit::{is_long, one_of_each, times, Host, Instance, HELLO};

use super::{Random, Who, NORMAL};

/// Starts it, waits, stops it; how long the stop took, if it came to an end.
fn stop(host: &Host, who: Who, until: impl FnOnce(&Instance)) -> Option<Duration> {
    let uwsgi = who
        .on(host)
        .app(HELLO)
        .set("processes", 4)
        .set("mule", "true");
    let uwsgi = uwsgi.launch();
    until(&uwsgi);
    let begin = Instant::now();
    uwsgi.signal(SIGTERM);
    uwsgi.ends_within(NORMAL).then(|| begin.elapsed())
}

#[derive(Debug, Default)]
struct Outcome {
    stops: usize,
    /// Processes were left after `NORMAL`.
    hung: usize,
    longest: Duration,
}

fn measure(host: &Host, who: Who, rounds: usize) -> Outcome {
    let mut random = Random(7);
    let mut outcome = Outcome::default();
    for round in 0..rounds {
        let spawned = format!("spawned uWSGI worker {}", 1 + random.below(4));
        // uWSGI says the first when plugins are loaded: before that nobody hears a signal.
        let (line, milliseconds) = match round % 3 {
            0 => ("*** Starting uWSGI", 1000),
            1 => ("*** Starting uWSGI", 100),
            _ => (spawned.as_str(), 40),
        };
        let wait = Duration::from_micros(random.below(milliseconds * 1000));
        let took = stop(host, who, |uwsgi| {
            uwsgi.await_log(line);
            thread::sleep(wait);
        });
        outcome.stops += 1;
        match took {
            Some(took) => outcome.longest = outcome.longest.max(took),
            None => outcome.hung += 1,
        }
    }
    outcome
}

#[test]
fn a_stop_in_the_first_second_takes_its_normal_time() {
    for host in one_of_each().into_iter().rev() {
        let pycow = thread::scope(|scope| {
            if is_long() {
                // Most of its stops take all the time that they get.
                scope.spawn(|| {
                    println!("{}: stock: {:?}", host.name, measure(&host, Who::Stock, 12));
                });
            }
            measure(&host, Who::Pycow, times(5, 70))
        });
        println!("{}: pycow: {pycow:?}", host.name);
        assert_eq!(pycow.hung, 0, "{}", host.name);
    }
}
