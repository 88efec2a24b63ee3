//! Thresholds that an application set in a worker that was paced: what of them is its own.

/// A third threshold that is never reached, and that no application would choose: so it is known as ours.
pub(super) const RARE: i32 = 100_003;

/// `now` without what is left of ours in it, of which `set` was the last.
///
/// `gc.set_threshold` with fewer than three numbers leaves the others as they are, and an application may put
/// back what it once saw, or a multiple: with [`RARE`] in force and nobody who collects, garbage would stay for
/// good.
pub(super) fn without_ours(now: [i32; 3], set: Option<[i32; 3]>, own: [i32; 3]) -> [i32; 3] {
    let is_ours = |place: usize| set.is_some_and(|set| set[place] == now[place]);
    let [first, second, third] = now;
    let times = times_rare(third);
    [
        first,
        match times {
            _ if is_ours(1) => own[1],
            Some(_) if second < 0 => own[1].saturating_mul(second.saturating_neg()),
            _ => second,
        },
        match times {
            _ if is_ours(2) => own[2],
            Some(times) => own[2].saturating_mul(times),
            None => third,
        },
    ]
}

/// How many times [`RARE`] a third threshold is, if it is.
pub(super) fn times_rare(third: i32) -> Option<i32> {
    (third > 0 && third % RARE == 0).then_some(third / RARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [i32; 3] = [700, 10, 20];

    #[test]
    fn nothing_of_ours_stays_in_what_an_application_sets() {
        for (now, set, expected) in [
            // One, two and three numbers, whatever was in force.
            ([9, 10, RARE], [700, 10, RARE], [9, 10, 20]),
            ([9, -1, RARE], [10_485, -1, RARE], [9, 10, 20]),
            ([9, 0, 0], [700, 0, 0], [9, 10, 20]),
            ([9, 5, RARE], [700, -1, RARE], [9, 5, 20]),
            ([9, 5, 6], [700, -1, RARE], [9, 5, 6]),
            // What was seen before, and twice as much of what was seen.
            ([700, -1, RARE], [700, 10, RARE], [700, 10, 20]),
            ([50_000, 20, 2 * RARE], [700, 10, RARE], [50_000, 20, 40]),
            ([50_000, -2, 2 * RARE], [700, -1, RARE], [50_000, 20, 40]),
        ] {
            assert_eq!(without_ours(now, Some(set), OWN), expected, "{now:?}");
        }
        assert_eq!(without_ours([700, -1, RARE], None, OWN), OWN);
        assert_eq!(without_ours([9, -1, 5], None, OWN), [9, -1, 5]);
    }
}
