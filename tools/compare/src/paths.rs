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

/// The bundled application.
pub fn shop() -> PathBuf {
    checkout().join("tools/compare/bundled")
}
