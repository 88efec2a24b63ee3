//! `make demo`: one table with the figures that matter most.

mod common;

use common::{newest, without_wrk, Bench};

#[test]
fn a_brief_comparison_prints_one_table_and_what_it_comes_to() {
    if without_wrk() {
        return;
    }
    let ran = Bench::on(&newest())
        .with("--brief --workloads tiny --methods freeze --rounds 1 --requests 60 --scale 0")
        .run()
        .well();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let rules: Vec<usize> = (0..lines.len())
        .filter(|at| lines[*at].starts_with("----"))
        .collect();
    let [rule] = rules[..] else {
        panic!("one table: {}", ran.stdout)
    };
    for head in ["shared at end MB", "total PSS MB", "workers gone s"] {
        assert!(lines[rule - 1].contains(head), "{}", ran.stdout);
    }
    // Of one round there is no range: a method is one line.
    for (line, method) in [(rule + 1, "stock"), (rule + 2, "freeze")] {
        let cells: Vec<&str> = lines[line].split_whitespace().collect();
        assert_eq!(cells[0], method, "{}", ran.stdout);
        assert!(cells.len() >= 7, "{}", ran.stdout);
    }
    assert!(
        ran.stdout.contains("pycow-gc = freeze") || ran.stdout.contains("pycow saves no memory"),
        "{}",
        ran.stdout
    );
}
