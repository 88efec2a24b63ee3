//! The log lines: what they say is what /proc says, and a missing /proc costs one warning.

use pycow_testkit::reporting::APP;
use pycow_testkit::signal::SIGTERM;
use pycow_testkit::{default_host, is_root, proc, skip, Uwsgi};

const MEGABYTE: f64 = 1048576.0;

/// "12.3" of ", 12.3 MB private".
fn megabytes_before(line: &str, text: &str) -> f64 {
    let end = line.find(text).unwrap_or_else(|| panic!("{text}: {line}"));
    let number = line[..end].rsplit([' ', ':']).next().unwrap();
    number
        .parse()
        .unwrap_or_else(|_| panic!("{number}: {line}"))
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> &'a str {
    let found = line
        .split_once(before)
        .and_then(|(_, rest)| rest.split_once(after));
    found
        .unwrap_or_else(|| panic!("{before}..{after}: {line}"))
        .0
}

#[test]
fn the_farewell_line_tells_what_proc_tells() {
    let uwsgi = Uwsgi::on(&default_host())
        .app(APP)
        .with_pycow()
        .set("processes", 2)
        .start();
    let workers = uwsgi.workers();
    let before: Vec<_> = workers.iter().map(|pid| proc::rollup(*pid)).collect();
    for _ in 0..20 {
        uwsgi.get("/touch");
    }
    uwsgi.await_log_times("GET /touch", 20);
    let after: Vec<_> = workers.iter().map(|pid| proc::rollup(*pid)).collect();
    let finished = uwsgi.stop();
    let (mut requests, mut touched) = (0, 0);
    for (i, pid) in workers.iter().enumerate() {
        let start = format!("[pycow] worker {} (pid {pid}) leaves after ", i + 1);
        let line = finished
            .log
            .lines()
            .find(|line| line.starts_with(&start))
            .expect(&start);
        requests += line[start.len()..]
            .split(' ')
            .next()
            .unwrap()
            .parse::<u32>()
            .unwrap();

        let private = megabytes_before(line, " MB private");
        let expected = after[i].private() as f64 / MEGABYTE;
        assert!((private - expected).abs() < 0.5, "{expected}: {line}");
        let inherited = megabytes_before(line, " MB inherited");
        let expected = before[i].shared() as f64 / MEGABYTE;
        // Right after the fork, libraries' pages are not mapped into the child yet.
        assert!((inherited - expected).abs() < 4.0, "{expected}: {line}");
        let shared = megabytes_before(line, " of ");
        let expected = after[i].shared() as f64 / MEGABYTE;
        assert!((shared - expected).abs() < 4.0, "{expected}: {line}");
        let hooks: f64 = between(line, ", hooks took ", " s").parse().unwrap();
        assert!(hooks < 30.0, "{line}");
        let percent: f64 = between(line, " still shared (", "%)").parse().unwrap();
        // Both are rounded to a tenth of a megabyte.
        let expected = shared / inherited * 100.0;
        assert!((percent - expected).abs() < 0.5, "{expected}: {line}");
        if after[i].private() > before[i].private() + 10_000_000 {
            touched += 1;
            // It wrote to 12 MB; what it mapped since the fork makes up for less than half of them.
            assert!(percent < 100.0 - 6.0 / inherited * 100.0, "{line}");
        }
    }
    assert!(touched > 0, "nobody wrote to the heap");
    assert_eq!(requests, 20);
}

#[test]
fn mules_and_spoolers_have_their_line_too() {
    let uwsgi = Uwsgi::on(&default_host())
        .app(APP)
        .with_pycow()
        .set("mule", "true");
    let spool = uwsgi.dir().join("spool");
    std::fs::create_dir(&spool).unwrap();
    let uwsgi = uwsgi.set("spooler", spool.display()).start();
    // At its end the master kills spoolers outright; told by hand, one leaves as a worker does.
    let [spooler] = uwsgi.spoolers()[..] else {
        panic!("one spooler")
    };
    // Earlier uWSGI's own handler would do it, before the spooler is known to be one.
    proc::await_idle(spooler);
    uwsgi.kill(spooler, SIGTERM);
    uwsgi.await_log(&format!(
        "[pycow] spooler (pid {spooler}) leaves after 0 requests: "
    ));
    let finished = uwsgi.stop();
    for who in ["worker 1", "mule 1"] {
        let start = format!("[pycow] {who} (pid ");
        let lines = finished.log.matches(&start).count();
        assert_eq!(lines, 1, "{who}\n{}", finished.log);
    }
    assert!(!finished.log.contains("hooks not run"));
}

#[test]
fn a_worker_without_privileges_reads_its_own_memory() {
    if !is_root() || !default_host().runs_as_anybody() {
        return skip("not root, or a Python in root's folder");
    }
    let uwsgi = Uwsgi::on(&default_host())
        .app(APP)
        .with_pycow()
        .set("uid", "nobody")
        .start();
    let finished = uwsgi.stop();
    assert!(
        finished.log.contains("MB inherited still shared"),
        "{}",
        finished.log
    );
}

#[test]
fn a_missing_proc_costs_one_warning() {
    if !is_root() {
        return skip("not root");
    }
    let line = "exec unshare --mount sh -c 'mount -t tmpfs none /proc && exec \"$@\"' sh \"$@\"";
    let uwsgi = Uwsgi::on(&default_host())
        .app(APP)
        .with_pycow()
        .set("processes", 2);
    let finished = uwsgi.through(line).start().stop();
    let warning = "[pycow] WARNING: shared memory cannot be measured here: /proc/self/smaps: ";
    assert_eq!(finished.log.matches(warning).count(), 1, "{}", finished.log);
    let lines: Vec<&str> = finished
        .log
        .lines()
        .filter(|line| line.starts_with("[pycow] worker "))
        .collect();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert!(line.contains(" requests: hooks took "), "{line}");
    }
}
