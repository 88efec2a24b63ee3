//! Starts real uWSGI as a user would, and watches it from outside.
//!
//! ```no_run
//! use pycow_testkit::{default_host, Uwsgi, HELLO};
//!
//! let uwsgi = Uwsgi::on(&default_host())
//!     .app(HELLO)
//!     .set("processes", 2)
//!     .with_pycow()
//!     .start();
//! assert_eq!(uwsgi.get("/").body, "hello");
//! assert!(uwsgi.stop().status.success());
//! ```
//!
//! Every wait has a deadline and is woken by what it waits for. A test that
//! panics prints the ini and uWSGI's log, and leaves no process behind.

mod host;
pub mod http;
pub mod immortal;
mod instance;
mod library;
mod lines;
pub mod load;
mod log;
mod patience;
mod port;
pub mod proc;
mod process;
pub mod reporting;
pub mod signal;
mod skip;
pub mod supported;
mod until;
mod uwsgi;
mod watchdog;

pub use host::{
    checkout, default_host, host_of, hosts, one_of_each, plugin_path, prepared, Flavour, Host,
};
pub use http::Response;
pub use instance::{Finished, Instance};
pub use library::compile_library;
pub use port::{silent_server, Port};
pub use process::is_root;
pub use skip::skip;
pub use until::{until, until_within};
pub use uwsgi::Uwsgi;

/// Whether the measures are to be taken at full length (`make soak` sets `PYCOW_LONG`).
pub fn is_long() -> bool {
    std::env::var_os("PYCOW_LONG").is_some()
}

/// How often to try: seconds of it in `make test`, as often as it takes in `make soak`.
pub fn times(short: usize, long: usize) -> usize {
    if is_long() {
        long
    } else {
        short
    }
}

/// The smallest application: it answers `hello`.
pub const HELLO: &str =
    "def application(env, start):\n    start('200 OK', [])\n    return [b'hello']\n";
