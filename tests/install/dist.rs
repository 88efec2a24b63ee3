//! What `make dist` left.

use std::{
    fs,
    path::{Path, PathBuf},
};

use pycow_testkit::checkout;

/// `target/dist`.
pub fn folder() -> PathBuf {
    checkout().join("target/dist")
}

/// The one file there whose name ends so.
pub fn artefact(ending: &str) -> PathBuf {
    let files =
        fs::read_dir(folder()).unwrap_or_else(|error| panic!("make dist comes first: {error}"));
    let mut found: Vec<PathBuf> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    assert_eq!(
        found.len(),
        1,
        "files that end in {ending}: {found:?}: make dist comes first"
    );
    found.swap_remove(0)
}

/// A Django application in one file, as `mysite/wsgi.py` of that folder.
pub fn write_site(folder: &Path) {
    let site = folder.join("mysite");
    fs::create_dir_all(&site).unwrap();
    fs::write(site.join("__init__.py"), "").unwrap();
    fs::write(site.join("wsgi.py"), SITE).unwrap();
}

/// What it answers.
pub const ANSWER: &str = "Django serves";

const SITE: &str = r#"
import atexit
from django.conf import settings
settings.configure(SECRET_KEY="secret", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__)
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("Django serves"))]
application = get_wsgi_application()
atexit.register(print, "a hook of the application ran", flush=True)
"#;
