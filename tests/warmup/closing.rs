//! What warming opened is closed again, or named.

use pycow_testkit::{default_host, prepared, silent_server, skip, Uwsgi};

#[test]
fn what_stays_open_is_named() {
    let app = r#"
import os, select, socket
kept = []
def application(env, start):
    if env.get("pycow.warmup") and not kept:
        kept.append(socket.create_connection(("127.0.0.1", PORT)))
        kept.append(select.epoll())
        kept.append(open("data.txt", "w"))
        kept.append(open("log.txt", "a"))
        kept.append(open("app.py"))
        kept.append(open("/dev/null"))
        kept.append(os.pipe())
        kept.append(socket.socket())
        kept.append(socket.create_server(("127.0.0.1", 0)))
    start("200 OK", [])
    return [b"served"]
"#;
    let port = silent_server();
    let uwsgi = Uwsgi::on(&default_host())
        .app(&app.replace("PORT", &port.to_string()))
        .with_pycow()
        .set("pycow-warmup", "/")
        .start();
    assert_eq!(uwsgi.get("/").body, "served");
    let log = uwsgi.log();
    let named: Vec<&str> = log
        .lines()
        .filter_map(|line| line.strip_prefix("[pycow] WARNING: "))
        .collect();
    let data = uwsgi.dir().join("data.txt").display().to_string();
    let expected = [
        format!("a connection to 127.0.0.1:{port}"),
        "an epoll descriptor".into(),
        format!("the file {data}, open for writing"),
        "a pipe".into(),
        "a pipe".into(),
    ];
    assert_eq!(named.len(), expected.len(), "{named:#?}");
    for (line, what) in named.iter().zip(expected) {
        assert!(line.contains(&what), "{what}: {line}");
    }
}

#[test]
fn djangos_connections_are_closed() {
    if default_host().python < (3, 10) {
        return skip("this Django wants CPython 3.10");
    }
    let app = r#"
import os, sys
from django.conf import settings
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3"}},
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="none", DEBUG=False)
import django
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.urls import path

def view(request):
    with connection.cursor() as cursor:
        cursor.execute("select 42")
        return HttpResponse("%d" % cursor.fetchone()[0])

urlpatterns = [path("", view)]
settings.DATABASES["default"]["CONN_MAX_AGE"] = None
application = get_wsgi_application()
"#;
    let uwsgi = Uwsgi::on(&default_host())
        .app(app)
        .set("pythonpath", prepared().join("django").display())
        .with_pycow()
        .set("pycow-warmup", "/")
        .start();
    uwsgi.await_log(": 2 of 200");
    let open = |pid: i32| {
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        files
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.to_string_lossy().contains("site.sqlite3"))
            .count()
    };
    assert_eq!(open(uwsgi.pid()), 0);
    assert_eq!(uwsgi.get("/").body, "42");
    assert_eq!(open(uwsgi.workers()[0]), 1, "the connection is kept there");
    assert!(!uwsgi.log().contains("WARNING: pycow"));
}
