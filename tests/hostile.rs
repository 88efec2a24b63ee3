//! Values of options as nobody would write them, by every way that uWSGI takes them: refused by one
//! line, whatever is in them.

use std::{
    ffi::OsString,
    fs,
    os::unix::{ffi::OsStringExt, fs::symlink},
    process::Command,
};

use pycow_testkit::{default_host, host_of, skip, until, Finished, Flavour, Uwsgi, HELLO};

fn pycow() -> Uwsgi {
    Uwsgi::on(&default_host()).app(HELLO).with_pycow()
}

/// A uWSGI that gets its arguments as they are. pyuwsgi has them from Python's `sys.argv`, and crashes,
/// with or without pycow, over one that is no UTF-8.
fn with_plain_arguments() -> Option<Uwsgi> {
    let host = host_of(Flavour::Pypi)?;
    Some(Uwsgi::on(&host).app(HELLO).with_pycow())
}

/// Every option of pycow that uWSGI shows.
fn options() -> Vec<String> {
    let finished = pycow().arg("--help").run();
    let names = finished.log.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("--")?.split_whitespace().next()?;
        name.starts_with("pycow-").then(|| name.to_owned())
    });
    let names: Vec<String> = names.collect();
    assert!(names.len() >= 15);
    names
}

/// Ended by one line that names the option, and nothing of the value steers a terminal.
fn assert_refused(finished: &Finished, option: &str) {
    assert_eq!(finished.status.code(), Some(1), "{option}");
    let lines: Vec<&str> = finished
        .log
        .lines()
        .filter(|line| line.contains("[pycow]"))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("[pycow] ERROR: invalid value \""),
        "{}",
        lines[0]
    );
    let rest = format!("\" for option {option}, allowed: ");
    assert!(lines[0].contains(&rest), "{}", lines[0]);
    assert!(!lines[0].chars().any(char::is_control), "{:?}", lines[0]);
    assert!(lines[0].len() < 1500, "{} bytes", lines[0].len());
}

/// Not what any option takes.
fn values() -> Vec<Vec<u8>> {
    vec![
        "x".repeat(100_000).into_bytes(),
        "=".repeat(5000).into_bytes(),
        b"1\n[pycow] a line of its own".to_vec(),
        b"\x1b[31mred".to_vec(),
        b"%n%s%p".to_vec(),
        b"\xff\xfe".to_vec(),
        b"/r\xe9sum\xe9".to_vec(),
        "\u{1f40d} \u{202e}".into(),
        b" ; ".to_vec(),
    ]
}

#[test]
fn the_command_line() {
    for option in options() {
        for value in values() {
            // A switch without a value is on.
            let mut argument = format!("--{option}=").into_bytes();
            argument.extend(&value);
            println!("{}", argument[..argument.len().min(80)].escape_ascii());
            let argument = OsString::from_vec(argument);
            let uwsgi = match argument.to_str() {
                Some(_) => Some(pycow()),
                None => with_plain_arguments(),
            };
            let Some(uwsgi) = uwsgi else {
                skip("no uWSGI from PyPI");
                continue;
            };
            assert_refused(&uwsgi.arg(argument).run(), &option);
        }
    }
}

#[test]
fn an_ini_file() {
    let values = [&b"\xff\xfe"[..], b"/r\xe9sum\xe9", &[b'x'; 3000]];
    for option in options() {
        for value in values {
            let uwsgi = pycow();
            let file = uwsgi.dir().join("hostile.ini");
            let mut text = format!("[uwsgi]\n{option} = \t").into_bytes();
            text.extend(value);
            text.extend(b" \t\r\n");
            fs::write(&file, text).unwrap();
            let finished = uwsgi.arg("--ini").arg(file).run();
            assert_refused(&finished, &option);
        }
    }
}

#[test]
fn the_environment() {
    for option in options() {
        let name = format!("UWSGI_{}", option.to_uppercase().replace('-', "_"));
        let finished = pycow()
            .env(&name, OsString::from_vec(b"\xff\n%s".to_vec()))
            .run();
        assert_refused(&finished, &option);
    }
}

#[test]
fn the_environment_and_blanks_around_a_value_are_taken_too() {
    let uwsgi = pycow()
        .env("UWSGI_PYCOW_GC", "keep")
        .arg("--pycow-exit= full\t")
        .start();
    uwsgi.await_log(": gc keep, exit full");
}

/// Whoever may write to the text file's folder can put links there; none of them is followed.
#[test]
fn links_that_come_and_go_at_the_text_files_place_are_never_followed() {
    let uwsgi = pycow();
    let dir = uwsgi.dir().to_owned();
    let (file, victim) = (dir.join("metrics/pycow.prom"), dir.join("victim"));
    fs::create_dir(dir.join("metrics")).unwrap();
    fs::write(&victim, "precious").unwrap();
    let uwsgi = uwsgi
        .set("pycow-textfile", file.display())
        .set("pycow-sample", 1)
        .start();
    for _ in 0..3 {
        let link = dir.join("metrics/link");
        symlink(&victim, &link).unwrap();
        fs::rename(&link, &file).unwrap();
        // The master's next round puts a file in the link's place.
        until("file in the link's place", || {
            let found = fs::symlink_metadata(&file).unwrap();
            (!found.is_symlink()).then_some(())
        });
        assert!(fs::read_to_string(&file).unwrap().contains("uwsgi_worker_"));
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    let listing = Command::new("ls")
        .arg("-la")
        .arg(dir.join("metrics"))
        .output();
    let listing = String::from_utf8(listing.unwrap().stdout).unwrap();
    assert!(listing.contains("-rw-r--r--"), "{listing}");
    assert!(uwsgi.stop().status.success());
    assert!(!file.exists());
}
