//! The configuration that uWSGI read, as its Python module shows it (plugins/python/python_plugin.c).

use super::{interpreter::Gil, reference::PyErr};

/// Every key of it, known to uWSGI or not, in its order. There from the moment on in which the Python
/// plugin makes its module, before applications load.
pub fn keys(gil: &Gil<'_>) -> Result<Vec<String>, PyErr> {
    let options = gil.import(c"uwsgi")?.attribute(c"opt")?;
    let lines = gil.text(c"\n")?.call_method(c"join", &[&options])?;
    let lines = lines.text().unwrap_or_default();
    Ok(lines.lines().map(str::to_owned).collect())
}
