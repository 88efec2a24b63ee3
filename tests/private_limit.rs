//! `pycow-reload-on-private`: a worker is replaced for memory of its own, not for what it shares.

use pycow_testkit::{hosts, reporting::until, Host, Uwsgi};

/// 80 MB are preloaded; `/grow` makes 60 MB more in the worker.
const APP: &str = r#"
import atexit, os, uwsgi
heap = [bytearray(4096) for _ in range(20_000)]
own = []
atexit.register(lambda: os.write(2, b"hook of %d\n" % os.getpid()))

def application(env, start):
    if env["PATH_INFO"] == "/grow":
        own.append(b"x" * 60_000_000)
    start("200 OK", [])
    return [str(os.getpid()).encode()]
"#;

fn limited(host: &Host, megabytes: u32) -> Uwsgi {
    Uwsgi::on(host)
        .app(APP)
        .with_pycow()
        .set("pycow-sample", 1)
        .set("min-worker-lifetime", 0)
        .set("pycow-reload-on-private", megabytes)
}

#[test]
fn a_worker_that_grew_is_replaced_after_its_request() {
    for (host, threads) in hosts().into_iter().zip([1, 3].into_iter().cycle()) {
        {
            println!("{} with {threads} threads", host.name);
            let uwsgi = limited(&host, 40).set("threads", threads).start();
            let first = uwsgi.get("/").body;
            assert_eq!(uwsgi.get("/grow").body, first);
            let other = || Some(uwsgi.get("/").body).filter(|pid| *pid != first);
            until("other worker", other);
            uwsgi.await_log(&format!("hook of {first}"));
            // The master may say so later than its worker answers.
            uwsgi.await_log("Respawned uWSGI worker 1");
            let log = uwsgi.log();
            let line = format!("[pycow] worker 1 (pid {first}): ");
            let line = log
                .lines()
                .find(|it| it.starts_with(&line))
                .expect("a line");
            assert!(
                line.ends_with("pycow-reload-on-private is 40: it is replaced"),
                "{line}"
            );
        }
    }
}

#[test]
fn what_is_shared_does_not_count() {
    let uwsgi = limited(&pycow_testkit::default_host(), 70).start();
    let first = uwsgi.get("/").body;
    let begin = std::time::Instant::now();
    // Several samples are taken meanwhile.
    while begin.elapsed().as_secs() < 4 {
        assert_eq!(uwsgi.get("/").body, first);
    }
    assert!(!uwsgi.log().contains("it is replaced"));
}

#[test]
fn where_it_cannot_work_it_says_so() {
    let host = pycow_testkit::default_host();
    let idle = "pycow-reload-on-private has no effect";
    limited(&host, 40)
        .set("pycow-sample", 0)
        .start()
        .await_log(idle);
    limited(&host, 40).unset("master").start().await_log(idle);
    assert!(!limited(&host, 40).start().log().contains(idle));
}
