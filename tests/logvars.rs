//! Variables of `log-format`: the last sample's numbers, and nothing is read for a request.

use pycow_testkit::{
    hosts, proc,
    reporting::{reporting, within, APP},
    Instance, Uwsgi,
};

const FORMAT: &str = "sizes %(pycow.shared) %(pycow.sharedM) %(pycow.private) %(pycow.privateM) %(pycow.pss) %(pycow.pssM) end";

/// The words between `sizes` and `end` of the so-manieth request.
fn words(uwsgi: &Instance, times: usize) -> Vec<String> {
    let line = uwsgi.await_log_times("sizes ", times).pop().unwrap();
    let line = line.split_once("sizes ").unwrap().1.to_owned();
    line.split(' ').take(6).map(str::to_owned).collect()
}

fn numbers(words: &[String]) -> Vec<u64> {
    let number = |word: &String| word.parse().unwrap_or_else(|_| panic!("{words:?}"));
    words.iter().map(number).collect()
}

#[test]
fn they_are_the_last_sample_of_the_worker_that_served() {
    // One sample at the fork, and none for an hour.
    let uwsgi = reporting(3600).set("log-format", FORMAT).start();
    let before = proc::rollup(uwsgi.workers()[0]);
    uwsgi.get("/touch");
    uwsgi.get("/");
    let (first, second) = (words(&uwsgi, 1), words(&uwsgi, 2));
    let first = numbers(&first);
    assert!(
        within(12.0, first[0], before.shared()),
        "{first:?} {before:?}"
    );
    assert!(first[2] < 8_000_000 && first[4] > 0, "{first:?} {before:?}");
    for i in [0, 2, 4] {
        assert_eq!(first[i + 1], first[i] >> 20, "{first:?}");
    }
    // The first request wrote to 12 MB, and the second would know if it had looked.
    assert!(proc::rollup(uwsgi.workers()[0]).private() > first[2] + 10_000_000);
    assert_eq!(numbers(&second), first);
}

#[test]
fn without_samples_there_is_nothing_to_say() {
    let uwsgi = reporting(0).set("log-format", FORMAT).start();
    uwsgi.get("/");
    assert_eq!(words(&uwsgi, 1), ["-"; 6]);
}

#[test]
fn every_uwsgi_has_them() {
    for host in hosts() {
        println!("{}", host.name);
        let uwsgi = Uwsgi::on(&host)
            .app(APP)
            .with_pycow()
            .set("log-format", FORMAT);
        let uwsgi = uwsgi.set("processes", 2).set("threads", 2).start();
        uwsgi.get("/");
        assert!(numbers(&words(&uwsgi, 1))[0] > 1_000_000);
    }
}
