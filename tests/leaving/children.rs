//! Processes that an application or its hooks fork, and what they get of signals.

use pycow_testkit::signal::SIGTERM;
use pycow_testkit::{default_host, one_of_each, proc, Uwsgi};

use super::{farewell, only_worker, said, start, with_app, HOOKS, SAY};

#[test]
fn a_program_that_a_hook_starts_can_be_ended_by_signals() {
    let uwsgi = with_app(
        &default_host(),
        r#"
import signal, subprocess

@atexit.register
def run():
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        program = subprocess.Popen(["sleep", "30"])
        program.send_signal(number)
        say("ended with %d" % program.wait())
"#,
    )
    .start();
    let worker = only_worker(&uwsgi);
    let finished = uwsgi.stop();
    let expected = ["ended with -15", "ended with -2", "ended with -1"];
    assert_eq!(said(&finished.log, worker), expected);
}

#[test]
fn a_child_of_the_application_is_not_taken_for_the_worker() {
    let uwsgi = start(&format!(
        r#"{HOOKS}
import ctypes

def application(env, start):
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).exit(3)
    status = os.waitpid(child, 0)[1]
    start("200 OK", [])
    return [b"%d ended with %d" % (child, status >> 8)]
"#
    ));
    let worker = only_worker(&uwsgi);
    let children = [(); 2].map(|()| {
        let body = uwsgi.get("/").body;
        let (child, status) = body.split_once(" ended with ").unwrap();
        assert_eq!(status, "3");
        child.parse().unwrap()
    });
    assert_eq!(uwsgi.workers(), [worker]);
    proc::await_idle(worker);
    let finished = uwsgi.stop();
    for child in children {
        assert_eq!(said(&finished.log, child), [""; 0]);
    }
    assert_eq!(finished.log.matches(" leaves after ").count(), 1);
    let line = farewell(&finished.log, worker);
    assert!(line.contains(" leaves after 2 requests: "), "{line}");
}

/// What the hook of a worker sees of processes that it forks.
fn forked_by_a_hook(uwsgi: Uwsgi) -> Vec<String> {
    let uwsgi = uwsgi.start();
    let worker = only_worker(&uwsgi);
    let finished = uwsgi.stop();
    said(&finished.log, worker)
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[test]
fn processes_that_a_hook_forks_are_those_of_stock() {
    const APP: &str = r#"
import multiprocessing
fork = multiprocessing.get_context("fork")

@atexit.register
def hook():
    child = fork.Process(target=time.sleep, args=(60,))
    child.start()
    child.terminate()
    child.join(20)
    say("terminated: %s" % child.exitcode)
    with fork.Pool(2) as pool:
        say("pool: %s" % pool.map(abs, [-1, -2]))
    say("over")
"#;
    // From 3.12 on a finalizing interpreter starts no thread, so stock has no Pool there.
    for host in one_of_each()
        .into_iter()
        .filter(|host| host.python < (3, 12))
    {
        let stock = forked_by_a_hook(Uwsgi::on(&host).app(&format!("{SAY}{APP}")));
        let pycow = forked_by_a_hook(with_app(&host, APP).set("pycow-exit-timeout", 50));
        assert_eq!(pycow, stock, "{}", host.name);
        assert_eq!(
            pycow.last().map(String::as_str),
            Some("over"),
            "{}",
            host.name
        );
    }
}

/// A hook that says what is to happen at a signal says it to its children, too.
#[test]
fn a_process_that_a_hook_forks_has_the_handlers_of_the_hook() {
    const APP: &str = r#"
import signal

@atexit.register
def hook():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        os._exit(3)
    say("the child ended with %d" % os.waitpid(child, 0)[1])
"#;
    for host in one_of_each() {
        let pycow = forked_by_a_hook(with_app(&host, APP));
        assert_eq!(pycow, ["the child ended with 2"], "{}", host.name);
    }
}

/// uWSGI has a spooler ignore SIGHUP; nobody else does, whom a hook starts.
#[test]
fn a_program_that_a_spoolers_hook_starts_ignores_what_it_ignores_in_stock() {
    const APP: &str = r#"
import subprocess

@atexit.register
def run():
    if uwsgi.i_am_the_spooler():
        say(subprocess.check_output(["grep", "SigIgn", "/proc/self/status"]).decode().strip())

uwsgi.post_fork_hook = lambda: uwsgi.i_am_the_spooler() and say("spools")
"#;
    for host in one_of_each() {
        let ignored = |uwsgi: Uwsgi| {
            let folder = uwsgi.dir().join("spool");
            std::fs::create_dir(&folder).unwrap();
            let app = format!("{SAY}{APP}");
            let uwsgi = uwsgi.app(&app).set("spooler", folder.display()).start();
            let line = uwsgi.await_log(" says: spools");
            let spooler = line.split(' ').next().unwrap().parse().unwrap();
            proc::await_idle(spooler);
            uwsgi.kill(spooler, SIGTERM);
            let line = uwsgi.await_log(" says: SigIgn:");
            line.split_once("SigIgn:").unwrap().1.to_owned()
        };
        let stock = ignored(Uwsgi::on(&host));
        let ours = ignored(Uwsgi::on(&host).with_pycow());
        assert_eq!(ours, stock, "{}", host.name);
    }
}
