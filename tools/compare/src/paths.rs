//! Where things are: the checkout, and what `tools/testkit/setup --bench` left in `.hosts/`.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The checkout.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("the crate is two folders below the root")
        .to_path_buf()
}

/// What setup made.
pub fn hosts() -> PathBuf {
    env::var_os("PYCOW_HOSTS").map_or_else(|| root().join(".hosts"), PathBuf::from)
}

/// CinderX for that CPython, if it is there.
pub fn cinderx((major, minor): (u8, u8)) -> PathBuf {
    hosts().join(format!("cinderx-{major}.{minor}"))
}

/// Django, for any CPython that can run it.
pub fn django() -> PathBuf {
    hosts().join("django")
}

/// The bundled application.
pub fn shop() -> PathBuf {
    root().join("tools/compare/bundled")
}
