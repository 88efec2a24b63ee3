//! When full collections are due.

use super::*;

pub(super) const MB: u64 = 1 << 20;

pub(super) fn seen(resident: u64, milliseconds: u64, requests: u64) -> Seen {
    Seen {
        resident,
        at: Duration::from_millis(milliseconds),
        requests,
        young: 500,
    }
}

/// A full collection is due, or would be if there were no samples.
fn is_due(full: &Full, now: &Seen) -> bool {
    match full.due(now) {
        Due::Nothing => false,
        Due::Sample(_) => full.pays(now),
        Due::Collection => true,
    }
}

pub(super) fn fresh() -> Full {
    Full::new(seen(100 * MB, 0, 0))
}

#[test]
fn nothing_is_due_where_nothing_grows() {
    let mut full = fresh();
    full.survived(5_000);
    assert!(!is_due(&full, &seen(103 * MB, 60_000, 10_000)));
}

#[test]
fn survivors_and_memory_make_it_due() {
    let mut full = fresh();
    assert!(is_due(&full, &seen(104 * MB, 60_000, 1)));
    full.survived(4 * MB / OBJECT);
    assert!(is_due(&full, &seen(100 * MB, 60_000, 1)));
    // A tenth of what the process has for itself is allowed, too.
    full.measured(200 * MB);
    assert!(!is_due(&full, &seen(119 * MB, 60_000, 1)));
    assert!(is_due(&full, &seen(120 * MB, 60_000, 1)));
}

#[test]
fn where_little_is_found_it_takes_half_a_percent_at_most() {
    let mut full = fresh();
    full.survived(199_500);
    let cost = Duration::from_millis(20);
    full.collected(10_000, cost, seen(110 * MB, 1_000, 10), true);
    full.survived(20_500);
    // 211,000 objects of 100 ns: 21.1 ms, or 4.2 s of work for one of them in 200.
    let grown = |megabytes, milliseconds| seen(megabytes * MB, milliseconds, 20);
    assert!(!is_due(&full, &grown(114, 4_900)));
    assert!(is_due(&full, &grown(114, 5_230)));
    // The more there may be, the more it may cost: four times as much for twice as much.
    assert!(!is_due(&full, &grown(118, 2_000)));
    assert!(is_due(&full, &grown(118, 2_060)));
    assert!(is_due(&full, &grown(142, 1_001)), "whatever it costs");
    // Where nothing was found, only twice as much.
    full.found_nothing = true;
    assert!(!is_due(&full, &grown(118, 3_100)));
    assert!(is_due(&full, &grown(118, 3_120)));
}

#[test]
fn without_an_end_of_a_request_twice_as_much_is_too_much() {
    let mut full = fresh();
    full.survived(20_972);
    assert!(full.is_wanted() && !full.is_overdue(Duration::from_secs(60)));
    full.survived(20_972);
    assert!(full.is_overdue(Duration::from_secs(60)));
    assert!(
        !full.is_overdue(Duration::from_millis(10)),
        "it costs too much yet"
    );
}

#[test]
fn where_much_is_found_memory_alone_decides() {
    let mut full = fresh();
    let cost = Duration::from_millis(50);
    full.survived(20_000);
    full.collected(15_000, cost, seen(104 * MB, 1_000, 40), true);
    assert!(is_due(&full, &seen(108 * MB, 1_001, 41)));
    // The garbage may fill what the last collection freed: nothing grows, but time has come.
    assert!(!is_due(&full, &seen(104 * MB, 1_001, 79)));
    assert!(is_due(&full, &seen(104 * MB, 1_001, 80)));
}

#[test]
fn few_large_objects_are_much_if_little_else_came() {
    let mut full = fresh();
    full.collected(400, Duration::from_millis(2), seen(101 * MB, 10, 40), true);
    assert!(is_due(&full, &seen(105 * MB, 11, 41)));
}

#[test]
fn one_inside_a_request_leaves_the_memory_to_be_measured() {
    let mut full = fresh();
    full.collected(0, Duration::ZERO, seen(0, 10, 40), false);
    assert!(full.is_stale());
    full.left(120 * MB);
    assert!(!full.is_stale() && !is_due(&full, &seen(123 * MB, 11, 41)));
}

#[test]
fn patience_ends() {
    let mut full = fresh();
    assert_eq!(
        (0..10).filter(|_| full.put_off()).count(),
        PATIENCE as usize
    );
}
