//! uWSGI's own way to build a plugin, from a checkout.

use std::{fs, process::Command};

use pycow_testkit::{checkout, host_of, skip, Flavour, Uwsgi, HELLO};

#[test]
fn uwsgi_builds_a_plugin_that_it_loads() {
    for flavour in [Flavour::Pyuwsgi, Flavour::Pypi, Flavour::Debian] {
        let Some(host) = host_of(flavour) else {
            skip(&format!("no {flavour:?}"));
            continue;
        };
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(&host.uwsgi)
            .arg("--build-plugin")
            .arg(checkout())
            .env("PYTHON", "python3")
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(
            said.contains("pycow plugin built and available in pycow_plugin.so"),
            "{said}"
        );

        let built = folder.path().join("pycow_plugin.so");
        assert!(
            fs::metadata(&built).unwrap().len() > 100_000,
            "it is what cargo built"
        );
        let uwsgi = Uwsgi::on(&host)
            .app(HELLO)
            .set("need-plugin", built.display());
        let uwsgi = uwsgi.flag("strict").set("pycow-gc", "freeze").start();
        assert_eq!(uwsgi.get("/").body, "hello");
        uwsgi.await_log("[pycow] froze ");
    }
}
