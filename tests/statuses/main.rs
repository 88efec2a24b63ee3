//! What uWSGI tells of its workers' lives and ends is the same with pycow and without.

mod life;

use std::{collections::BTreeSet, time::Duration};

use life::{both, Seen};
use pycow_testkit::signal::{SIGHUP, SIGINT, SIGKILL, SIGTERM};
use pycow_testkit::{default_host, proc, until, Instance, Uwsgi, HELLO};

/// What the master of the default host says of `workers` that end with it.
fn buried(workers: usize) -> usize {
    if default_host().waits_for_workers() {
        0
    } else {
        workers
    }
}

fn end(uwsgi: Instance) -> Seen {
    uwsgi.signal(SIGTERM);
    uwsgi.into()
}

fn first_worker(uwsgi: &Instance) -> i32 {
    uwsgi.workers()[0]
}

/// Asks until the answer comes from a worker that is none of these.
fn answer_from_another(uwsgi: &Instance, pids: &BTreeSet<i32>) -> i32 {
    until("answer of another", || {
        let pid = uwsgi.try_get("/").ok()?.body.parse().ok()?;
        (!pids.contains(&pid)).then_some(pid)
    })
}

#[test]
fn a_worker_told_to_leave_by_a_signal() {
    let life = both(
        |uwsgi| uwsgi,
        |uwsgi| {
            let mut statuses = Vec::new();
            for (accepting, signal) in [(2, SIGTERM), (3, SIGINT), (4, SIGHUP), (5, SIGKILL)] {
                let worker = first_worker(&uwsgi);
                statuses.push(uwsgi.wait_status(worker, || uwsgi.kill(worker, signal)));
                uwsgi.await_accepting(accepting);
                assert_eq!(uwsgi.get("/").body, first_worker(&uwsgi).to_string());
                proc::await_idle(first_worker(&uwsgi));
            }
            uwsgi.signal(SIGTERM);
            Seen { uwsgi, statuses }
        },
    );
    // UWSGI_END_CODE, UWSGI_RELOAD_CODE; the last was killed.
    assert_eq!(life.statuses, [30 << 8, 30 << 8, 17 << 8, SIGKILL]);
    life.tells("DAMN ! worker 1 (pid: N died :( trying respawn", 2);
    life.tells("died, killed by signal 9 :( trying respawn", 1);
    life.tells("Gracefully killing worker 1", 1);
    life.tells("Respawned uWSGI worker 1", 4);
}

#[test]
fn a_worker_that_has_served_its_requests() {
    let life = both(
        |uwsgi| uwsgi.set("max-requests", 2).set("min-worker-lifetime", 0),
        |uwsgi| {
            for accepting in [2, 3] {
                uwsgi.get("/");
                uwsgi.get("/");
                uwsgi.await_accepting(accepting);
            }
            end(uwsgi)
        },
    );
    life.tells("The work of process N is done. Seeya!", 2);
    life.tells("worker 1 killed successfully", 2);
    life.tells("Respawned uWSGI worker 1", 2);
    life.tells("DAMN", 0);
}

#[test]
fn a_worker_that_has_grown_too_large() {
    let life = both(
        |uwsgi| uwsgi.set("reload-on-rss", 90).set("min-worker-lifetime", 0),
        |uwsgi| {
            uwsgi.get("/");
            uwsgi.get("/grow");
            uwsgi.await_accepting(2);
            end(uwsgi)
        },
    );
    life.tells("The work of process N is done. Seeya!", 1);
    life.tells("worker 1 killed successfully", 1);
    life.tells("Respawned uWSGI worker 1", 1);
}

#[test]
fn a_worker_that_leaves_at_an_exception() {
    let life = both(
        |uwsgi| uwsgi.flag("reload-on-exception"),
        |uwsgi| {
            // It is cut off: the worker leaves from inside the request.
            let _ = uwsgi.try_get("/raise");
            uwsgi.await_accepting(2);
            end(uwsgi)
        },
    );
    life.tells("... monitored exception detected, respawning worker 1", 1);
}

#[test]
fn a_graceful_reload_of_all() {
    if !default_host().reloads() {
        let stock = Uwsgi::on(&default_host()).app(HELLO).start();
        stock.signal(SIGHUP);
        assert!(!stock.accepts_within(2, Duration::from_secs(5)));
        return;
    }
    let life = both(
        |uwsgi| uwsgi.set("processes", 2),
        |uwsgi| {
            let before = BTreeSet::from_iter(uwsgi.workers());
            uwsgi.signal(SIGHUP);
            uwsgi.await_accepting(4);
            answer_from_another(&uwsgi, &before);
            uwsgi.workers().into_iter().for_each(proc::await_idle);
            end(uwsgi)
        },
    );
    life.tells("Gracefully killing worker", 2);
    life.tells("gracefully (RE)spawned uWSGI master process", 1);
    life.tells("buried after", 4);
    life.tells("goodbye to uWSGI", 1);
}

#[test]
fn one_worker_after_the_other() {
    let life = both(
        |uwsgi| uwsgi.set("processes", 2).set("master-fifo", "fifo"),
        |uwsgi| {
            let before = BTreeSet::from_iter(uwsgi.workers());
            uwsgi.command("c");
            uwsgi.await_accepting(4);
            answer_from_another(&uwsgi, &before);
            uwsgi.workers().into_iter().for_each(proc::await_idle);
            end(uwsgi)
        },
    );
    life.tells("Gracefully killing worker", 2);
    life.tells("killed successfully", 2);
    life.tells("Respawned uWSGI worker", 2);
}

#[test]
fn a_worker_that_is_not_needed() {
    let life = both(
        |uwsgi| {
            let uwsgi = uwsgi.set("processes", 3).set("cheaper", 1);
            uwsgi.set("cheaper-initial", 2)
        },
        |uwsgi| {
            // The oldest goes.
            uwsgi.await_log("uWSGI worker 1 cheaped.");
            end(uwsgi)
        },
    );
    life.tells("worker 1 killed successfully", 1);
    life.tells("uWSGI worker 1 cheaped.", 1);
    life.tells("worker 2 buried", buried(1));
}

#[test]
fn the_end_of_all_brutal_and_graceful() {
    for (letter, told, of_each, times) in [
        ("Q", "received...killing workers", "buried after", buried(2)),
        (
            "q",
            "graceful shutdown triggered",
            "Gracefully killing worker",
            2,
        ),
    ] {
        let life = both(
            |uwsgi| uwsgi.set("processes", 2).set("master-fifo", "fifo"),
            |uwsgi| {
                uwsgi.command(letter);
                uwsgi.into()
            },
        );
        life.tells(told, 1);
        life.tells(of_each, times);
        assert_eq!(life.end, Some(0), "{letter}");
    }
}
