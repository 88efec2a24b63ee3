//! Backend of the `log` crate: every line goes through uWSGI's own log, prefixed `[pycow]`.
//!
//! Nothing here allocates or locks, so a line may be written in a process that was just forked or
//! that leaves from a signal handler.

use std::{
    ffi::{c_char, c_int, c_void, CStr},
    fmt::{self, Write as _},
    mem,
    ptr::NonNull,
    sync::OnceLock,
};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::symbols::Symbols;

/// `void uwsgi_log(const char *, ...)`, core/logging.c.
type UwsgiLog = unsafe extern "C" fn(*const c_char, ...);

/// Below uWSGI's own 4096 bytes, where it would begin to allocate.
const LONGEST_LINE: usize = 3500;

/// The text is an argument, never the format.
const FORMAT: &CStr = c"%.*s\n";

struct Backend;

static BACKEND: Backend = Backend;
static HOST: OnceLock<UwsgiLog> = OnceLock::new();

/// Sends what is logged to `uwsgi_log`, or to standard error where there is none. The log can be had
/// even of a uWSGI that is not usable.
pub fn install(symbols: Symbols) {
    if let Some(address) = symbols.address(c"uwsgi_log") {
        // SAFETY: core/logging.c: void uwsgi_log(const char *, ...), in every uWSGI.
        let function = unsafe { mem::transmute::<NonNull<c_void>, UwsgiLog>(address) };
        HOST.get_or_init(|| function);
    }
    // An error means that the backend is installed already: then there is nothing to do.
    if log::set_logger(&BACKEND).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

impl Log for Backend {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        let tag = match record.level() {
            Level::Error => "ERROR: ",
            Level::Warn => "WARNING: ",
            _ => "",
        };
        let mut line = Line::default();
        // A `Line` takes what fits and never fails.
        let _ = write!(line, "[pycow] {tag}{}", record.args());
        line.send();
    }

    fn flush(&self) {}
}

/// A line of text on the stack; what does not fit is cut.
struct Line {
    bytes: [u8; LONGEST_LINE],
    used: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            bytes: [0; LONGEST_LINE],
            used: 0,
        }
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = text.len().min(self.bytes.len() - self.used);
        self.bytes[self.used..self.used + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.used += fits;
        Ok(())
    }
}

impl Line {
    fn send(&self) {
        match HOST.get() {
            // SAFETY: the format takes an int and a pointer to that many bytes; both are given.
            Some(uwsgi_log) => unsafe {
                uwsgi_log(
                    FORMAT.as_ptr(),
                    self.used as c_int,
                    self.bytes.as_ptr().cast::<c_char>(),
                );
            },
            None => eprintln!("{}", String::from_utf8_lossy(&self.bytes[..self.used])),
        }
    }
}
