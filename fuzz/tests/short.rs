//! A second of each target, from a fixed seed; `make fuzz` takes longer, and another seed each time.

use std::time::Duration;

use pycow_fuzz::{
    run::{run, LEAST},
    targets::{Target, TARGETS},
};

#[test]
fn every_parser_stands_a_second_of_bad_input() {
    for target in &TARGETS {
        let outcome = run(target, 1, Duration::from_secs(1));
        let outcome = outcome.unwrap_or_else(|failure| {
            let (input, name) = (failure.input.escape_ascii(), target.name);
            panic!("{name} fails with b\"{input}\"")
        });
        println!("{}: {outcome}", target.name);
        assert!(outcome.inputs >= LEAST, "{outcome}");
    }
}

#[test]
fn a_parser_that_panics_is_caught() {
    let fragile = Target {
        name: "fragile",
        corpus: || vec![b"abc".to_vec()],
        feed: |input| u64::from(input[0]),
    };
    let failure = run(&fragile, 1, Duration::from_secs(60)).unwrap_err();
    assert!(failure.input.is_empty());
}
