//! Applications of real frameworks, however uWSGI comes by them, in a heap that is full of functions
//! and objects which could be one.

use pycow_testkit::{default_host, prepared, skip, Uwsgi};

/// Each answers with its framework's name and the paths that it was warmed with.
const MADE: &str = r#"
warm = []

def note(name, environ):
    if "pycow.warmup" in environ:
        warm.append(environ["PATH_INFO"])
    return "%s %s" % (name, warm)

def pyramid(global_config, **settings):
    from pyramid.config import Configurator
    from pyramid.response import Response

    with Configurator(settings=settings) as config:
        config.add_route("any", "/*rest")
        config.add_view(lambda request: Response(note("pyramid", request.environ)), route_name="any")
        return config.make_wsgi_app()

def wrapping(global_config):
    def wrap(app):
        def wrapped(environ, start_response):
            return app(environ, start_response)
        return wrapped
    return wrap

def flask():
    from flask import Flask, request

    app = Flask("made")
    app.add_url_rule("/<path:rest>", view_func=lambda rest: note("flask", request.environ), endpoint="any")
    return app

def middleware():
    return flask().wsgi_app

def lazily():
    return named

named = flask()
"#;

/// For PasteDeploy: an application alone, and behind a filter.
const ALONE: &str = "[app:main]\nuse = call:made:pyramid\n";
const BEHIND: &str =
    "[pipeline:main]\npipeline = filter app\n[filter:filter]\nuse = call:made:wrapping\n\
                      [app:app]\nuse = call:made:pyramid\n";

const PECAN: &str = "app = {'root': 'pecan_site.Root', 'modules': ['pecan_site']}\n";
const PECAN_SITE: &str = "import made, pecan

class Root:
    @pecan.expose()
    def _default(self, *rest):
        return made.note('pecan', pecan.request.environ)
";
const PECAN_APP: &str = "from pecan import make_app

def setup_app(config):
    return make_app(config.app.root)
";

#[test]
fn applications_of_real_frameworks_are_found() {
    let host = default_host();
    let (major, minor) = host.python;
    let frameworks = prepared().join(format!("frameworks-{major}.{minor}"));
    if !frameworks.join(".stamp").exists() {
        return skip("no frameworks");
    }
    let ways: [(&[(&str, &str)], &str); 9] = [
        (&[("module", "made:named")], "flask"),
        (&[("wsgi-file", "made.py"), ("callable", "named")], "flask"),
        (&[("module", "made:flask()")], "flask"),
        (&[("module", "made:middleware()")], "flask"),
        (&[("module", "made:lazily()")], "flask"),
        (&[("ini-paste", "alone.ini")], "pyramid"),
        (&[("ini-paste", "behind.ini")], "pyramid"),
        (&[("mount", "/=config:alone.ini")], "pyramid"),
        (&[("pecan", "pecan_config.py")], "pecan"),
    ];
    for (options, name) in ways {
        let uwsgi = Uwsgi::on(&host)
            .file("made.py", MADE)
            .file("alone.ini", ALONE)
            .file("behind.ini", BEHIND)
            .file("pecan_config.py", PECAN);
        let site = uwsgi.dir().join("pecan_site");
        std::fs::create_dir(&site).expect("a folder");
        let uwsgi = uwsgi
            .file("pecan_site/__init__.py", PECAN_SITE)
            .file("pecan_site/app.py", PECAN_APP)
            .set("pythonpath", frameworks.display())
            .set("pycow-warmup", "/page")
            .with_pycow();
        let folder = uwsgi.dir().display().to_string();
        let uwsgi = options.iter().fold(uwsgi, |uwsgi, (key, value)| {
            // PasteDeploy wants to know where its file is.
            let value = value.replace("config:", &format!("config:{folder}/"));
            uwsgi.set(key, value)
        });
        let uwsgi = uwsgi.set("pythonpath", folder).start();
        let answer = uwsgi.get("/now").body;
        assert_eq!(answer, format!("{name} ['/page', '/page']"), "{options:?}");
        uwsgi.await_log(" s: 2 of 200");
    }
}
