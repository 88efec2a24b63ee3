//! A running uWSGI, and what is left of one.

mod ending;

pub use ending::Finished;

use crate::signal::SIGTERM;
use crate::{
    http::{self, Response},
    lines::{accepting, mules_in, spoolers_in, workers_in, Helpers},
    log::{InVain, Log},
    port::Port,
    proc, process,
    until::until,
    watchdog::Watchdog,
};
use std::{
    fs,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

// Generous, for a machine that is busy with other things: a limit costs its time only where a test fails.
const START_LIMIT: Duration = Duration::from_secs(60);
const LOG_LIMIT: Duration = Duration::from_secs(60);
/// For a uWSGI whose application never sleeps.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);

/// A running uWSGI. Dropped, it is killed with all its children; dropped by a
/// panic, it prints its ini and its log first.
#[derive(Debug)]
pub struct Instance {
    child: Child,
    watchdog: Watchdog,
    /// Nothing is left to kill.
    over: bool,
    log: Arc<Log>,
    helpers: Helpers,
    ini: String,
    dir: TempDir,
    _port: Port,
}

impl Instance {
    /// Starts the command as the leader of a process group of its own.
    pub(crate) fn spawn(
        mut command: Command,
        helpers: Helpers,
        ini: String,
        dir: TempDir,
        port: Port,
    ) -> Self {
        let (output, input) = io::pipe().expect("a pipe");
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(input.try_clone().expect("a second end of the pipe"))
            .stderr(input);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
        // Only uWSGI may hold the writing end, or the log would never end.
        drop(command);
        let pid = i32::try_from(child.id()).expect("pids are small");
        Self {
            watchdog: Watchdog::over_group(pid, dir.path()).expect("a shell to watch over uWSGI"),
            child,
            over: false,
            log: Log::follow(output),
            helpers,
            ini,
            dir,
            _port: port,
        }
    }

    /// Waits until workers have begun to accept requests so many times since
    /// the start, respawned ones included, the log names them all and the mules
    /// and spoolers beside them, and the master has handlers. Whoever is told to
    /// end before that may miss the signal: uWSGI sets its handlers only then.
    ///
    /// # Panics
    /// If uWSGI ends instead, or takes more than a minute.
    pub fn await_accepting(&self, times: usize) {
        let what = format!("{times} accepting workers, named with their mules and spoolers");
        self.wait(START_LIMIT, &what, |log| {
            accepting(log, times, self.helpers)
        });
        until("handler in the master", || {
            let is_there = proc::catches(self.pid(), SIGTERM) || !proc::alive(self.pid());
            is_there.then_some(())
        });
    }

    /// Whether workers accept and are named so many times within `limit`.
    pub fn accepts_within(&self, times: usize, limit: Duration) -> bool {
        self.ready(times, limit).is_ok()
    }

    /// Waits until workers accept and are named so many times.
    ///
    /// # Errors
    /// Says how uWSGI ended instead, or that it took longer than the limit.
    pub fn ready(&self, workers: usize, limit: Duration) -> Result<(), String> {
        self.log
            .wait(limit, |log| accepting(log, workers, self.helpers))
            .map_err(|in_vain| match in_vain {
                InVain::Ended => "uWSGI ended at its start".into(),
                InVain::TimedOut => format!("no {workers} accepting workers within {limit:?}"),
            })
    }

    /// The master, or the only process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("pids are small")
    }

    /// One request, answered.
    ///
    /// # Panics
    /// If the connection fails; any status is an answer.
    pub fn get(&self, path: &str) -> Response {
        self.try_get(path)
            .unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// One request.
    ///
    /// # Errors
    /// If the connection fails or is cut.
    pub fn try_get(&self, path: &str) -> Result<Response, String> {
        http::get(self.port(), path).map_err(|error| error.to_string())
    }

    /// Where a client of this machine finds that path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port())
    }

    /// The port of the (first) TCP socket.
    ///
    /// # Panics
    /// If uWSGI does not say that it has bound one.
    pub fn port(&self) -> u16 {
        self.wait(LOG_LIMIT, "a TCP socket", |log| {
            let (_, rest) = log.split_once("bound to TCP address ")?;
            let (address, _) = rest.split_once(' ')?;
            address.rsplit_once(':')?.1.parse().ok()
        })
    }

    /// The temporary folder: application, ini, and what uWSGI leaves there.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The live workers, in their order.
    pub fn workers(&self) -> Vec<i32> {
        alive(workers_in(&self.log()).into_values())
    }

    /// The live mules, in their order.
    pub fn mules(&self) -> Vec<i32> {
        alive(mules_in(&self.log()).into_values())
    }

    /// The live spoolers, in the order of their start.
    pub fn spoolers(&self) -> Vec<i32> {
        alive(spoolers_in(&self.log()).into_iter())
    }

    /// All whole lines so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The first line that contains the needle, once it is there.
    ///
    /// # Panics
    /// If uWSGI ends without it, or a minute passes.
    pub fn await_log(&self, needle: &str) -> String {
        self.await_log_times(needle, 1).swap_remove(0)
    }

    /// The first `times` lines that contain the needle, once they are there.
    ///
    /// # Panics
    /// If uWSGI ends without them, or a minute passes.
    pub fn await_log_times(&self, needle: &str, times: usize) -> Vec<String> {
        let what = format!("{times} lines with {needle:?}");
        self.wait(LOG_LIMIT, &what, |log| {
            let lines = log.lines().filter(|line| line.contains(needle));
            let lines: Vec<String> = lines.take(times).map(str::to_owned).collect();
            (lines.len() == times).then_some(lines)
        })
    }

    /// Sends a signal to the master, or the only process.
    pub fn signal(&self, signal: i32) {
        self.kill(self.pid(), signal);
    }

    /// Sends a signal to any process of this uWSGI.
    pub fn kill(&self, pid: i32, signal: i32) {
        process::signal(pid, signal);
    }

    /// Waits until the master has handlers of its own and everybody sleeps, or for 10 seconds: some
    /// applications never do. A uWSGI without pycow loses a SIGTERM that comes before.
    pub fn settle(&self) {
        let deadline = Instant::now() + SETTLE_LIMIT;
        let is_settled = || {
            let mut all = proc::children(self.pid());
            all.push(self.pid());
            let sleeping = all.into_iter().all(proc::sleeps);
            sleeping && proc::catches(self.pid(), SIGTERM)
        };
        while proc::alive(self.pid()) && !is_settled() && Instant::now() < deadline {
            // The kernel tells nobody that a process went to sleep.
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Writes a letter to `fifo` in its folder, its `master-fifo`, once that is there: workers may be
    /// quicker than their master.
    ///
    /// # Panics
    /// If there is none within a minute, or nobody reads it.
    pub fn command(&self, letter: &str) {
        let path = self.dir().join("fifo");
        let opened = || fs::OpenOptions::new().write(true).open(&path).ok();
        let mut fifo = until("FIFO", opened);
        fifo.write_all(letter.as_bytes()).expect("a reader");
    }

    fn wait<T>(&self, limit: Duration, what: &str, found: impl FnMut(&str) -> Option<T>) -> T {
        self.log
            .wait(limit, found)
            .unwrap_or_else(|in_vain| match in_vain {
                InVain::Ended => panic!("uWSGI ended while a test waited for {what}"),
                InVain::TimedOut => panic!("no {what} within {limit:?}"),
            })
    }
}

fn alive(pids: impl Iterator<Item = i32>) -> Vec<i32> {
    pids.filter(|&pid| proc::alive(pid)).collect()
}
