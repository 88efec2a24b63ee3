//! The files of `packaging/examples`, as they stand but for their ports.

use std::{fs, os::unix::net::UnixDatagram, process::Command};

use pycow_testkit::{checkout, http, skip};

use crate::{
    dist::{write_site, ANSWER},
    root::{Root, ACCEPTS},
};

const HOOK: &str = "a hook of the application ran";

/// The text of an example.
fn example(name: &str) -> String {
    let folder = checkout().join("packaging/examples");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// An example with a port that is this test's own, whose workers tell when they accept.
fn with_port(name: &str, port: u16) -> String {
    let text = example(name);
    let (before, after) = text.split_once("http-socket = :").unwrap();
    let rest = after.split_once('\n').unwrap().1;
    format!("{before}http-socket = :{port}\nhook-accepting = print:{ACCEPTS}\n{rest}")
}

/// What the instruction of that name says, line by line.
fn instructions(dockerfile: &str, name: &str) -> Vec<String> {
    let lines = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    assert!(!lines.is_empty(), "no {name}");
    lines
}

/// What the Dockerfile builds, on Debian's slim root, and the command that it starts.
fn image(port: u16) -> (Root, String) {
    let root = Root::of("fresh-bookworm");
    let dockerfile = example("Dockerfile");
    assert_eq!(
        instructions(&dockerfile, "COPY"),
        ["mysite /srv/mysite", "uwsgi.ini /srv/uwsgi.ini"]
    );
    write_site(&root.path("/srv"));
    fs::write(root.path("/srv/uwsgi.ini"), with_port("uwsgi.ini", port)).unwrap();
    for line in instructions(&dockerfile, "RUN") {
        // The image's Python, other than Debian's, is nobody else's.
        let said = root.must(&format!("export PIP_BREAK_SYSTEM_PACKAGES=1; {line}"));
        if line.starts_with("pycow check") {
            assert_eq!(said, "/srv/uwsgi.ini: nothing to report\n");
        }
    }
    let command: Vec<String> = serde_json::from_str(&instructions(&dockerfile, "CMD")[0]).unwrap();
    (root, command.join(" "))
}

#[test]
fn a_container_serves_and_ends_by_the_signal_of_kubernetes() {
    let (root, command) = image(18610);
    let mut server = root.start(&command, &[]);
    server.await_lines(ACCEPTS, 4);
    assert_eq!(http::get(18610, "/").unwrap().body, ANSWER);
    server.await_idle();
    server.signal("TERM");
    assert!(server.ended().success());
    assert!(server.log.contains("[pycow] froze "), "{}", server.log);
    assert_eq!(server.log.matches(HOOK).count(), 4, "{}", server.log);

    // Without the line that makes the signal mean so, uWSGI starts anew, and Kubernetes would kill it.
    let text = with_port("uwsgi.ini", 18610).replace("die-on-term = true\n", "");
    fs::write(root.path("/srv/uwsgi.ini"), text).unwrap();
    let mut server = root.start(&command, &[]);
    server.await_lines(ACCEPTS, 4);
    server.await_idle();
    server.signal("TERM");
    server.await_lines("binary reloading uWSGI", 1);
    server.await_lines(ACCEPTS, 4);
    server.signal("INT");
    server.ended();

    // The time that Kubernetes gives is longer than what hooks may take.
    let manifest = example("kubernetes.yaml");
    let seconds = manifest
        .split_once("terminationGracePeriodSeconds: ")
        .unwrap()
        .1;
    let seconds: u32 = seconds.lines().next().unwrap().parse().unwrap();
    assert!(seconds > 30);
}

#[test]
fn a_unit_of_systemd_is_ready_when_uwsgi_is() {
    let (root, _) = image(18611);
    let unit = example("uwsgi.service");
    let value = |key: &str| {
        let line = unit
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {key}")).to_owned()
    };
    assert_eq!(value("Type"), "notify");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(30)))
        .unwrap();
    let mut server = root.start(
        &value("ExecStart"),
        &[("NOTIFY_SOCKET", path.to_str().unwrap())],
    );
    let mut told = [0; 4096];
    loop {
        let count = socket.recv(&mut told).expect("READY=1 within 30 seconds");
        if String::from_utf8_lossy(&told[..count]).contains("READY=1") {
            break;
        }
    }
    assert_eq!(http::get(18611, "/").unwrap().body, ANSWER);
    let reload = value("ExecReload");
    assert!(reload.ends_with("kill -HUP $MAINPID"), "{reload}");
    server.await_lines(ACCEPTS, 4);
    server.await_idle();
    server.signal("HUP");
    server.await_lines(ACCEPTS, 4);
    assert_eq!(http::get(18611, "/").unwrap().body, ANSWER);
    server.await_idle();
    server.signal(value("KillSignal").strip_prefix("SIG").unwrap());
    assert!(server.ended().success());
    assert_eq!(server.log.matches(HOOK).count(), 8, "{}", server.log);

    // What systemd itself says of the unit; the program is not on this machine.
    let file = folder.path().join("mysite.service");
    fs::write(&file, unit.replace("/usr/local/bin/pyuwsgi", "/bin/true")).unwrap();
    match Command::new("systemd-analyze")
        .arg("verify")
        .arg(&file)
        .output()
    {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                output.status.success() && !said.contains("mysite.service"),
                "{said}"
            );
        }
        Err(error) => skip(&format!("systemd-analyze: {error}")),
    }
}

#[test]
fn a_vassal_of_an_emperor_loads_it_for_itself() {
    let (root, _) = image(18612);
    fs::create_dir_all(root.path("/etc/uwsgi/vassals")).unwrap();
    let vassal = root.path("/etc/uwsgi/vassals/mysite.ini");
    fs::write(&vassal, with_port("vassal.ini", 18612)).unwrap();
    // The emperor compares whole seconds.
    root.must("touch --date '1 minute ago' /etc/uwsgi/vassals/mysite.ini");
    assert!(example("vassal.ini").contains("--emperor-wrapper /usr/local/bin/pyuwsgi"));
    let mut emperor = root.start("pyuwsgi --emperor /etc/uwsgi/vassals --emperor-wrapper /usr/local/bin/pyuwsgi --die-on-term", &[]);
    emperor.await_lines(ACCEPTS, 2);
    assert_eq!(http::get(18612, "/").unwrap().body, ANSWER);
    emperor.await_idle();
    // As one reloads a vassal, after an upgrade, say.
    root.must("touch /etc/uwsgi/vassals/mysite.ini");
    emperor.await_lines(ACCEPTS, 2);
    assert_eq!(http::get(18612, "/").unwrap().body, ANSWER);
    emperor.await_idle();
    emperor.signal("TERM");
    emperor.ended();
    assert_eq!(
        emperor.log.matches("[pycow] froze ").count(),
        2,
        "{}",
        emperor.log
    );
    assert_eq!(emperor.log.matches(HOOK).count(), 4, "{}", emperor.log);
}
