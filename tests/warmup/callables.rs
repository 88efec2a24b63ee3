//! The callable is found as uWSGI finds it, in the interpreter where it lives.

use pycow_testkit::{default_host, hosts, Host, Instance, Uwsgi};

/// An application that tells how many warm-up requests it had, and under which SCRIPT_NAME.
const COUNTING: &str = r#"
class Counting:
    def __init__(self, name):
        self.name, self.warm = name, []
    def __call__(self, env, start):
        if env.get("pycow.warmup"):
            self.warm.append(env["SCRIPT_NAME"] + "|" + env["PATH_INFO"])
        start("200 OK", [("Content-Type", "text/plain")])
        return [("%s %s" % (self.name, self.warm)).encode()]

def create_app():
    return Counting("made")

def create_closure():
    app = Counting("closure")
    def inside(environ, start_response):
        return app(environ, start_response)
    return inside

application, other = Counting("application"), Counting("other")
"#;

fn start(host: &Host, options: &[(&str, &str)]) -> Instance {
    let uwsgi = Uwsgi::on(host)
        .file("app.py", COUNTING)
        .file("second.py", COUNTING)
        .file(
            "several.py",
            &format!("{COUNTING}\napplications = {{b'': application, b'/x': other}}\n"),
        )
        .with_pycow();
    options
        .iter()
        .fold(uwsgi, |uwsgi, (key, value)| uwsgi.set(key, value))
        .start()
}

#[test]
fn every_way_to_name_a_callable() {
    let ways: [(&[(&str, &str)], &str); 9] = [
        (&[("module", "app")], "application"),
        (&[("module", "app:other")], "other"),
        (&[("wsgi", "app"), ("callable", "other")], "other"),
        (&[("wsgi-file", "app.py")], "application"),
        (&[("file", "./app.py"), ("callable", "other")], "other"),
        (&[("mount", "/=app:other")], "other"),
        (&[("eval", "from app import other as application")], "other"),
        (&[("module", "app:create_app()")], "made"),
        (&[("module", "app:create_closure()")], "closure"),
    ];
    for (options, name) in ways {
        let mut options = options.to_vec();
        options.push(("pycow-warmup", "/page"));
        let uwsgi = start(&default_host(), &options);
        let answer = uwsgi.get("/").body;
        assert_eq!(
            answer,
            format!("{name} ['|/page', '|/page']"),
            "{options:?}"
        );
    }
}

#[test]
fn a_factory_is_found_out_everywhere() {
    for host in hosts() {
        println!("{}", host.name);
        let options = [("module", "app:create_app()"), ("pycow-warmup", "/page")];
        let uwsgi = start(&host, &options);
        assert_eq!(uwsgi.get("/").body, "made ['|/page', '|/page']");
    }
}

#[test]
fn a_module_of_several_applications() {
    let options = [
        ("module", "several"),
        ("manage-script-name", "true"),
        ("pycow-warmup", "/page"),
        ("pycow-warmup", "/x/page"),
    ];
    let uwsgi = start(&default_host(), &options);
    assert_eq!(uwsgi.get("/").body, "application ['|/page', '|/page']");
    assert_eq!(uwsgi.get("/x").body, "other ['/x|/page', '/x|/page']");
}

#[test]
fn mounts_are_warmed_in_their_own_interpreters() {
    for host in hosts() {
        println!("{}", host.name);
        let options = [
            ("wsgi-file", "app.py"),
            ("mount", "/second=second.py"),
            ("mount", "/third=second.py"),
            ("mount", "/fourth=app:other"),
            ("manage-script-name", "true"),
            ("pycow-warmup", "/"),
            ("pycow-warmup", "/second/a"),
            ("pycow-warmup", "/third/b"),
            ("pycow-warmup", "/fourth"),
            ("pycow-warmup", "/secondary"),
        ];
        let uwsgi = start(&host, &options);
        let here = |path| uwsgi.get(path).body;
        let main = "['|/', '|/', '|/secondary', '|/secondary']";
        assert_eq!(here("/"), format!("application {main}"));
        let second = "application ['/second|/a', '/second|/a']";
        assert_eq!(here("/second"), second);
        assert_eq!(here("/third"), "application ['/third|/b', '/third|/b']");
        assert_eq!(here("/fourth"), "other ['/fourth|', '/fourth|']");
        uwsgi.await_log("pycow-warmup: served 1 target of the mount /third in ");
    }
}

#[test]
fn mounts_that_share_one_interpreter() {
    let options = [
        ("mount", "/second=second:other"),
        ("mount", "/third=second:application"),
        ("single-interpreter", "true"),
        ("manage-script-name", "true"),
        ("pycow-warmup", "/second/a"),
        ("pycow-warmup", "/third/b"),
        ("pycow-warmup", "/nowhere"),
    ];
    let uwsgi = start(&default_host(), &options);
    assert_eq!(
        uwsgi.get("/second").body,
        "other ['/second|/a', '/second|/a']"
    );
    let third = "application ['/third|/b', '/third|/b']";
    assert_eq!(uwsgi.get("/third").body, third);
    uwsgi.await_log("[pycow] WARNING: pycow-warmup: /nowhere: no application is mounted there");
}

#[test]
fn an_application_that_cannot_be_told_is_said() {
    // Two candidates that only C holds: neither is guessed at.
    let hidden = "import ctypes\n\ndef create_pair():\n    first, second = create_app(), create_app()\n    \
                  for _ in range(2):\n        ctypes.pythonapi.Py_IncRef(ctypes.py_object(first))\n    \
                  return second\n";
    let uwsgi = Uwsgi::on(&default_host())
        .file("app.py", &format!("{COUNTING}\n{hidden}"))
        .with_pycow()
        .set("module", "app:create_pair()")
        .set("pycow-warmup", "/page")
        .start();
    assert_eq!(uwsgi.get("/").body, "made []");
    uwsgi.await_log(
        "[pycow] WARNING: pycow-warmup: no WSGI callable of uWSGI's is found: nothing is warmed",
    );
}
