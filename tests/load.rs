//! One file loads into every uWSGI and every CPython, and into none that it does not know.

mod patched;

use std::{fs, process::Command};

use pycow_testkit::{
    default_host, host_of, hosts, plugin_path, skip, Finished, Flavour, Uwsgi, HELLO,
};

#[test]
fn it_loads_everywhere_before_and_after_python() {
    for host in hosts() {
        for first in [false, true] {
            println!("{} {first}", host.name);
            let uwsgi = Uwsgi::on(&host).app(HELLO).flag("strict");
            let uwsgi = if first {
                uwsgi.pycow_first()
            } else {
                uwsgi.with_pycow()
            };
            let uwsgi = uwsgi.set("processes", 2).start();
            assert_eq!(uwsgi.get("/").body, "hello");
            uwsgi.await_log("[pycow] froze ");
            let finished = uwsgi.stop();
            assert!(finished.status.success());
            assert_eq!(finished.log.matches("[pycow] worker ").count(), 2);
            assert!(!finished.log.contains("[pycow] ERROR"));
            assert!(!finished.log.contains("[pycow] WARNING"));
        }
    }
}

#[test]
fn it_loads_by_its_plain_name_from_a_folder_and_under_a_modifier() {
    let uwsgi = Uwsgi::on(&default_host()).app(HELLO);
    let dir = uwsgi.dir().join("plugins");
    fs::create_dir(&dir).unwrap();
    fs::copy(plugin_path(), dir.join("pycow_plugin.so")).unwrap();
    let uwsgi = uwsgi
        .set("plugins-dir", dir.display())
        .set("plugin", "12:pycow")
        .start();
    assert_eq!(uwsgi.get("/").body, "hello");
    uwsgi.await_log("[pycow] froze ");
}

#[test]
fn without_a_python_plugin_it_says_so_and_uwsgi_goes_on() {
    let Some(mut host) = host_of(Flavour::Debian) else {
        return skip("no Debian uWSGI");
    };
    host.python_plugin = None;
    let uwsgi = Uwsgi::on(&host).with_pycow().unset("need-app").start();
    uwsgi.await_log("[pycow] ERROR: no python plugin is loaded: pycow is off");
}

/// Starts a changed uWSGI with pycow, which must be off, say why in one line, and not be missed.
fn off_for_good(change: impl Fn(&mut Vec<u8>), reason: &str) {
    let Some(host) = host_of(Flavour::Pypi) else {
        return skip("no uWSGI from PyPI");
    };
    let changed = patched::copy_of(&host, change);
    // A wrong value is not looked at either: the option's rows may be of another layout.
    let uwsgi = Uwsgi::on(&changed.host)
        .app(HELLO)
        .with_pycow()
        .set("pycow-gc", "nonsense");
    let uwsgi = uwsgi.flag("strict").start();
    assert_eq!(uwsgi.get("/").body, "hello");
    let finished = uwsgi.stop();
    assert!(finished.status.success());
    assert_eq!(
        pycow_lines(&finished).len(),
        1,
        "{:?}",
        pycow_lines(&finished)
    );
    let line = pycow_lines(&finished)[0];
    assert!(line.starts_with("[pycow] ERROR: this uWSGI "), "{line}");
    assert!(line.contains(reason), "{line}");
    assert!(
        line.ends_with(": pycow is off, uWSGI goes on without it"),
        "{line}"
    );
}

fn pycow_lines(finished: &Finished) -> Vec<&str> {
    finished
        .log
        .lines()
        .filter(|line| line.contains("[pycow]"))
        .collect()
}

#[test]
fn a_changed_struct_turns_it_off() {
    off_for_good(
        |uwsgi| patched::edit_header(uwsgi, "void (*fixup) (void);", "int (*fixup) (void);"),
        "struct uwsgi_plugin has \"int(*fixup)(void)\" where \"void(*fixup)(void)\" is expected",
    );
    off_for_good(
        |uwsgi| patched::edit_header(uwsgi, "uint64_t flags;\n};", "uint32_t flags;\n};"),
        "struct uwsgi_option has \"uint32_t flags\"",
    );
}

#[test]
fn a_longer_table_does_not() {
    let Some(host) = host_of(Flavour::Pypi) else {
        return skip("no uWSGI from PyPI");
    };
    if !host.is_at_least((2, 0, 21)) {
        return skip("what pycow knows of the table is longer than this uWSGI's");
    }
    let end = "void (*post_uwsgi_fork) (int);";
    let changed = patched::copy_of(&host, |uwsgi| {
        patched::edit_header(uwsgi, end, "void (*post_uwsgi_fork) (int);int (*x)(void);");
    });
    let uwsgi = Uwsgi::on(&changed.host).app(HELLO).with_pycow().start();
    uwsgi.await_log("[pycow] froze ");
}

#[test]
fn an_unreadable_header_turns_it_off() {
    off_for_good(
        |uwsgi| {
            let start = patched::header_digits(uwsgi).start;
            uwsgi[start] = 0;
        },
        "its header has no struct uwsgi_option",
    );
}

#[test]
fn a_missing_function_turns_it_off() {
    off_for_good(
        |uwsgi| patched::rename_symbol(uwsgi, "uwsgi_opt_get"),
        "does not export uwsgi_opt_get",
    );
}

/// A host that calls another function in the place of `exit`: there is no slot to be had.
#[test]
fn without_a_slot_for_exit_the_hooks_run_in_its_handler() {
    const APP: &str = "
import atexit, os
atexit.register(os.write, 2, b'the hook runs\\n')
def application(env, start):
    start('200 OK', [])
    return []
";
    let Some(host) = host_of(Flavour::Pypi) else {
        return skip("no uWSGI from PyPI");
    };
    let changed = patched::copy_of(&host, |uwsgi| {
        patched::call_instead(uwsgi, "exit", "opt_exit");
    });
    let uwsgi = Uwsgi::on(&changed.host).app(APP).with_pycow();
    let source = "void exit(int); void opt_exit(int status) { exit(status); }";
    let uwsgi = uwsgi.file("leave.c", source);
    let library = uwsgi.dir().join("leave.so");
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &uwsgi.dir().join("leave.c")])
        .status();
    assert!(made.unwrap().success());
    let uwsgi = uwsgi.env("LD_PRELOAD", library).start();
    let line = uwsgi.await_log(" on uWSGI 2.0.");
    assert!(
        line.ends_with("; hooks run in uWSGI's exit handler"),
        "{line}"
    );
    let log = uwsgi.stop().log.clone();
    assert_eq!(log.matches("the hook runs\n").count(), 1, "{log}");
    assert!(log.contains(", hooks took "), "{log}");
}
