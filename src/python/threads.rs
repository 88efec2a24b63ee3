//! Threads that Python code started.

use super::{interpreter::Gil, reference::PyErr};

/// How many there are in this interpreter, but for the caller. Where nobody has imported `threading`, nobody
/// has started one.
pub fn others(gil: &Gil<'_>) -> Result<usize, PyErr> {
    let Some(threading) = gil.imported(c"threading") else {
        return Ok(0);
    };
    let count = threading.call_method(c"active_count", &[])?.as_i64()?;
    Ok(usize::try_from(count - 1).unwrap_or(0))
}
