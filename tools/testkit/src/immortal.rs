//! uWSGIs whose heap is to be immortal.

use crate::{host, skip, Host, Uwsgi};

/// Hosts whose CPython knows immortal objects; the running test is noted as skipped if there are none.
pub fn hosts() -> Vec<Host> {
    let able = host::hosts().into_iter();
    let able: Vec<Host> = able.filter(|host| host.python >= (3, 12)).collect();
    if able.is_empty() {
        skip("no CPython 3.12 or newer");
    }
    able
}

/// A uWSGI with pycow and `pycow-gc = immortal`.
pub fn uwsgi(host: &Host, app: &str) -> Uwsgi {
    println!("{}", host.name);
    let uwsgi = Uwsgi::on(host).app(app).with_pycow();
    uwsgi.set("pycow-gc", "immortal")
}
