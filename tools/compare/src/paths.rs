//! Where things are: the checkout, and what `tools/testkit/setup --bench` left in `.hosts/`.

use std::path::PathBuf;

use pycow_testkit::{checkout, prepared};

/// CinderX for that CPython, if it is there.
pub fn cinderx((major, minor): (u8, u8)) -> PathBuf {
    prepared().join(format!("cinderx-{major}.{minor}"))
}

/// Django, for any CPython that can run it.
pub fn django() -> PathBuf {
    prepared().join("django")
}

/// Wagtail, for that CPython.
pub fn wagtail((major, minor): (u8, u8)) -> PathBuf {
    prepared().join(format!("wagtail-{major}.{minor}"))
}

/// Wagtail's start project, with its database.
pub fn wagtail_site() -> PathBuf {
    prepared().join("wagtail-site")
}

/// The bundled applications.
pub fn bundled() -> PathBuf {
    checkout().join("tools/compare/bundled")
}
