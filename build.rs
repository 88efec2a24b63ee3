//! Turns `uwsgi-headers/` into Rust types and has the C compiler check their layout.

use std::{
    env,
    path::{Path, PathBuf},
};

fn main() {
    println!("cargo:rerun-if-changed=uwsgi-headers");

    cc::Build::new()
        .file("uwsgi-headers/layout.c")
        .cargo_metadata(false)
        .compile("pycow_layout");

    // Without a libclang of the system, setup leaves PyPI's here. Said here and not by make, so that
    // `cargo` and `make` build the same.
    let libclang = Path::new(".hosts/libclang/native");
    if env::var_os("LIBCLANG_PATH").is_none() && libclang.exists() {
        env::set_var("LIBCLANG_PATH", libclang);
    }

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    bindgen::Builder::default()
        .header("uwsgi-headers/plugin.h")
        .allowlist_type("uwsgi_plugin|uwsgi_option")
        .derive_debug(false)
        .layout_tests(false)
        .generate()
        .expect("bindgen reads uwsgi-headers/plugin.h (it needs libclang, see LIBCLANG_PATH)")
        .write_to_file(out.join("abi.rs"))
        .expect("OUT_DIR is writable");
}
