//! A Debian of its own for a test: what a test changes there is gone with it.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{channel, Receiver},
    thread,
    time::{Duration, Instant},
};

use pycow_testkit::{prepared, proc};
use tempfile::TempDir;

/// What workers print when they accept (`hook-accepting = print:..`): one that is told to leave before that may
/// miss it.
pub const ACCEPTS: &str = "this worker accepts";

const LIMIT: Duration = Duration::from_secs(60);

/// A prepared Debian below, the changes of one test above (overlayfs), in a mount namespace that lives as
/// long as its holder.
pub struct Root {
    holder: Child,
    dir: TempDir,
}

/// What a script left.
#[derive(Debug)]
pub struct Done {
    pub status: ExitStatus,
    pub output: String,
}

/// A program that runs in a root until it is told to end.
pub struct Server {
    child: Child,
    lines: Receiver<String>,
    /// What was read so far.
    pub log: String,
}

impl Root {
    /// The root that `setup` made in that folder of `.hosts`, as good as new.
    pub fn of(host: &str) -> Self {
        let lower = prepared().join(host);
        assert!(
            lower.join(".stamp").exists(),
            "no {host}: make test-install prepares it"
        );
        let lower = lower.join("root").canonicalize().unwrap();
        // Not below /tmp, which the root sees.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for name in ["upper", "work", "root"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let script = "
            mount -t overlay overlay -o lowerdir=$1,upperdir=$2/upper,workdir=$2/work $2/root
            for path in /proc /sys /dev /tmp; do mount --rbind $path $2/root$path; done
            mkdir -p $2/root/dist $2/root/etc/ssl/certs && mount --bind $3 $2/root/dist
            cp /etc/resolv.conf $2/root/etc/resolv.conf
            cp /etc/ssl/certs/ca-certificates.crt $2/root/etc/ssl/certs/ca-certificates.crt
            echo ready
            exec cat";
        let mut holder = Command::new("unshare")
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-ec",
                script,
                "sh",
            ])
            .args([&lower, dir.path(), &super::dist::folder()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 6];
        let out = holder.stdout.as_mut().unwrap();
        out.read_exact(&mut said)
            .expect("mounts in a namespace of their own: that takes root");
        Self { holder, dir }
    }

    /// Where that path of the root is, for reading and writing from outside. What the root's own programs have
    /// changed is seen here, too.
    pub fn path(&self, path: &str) -> PathBuf {
        let inside = format!(
            "/proc/{}/root{}/root{path}",
            self.holder.id(),
            self.dir.path().display()
        );
        PathBuf::from(inside)
    }

    /// The words before a command that make it run there.
    pub fn prefix(&self) -> String {
        let (beside, root) = self.beside();
        format!("{beside} chroot {}", root.display())
    }

    /// The words before a command of this machine that make it see the root, and where it sees it.
    pub fn beside(&self) -> (String, PathBuf) {
        let mounts = format!("nsenter --mount=/proc/{}/ns/mnt", self.holder.id());
        (mounts, self.dir.path().join("root"))
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            &format!("exec {} sh -c \"$1\"", self.prefix()),
            "sh",
            script,
        ]);
        command.process_group(0).stdin(Stdio::null());
        // The tests' own settings of Python and pip are not a user's.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if ["PYTHON", "PIP_FIND", "UWSGI", "LD_LIBRARY"]
                .iter()
                .any(|start| name.starts_with(start))
            {
                command.env_remove(name);
            }
        }
        // A virtual environment or pyenv of this machine is none there.
        command.env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        // As long as the wheel is on no index.
        command
            .env("PIP_FIND_LINKS", "/dist")
            .env("PIP_ROOT_USER_ACTION", "ignore");
        command.env("HOME", "/root").env("LC_ALL", "C.UTF-8");
        command
    }

    /// Runs a script of shell there.
    pub fn run(&self, script: &str) -> Done {
        let output = self.command(script).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        Done {
            status: output.status,
            output: String::from_utf8_lossy(&text).into_owned(),
        }
    }

    /// The same, and it must succeed.
    pub fn must(&self, script: &str) -> String {
        let done = self.run(script);
        assert!(
            done.status.success(),
            "{script}: {}\n{}",
            done.status,
            done.output
        );
        done.output
    }

    /// Starts a server there; the script is one command.
    #[expect(
        clippy::incompatible_msrv,
        reason = "what cargo compiles for the test kit needs Rust 1.87 as it is"
    )]
    pub fn start(&self, script: &str, environment: &[(&str, &str)]) -> Server {
        let (output, input) = std::io::pipe().unwrap();
        let mut command = self.command(&format!("exec {script}"));
        command.envs(environment.iter().copied());
        command.stdout(input.try_clone().unwrap()).stderr(input);
        let child = command.spawn().unwrap();
        drop(command);
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Server {
            child,
            lines,
            log: String::new(),
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // Its end of the pipe closed, `cat` ends, and the mounts with it.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

impl Server {
    /// The process: uWSGI's master.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Waits for `times` lines that contain the needle, from here on; returns the last.
    pub fn await_lines(&mut self, needle: &str, times: usize) -> String {
        let deadline = Instant::now() + LIMIT;
        let mut left = times;
        loop {
            let time = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(time);
            let line = line.unwrap_or_else(|error| panic!("{needle}: {error}\n{}", self.log));
            self.log += &format!("{line}\n");
            // uWSGI announces a hook before the hook itself prints.
            left -= usize::from(line.contains(needle) && !line.contains("print:"));
            if left == 0 {
                return line;
            }
        }
    }

    /// Waits until all of its workers are through with their requests: one that is busy runs no hooks.
    pub fn await_idle(&mut self) {
        self.log
            .extend(self.lines.try_iter().map(|line| line + "\n"));
        let workers = self
            .log
            .lines()
            .filter(|line| line.contains("pawned uWSGI worker "));
        let pids = workers.filter_map(|line| {
            line.split_once("pid: ")?
                .1
                .split([',', ')'])
                .next()?
                .parse()
                .ok()
        });
        for pid in pids.filter(|pid| proc::alive(*pid)) {
            proc::await_idle(pid);
        }
    }

    /// Sends a signal to it alone.
    pub fn signal(&self, name: &str) {
        kill(name, &self.pid().to_string());
    }

    /// Waits for its end, told to it before; returns how it ended. The log is complete then.
    pub fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LIMIT;
        // The pipe ends with the last process that holds it.
        loop {
            let time = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(time) {
                Ok(line) => self.log += &format!("{line}\n"),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(error) => panic!("it does not end: {error}\n{}", self.log),
            }
        }
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("{}", self.log);
        }
        // All of its group; nobody is left where it has ended.
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            kill("KILL", &format!("-{}", self.pid()));
            let _ = self.child.wait();
        }
    }
}

fn kill(signal: &str, whom: &str) {
    let status = Command::new("kill")
        .args(["-s", signal, "--", whom])
        .status()
        .unwrap();
    assert!(
        status.success() || thread::panicking(),
        "kill -s {signal} {whom}"
    );
}
