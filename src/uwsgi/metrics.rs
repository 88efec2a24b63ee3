//! uWSGI's metrics: numbers that its own thread reads in place, once a second.
//!
//! core/metrics.c of every 2.0.x: the name and the OID are copied; without `enable-metrics` nothing
//! happens and the answer is NULL; what is registered after the metrics were set up is never read.

use std::{
    ffi::{c_char, c_void, CStr, CString},
    mem,
    ptr::{self, NonNull},
    sync::atomic::AtomicI64,
};

use super::host::{Host, HostError};

type Register = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    u8,
    *const c_char,
    *mut c_void,
    u32,
    *mut c_void,
) -> *mut c_void;

const REGISTER: &CStr = c"uwsgi_register_metric";
/// `UWSGI_METRIC_GAUGE`, uwsgi.h.
const GAUGE: u8 = 1;
/// The collector that reads an `int64_t` through a pointer.
const FROM_POINTER: &CStr = c"ptr";
/// 0 is taken for 1: every second.
const FREQUENCY: u32 = 0;

/// A number to be shown.
#[derive(Debug)]
pub struct Metric {
    /// Its name, such as `worker.3.shared_size`.
    pub name: String,
    /// Its number below uWSGI's own (1.3.6.1.4.1.35156.17).
    pub oid: String,
    /// Where it is: in memory that the master shares with whoever writes it.
    pub number: &'static AtomicI64,
}

/// Shows the metrics, if the instance has metrics at all. To be called before uWSGI sets them up: in
/// `init` or `post_init`.
pub fn register(host: &Host, metrics: impl Iterator<Item = Metric>) -> Result<(), HostError> {
    let register = host.function(REGISTER)?;
    // SAFETY: uwsgi.h, every 2.0.x: struct uwsgi_metric *uwsgi_register_metric(char *name, char *oid,
    // uint8_t type, char *collector, void *ptr, uint32_t freq, void *custom).
    let register = unsafe { mem::transmute::<NonNull<c_void>, Register>(register) };
    for metric in metrics {
        let (Ok(name), Ok(oid)) = (CString::new(metric.name), CString::new(metric.oid)) else {
            continue;
        };
        let number = ptr::from_ref(metric.number).cast_mut().cast::<c_void>();
        // SAFETY: name and OID are copied, the collector's name is compared; the number stays for good
        // and is only read, a whole aligned word at a time.
        let registered = unsafe {
            register(
                name.as_ptr(),
                oid.as_ptr(),
                GAUGE,
                FROM_POINTER.as_ptr(),
                number,
                FREQUENCY,
                ptr::null_mut(),
            )
        };
        if registered.is_null() {
            break;
        }
    }
    Ok(())
}
