//! What the libraries talk to: real servers of Debian, a sink for what is sent by HTTP.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::Ports;

/// A folder of those that `make fork-libraries` prepares.
pub fn prepared(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(".hosts")
        .join(name);
    assert!(
        path.exists(),
        "run `make fork-libraries`: no {}",
        path.display()
    );
    path
}

/// A process that serves, until it is dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    _dir: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const NOBODY: u32 = 65534;

impl Server {
    /// Starts it and waits until it says that it is ready; a number behind `ready` is its port.
    #[expect(
        clippy::incompatible_msrv,
        reason = "what cargo compiles for the test kit needs Rust 1.87 as it is"
    )]
    fn start(command: &mut Command, dir: TempDir, port: u16) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer);
        let child = command.spawn().unwrap();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = Self {
            child,
            port,
            _dir: dir,
        };
        let mut lines = BufReader::new(reader).lines();
        let mut said = String::new();
        let ready = lines.by_ref().map_while(Result::ok).find(|line| {
            said += &format!("{line}\n");
            line.starts_with("ready")
                || line.contains("eady to accept")
                || line.contains("ready for connections")
        });
        let ready = ready.unwrap_or_else(|| panic!("{command:?} ended:\n{said}"));
        if let Some(port) = ready.strip_prefix("ready ") {
            server.port = port.parse().unwrap();
        }
        // Whoever fills a pipe that nobody reads stands still.
        thread::spawn(move || lines.for_each(drop));
        server
    }

    pub fn postgres() -> Self {
        // The one that is installed, or the one that was unpacked.
        let places = ["/".into(), prepared("fork-servers")];
        let bin = places
            .iter()
            .find_map(|root: &PathBuf| only_folder(&root.join("usr/lib/postgresql"), ""));
        let bin = bin.expect("a PostgreSQL").join("bin");
        let (dir, port) = (folder(), free_port());
        let data = dir.path().join("data");
        let run = |name: &str| {
            let mut command = Command::new(bin.join(name));
            command.env("LD_LIBRARY_PATH", libraries());
            // It does not run as root.
            if is_root() {
                command.uid(NOBODY).gid(NOBODY);
            }
            command.current_dir(dir.path()).arg("-D").arg(&data);
            command
        };
        let made = run("initdb")
            .args(["-U", "postgres", "-A", "trust"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut command = run("postgres");
        command
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
            .arg(dir.path());
        Self::start(&mut command, dir, port)
    }

    pub fn mariadb() -> Self {
        let root = prepared("fork-servers").join("usr");
        let (dir, port) = (folder(), free_port());
        let data = dir.path().join("data");
        let common = |command: &mut Command| {
            command
                .env("LD_LIBRARY_PATH", libraries())
                .arg("--no-defaults")
                .arg(format!("--basedir={}", root.display()))
                .arg(format!("--datadir={}", data.display()))
                .arg("--user=nobody");
        };
        let mut install = Command::new(root.join("bin/mariadb-install-db"));
        common(&mut install);
        let made = install
            .arg("--auth-root-authentication-method=normal")
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut command = Command::new(root.join("sbin/mariadbd"));
        common(&mut command);
        command
            .arg(format!(
                "--lc-messages-dir={}",
                root.join("share/mysql").display()
            ))
            .arg(format!("--socket={}", dir.path().join("socket").display()))
            .args([
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                &format!("--port={port}"),
            ]);
        Self::start(&mut command, dir, port)
    }

    pub fn redis() -> Self {
        let (dir, port) = (folder(), free_port());
        let mut command = Command::new(prepared("fork-servers").join("usr/bin/redis-server"));
        command
            .env("LD_LIBRARY_PATH", libraries())
            .current_dir(dir.path());
        command.args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--port",
            &port.to_string(),
        ]);
        Self::start(&mut command, dir, port)
    }

    /// One of those that servers.py plays.
    pub fn played(name: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fork_libraries/servers.py");
        let mut command = Command::new(prepared("default").join("bin/python"));
        command
            .env("PYTHONPATH", prepared("fork-libraries"))
            .arg(script)
            .arg(name);
        Self::start(&mut command, folder(), 0)
    }
}

/// Debian's libraries that its servers and MySQL's client need.
pub fn libraries() -> PathBuf {
    only_folder(&prepared("fork-servers").join("usr/lib"), "-linux-gnu").expect("libraries")
}

/// The one folder in there whose name ends so.
fn only_folder(path: &Path, end: &str) -> Option<PathBuf> {
    let folders = fs::read_dir(path).into_iter().flatten().flatten();
    let mut folders = folders.map(|entry| entry.path());
    folders.find(|folder| folder.is_dir() && folder.to_string_lossy().ends_with(end))
}

fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    if is_root() {
        std::os::unix::fs::chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    dir
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Answers every HTTP request with 200, keeps connections, and counts. `/echo?N` is answered with N.
pub struct Sink {
    pub port: u16,
    count: Arc<AtomicUsize>,
}

impl Sink {
    /// What a client that talks to this one alone is told.
    pub fn ports(&self) -> Ports {
        Ports {
            sink: self.port,
            ..Ports::default()
        }
    }

    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                thread::spawn(move || while answer(&stream, &counter).is_some() {});
            }
        });
        Self { port, count }
    }

    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

fn answer(stream: &TcpStream, counter: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length, mut chunked) = (String::new(), 0, false);
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim().to_ascii_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().ok()?;
        }
        chunked |= line == "transfer-encoding: chunked";
        if line.is_empty() {
            break;
        }
    }
    while chunked {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        reader.read_exact(&mut vec![0; size + 2]).ok()?;
        chunked = size > 0;
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    counter.fetch_add(1, Ordering::SeqCst);
    let echo = first
        .split(' ')
        .nth(1)
        .and_then(|path| path.strip_prefix("/echo?"));
    let body = echo.unwrap_or(if first.starts_with("HEAD") { "" } else { "{}" });
    if echo.is_some() {
        // Two that share a connection get each other's answers.
        thread::sleep(Duration::from_millis(2));
    }
    let kind = if first.contains("/v1/") && echo.is_none() {
        "application/x-protobuf"
    } else {
        "application/json"
    };
    let body = if kind.ends_with("protobuf") { "" } else { body };
    let mut stream = stream;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).ok()
}
