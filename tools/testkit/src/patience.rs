//! How long is too long.

use std::{env, sync::OnceLock, time::Duration};

/// A limit as it is on this machine: `$PYCOW_PATIENCE` times as long, where processors are emulated.
pub(crate) fn patient(limit: Duration) -> Duration {
    static TIMES: OnceLock<u32> = OnceLock::new();
    let times = TIMES.get_or_init(|| {
        let told = env::var("PYCOW_PATIENCE").ok();
        told.and_then(|told| told.parse().ok()).unwrap_or(1)
    });
    limit.saturating_mul(*times)
}
