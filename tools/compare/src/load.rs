//! The load: wrk, with a script that stops after so many answers.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde::Deserialize;

use pycow_testkit::{proc, signal};

const SCRIPT: &str = include_str!("wrk.lua");
/// Seconds after which wrk gives up, whatever is left.
const LIMIT: &str = "600";

/// A load generator with its list of paths.
#[derive(Debug)]
pub struct Wrk {
    /// The process group that it is put into.
    group: i32,
    folder: PathBuf,
}

/// What one or several loads did.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// Answers.
    pub requests: u64,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Answers with a status of 400 or more, connections that failed, and answers that never came.
    pub errors: u64,
    /// How many answers took so many microseconds.
    latencies: BTreeMap<u64, u64>,
}

/// What the script prints.
#[derive(Deserialize)]
struct Said {
    requests: u64,
    microseconds: u64,
    refused: u64,
    broken: u64,
    latencies: Vec<(u64, u64)>,
}

/// wrk is there.
///
/// # Errors
/// If it is not; says how to get it.
pub fn check() -> Result<(), String> {
    let found = Command::new("wrk")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match found {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("wrk: {error}: apt-get install wrk")),
    }
}

impl Wrk {
    /// Ends with that process group, if not before, and keeps its files in that folder.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn beside(group: i32, folder: &Path, urls: &[String]) -> Result<Self, String> {
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
        };
        write("wrk.lua", SCRIPT.into())?;
        write("urls", urls.join("\n") + "\n")?;
        Ok(Self {
            group,
            folder: folder.to_owned(),
        })
    }

    /// Sends so many requests, beginning with path number `first`.
    ///
    /// # Errors
    /// If wrk cannot, or is not done in its time.
    pub fn run(
        &self,
        port: u16,
        first: usize,
        requests: usize,
        clients: usize,
    ) -> Result<Served, String> {
        let mut wrk = Command::new("wrk")
            .args(["--threads", "1", "--connections", &clients.to_string()])
            .args(["--duration", LIMIT, "--timeout", "60s", "--script"])
            .arg(self.folder.join("wrk.lua"))
            .arg(format!("http://127.0.0.1:{port}"))
            .arg("--")
            .arg(self.folder.join("urls"))
            .args([first.to_string(), requests.to_string()])
            .process_group(self.group)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("wrk: {error}"))?;
        let pid = i32::try_from(wrk.id()).expect("pids are small");
        let output = wrk.stdout.take().expect("it is piped");
        let (mut last, mut done) = (String::new(), false);
        thread::scope(|scope| {
            for line in BufReader::new(output).lines() {
                last = line?;
                if last == "done" {
                    done = true;
                    scope.spawn(|| interrupt(pid));
                }
            }
            Ok(())
        })
        .map_err(|error: io::Error| format!("wrk: {error}"))?;
        let ended = wrk
            .wait_with_output()
            .map_err(|error| format!("wrk: {error}"))?;
        if !done {
            let why = why_not_done(&String::from_utf8_lossy(&ended.stderr), &last);
            return Err(format!("{requests} requests were not all answered: {why}"));
        }
        let said: Said = serde_json::from_str(&last)
            .map_err(|error| format!("wrk said {last:?}, which is no JSON: {error}"))?;
        Ok(Served {
            requests: said.requests,
            seconds: said.microseconds as f64 / 1e6,
            errors: said.refused + said.broken,
            latencies: said.latencies.into_iter().collect(),
        })
    }
}

/// In one line, by what it said.
fn why_not_done(stderr: &str, last: &str) -> String {
    match (stderr.trim(), serde_json::from_str::<Said>(last)) {
        ("", Ok(said)) => format!("wrk ended with {} of them", said.requests),
        ("", Err(_)) => format!("wrk ended with {last:?}"),
        (error, _) => error.to_owned(),
    }
}

/// Ends a wrk that has its answers, before it has slept for its duration.
///
/// It may not have come to its sleep yet: a signal before that is lost, one still earlier would kill it.
fn interrupt(pid: i32) {
    const PAUSE: Duration = Duration::from_millis(5);
    loop {
        if proc::catches(pid, signal::SIGINT) {
            signal::send(pid, signal::SIGINT);
        }
        if proc::gone_within(pid, PAUSE) {
            return;
        }
    }
}

impl Served {
    /// One load after another.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.seconds += other.seconds;
        self.errors += other.errors;
        for (&latency, count) in &other.latencies {
            *self.latencies.entry(latency).or_default() += count;
        }
    }

    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// The milliseconds that so many of 100 answers stayed below.
    pub fn percentile(&self, percent: u64) -> f64 {
        let all: u64 = self.latencies.values().sum();
        let rank = (all * percent).div_ceil(100);
        let mut seen = 0;
        let found = self.latencies.iter().find(|(_, &count)| {
            seen += count;
            seen >= rank
        });
        found.map_or(0.0, |(&microseconds, _)| microseconds as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpListener, time::Instant};

    use pycow_testkit::skip;

    use super::*;

    /// wrk has its answer before it has come to its sleep, now and then.
    #[test]
    fn the_shortest_load_ends_at_once() {
        if let Err(why) = check() {
            return skip(&why);
        }
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut client in server.incoming().flatten() {
                let request = BufReader::new(client.try_clone().unwrap()).lines();
                for _ in request
                    .map_while(Result::ok)
                    .take_while(|line| !line.is_empty())
                {}
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let own_group = 0;
        let wrk = Wrk::beside(own_group, folder.path(), &["/".into()]).unwrap();
        let start = Instant::now();
        for _ in 0..100 {
            let served = wrk.run(port, 0, 1, 1).unwrap();
            assert!(served.requests >= 1 && served.errors == 0, "{served:?}");
        }
        assert!(start.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn what_was_not_done_is_said_in_short() {
        let said = format!(
            "{{\"requests\":7,\"microseconds\":1,\"refused\":0,\"broken\":0,\"latencies\":[{}]}}",
            vec!["[1,2]"; 1000].join(",")
        );
        assert_eq!(why_not_done("", &said), "wrk ended with 7 of them");
        assert_eq!(why_not_done("no such host\n", &said), "no such host");
        assert_eq!(why_not_done("", "Running"), "wrk ended with \"Running\"");
    }

    #[test]
    fn loads_add_up() {
        let load = |latencies: &[(u64, u64)]| Served {
            requests: 10,
            seconds: 2.0,
            errors: 1,
            latencies: latencies.iter().copied().collect(),
        };
        let mut sum = load(&[(1000, 9), (5000, 1)]);
        sum.add(&load(&[(1000, 10)]));
        assert_eq!((sum.requests, sum.errors), (20, 2));
        assert_eq!(sum.rate(), 5.0);
        assert_eq!(sum.percentile(50), 1.0);
        assert_eq!(sum.percentile(95), 1.0);
        assert_eq!(sum.percentile(99), 5.0);
        assert_eq!(Served::default().percentile(50), 0.0);
    }
}
