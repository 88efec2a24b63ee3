//! The running uWSGI: its functions, found by name, and what can be asked of it without its layout.

use std::{
    borrow::Cow,
    ffi::{c_char, c_int, c_void, CStr},
    mem,
    ptr::NonNull,
};

use super::{
    abi::{uwsgi_option, uwsgi_plugin, HEADER},
    header::{self, HeaderError},
    locks::Locks,
    python_plugin::PythonPlugin,
};
use crate::symbols::Symbols;

type PluginGet = unsafe extern "C" fn(*const c_char) -> *mut uwsgi_plugin;
type OptGet = unsafe extern "C" fn(*const c_char) -> *mut uwsgi_option;
type WorkerIsBusy = unsafe extern "C" fn(c_int) -> c_int;
type PluginsAtexit = unsafe extern "C" fn();
type GoodbyeCruelWorld = unsafe extern "C" fn();
type GetDotH = unsafe extern "C" fn() -> *mut c_char;

/// Why the running uWSGI cannot be used. Nothing was touched.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A function or a variable that pycow needs is not exported.
    #[error("this uWSGI does not export {}", .0.to_string_lossy())]
    Symbol(&'static CStr),
    /// A struct differs from the one that pycow was built with.
    #[error("this uWSGI is not of the 2.0 series: {0}")]
    Layout(#[from] HeaderError),
}

/// The functions of the running uWSGI. All of them stand in every 2.0.x.
pub struct Host {
    symbols: Symbols,
    /// Those of its threads.
    pub locks: Locks,
    /// Members of its `struct uwsgi_plugin`.
    plugin_members: usize,
    plugin_get: PluginGet,
    opt_get: OptGet,
    worker_is_busy: WorkerIsBusy,
    plugins_atexit: PluginsAtexit,
    goodbye_cruel_world: Option<GoodbyeCruelWorld>,
    masterpid: NonNull<libc::pid_t>,
}

// SAFETY: the functions may be called from any thread that uWSGI calls its plugins on, and
// `masterpid` is a variable of uWSGI that is written before the first fork only.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

impl Host {
    /// Looks up what pycow needs and compares the shared structs with the host's own header.
    pub fn open(symbols: Symbols) -> Result<Self, HostError> {
        let symbol = |name| symbols.address(name).ok_or(HostError::Symbol(name));
        let plugin_get = symbol(c"uwsgi_plugin_get")?;
        let opt_get = symbol(c"uwsgi_opt_get")?;
        let worker_is_busy = symbol(c"uwsgi_worker_is_busy")?;
        let plugins_atexit = symbol(c"uwsgi_plugins_atexit")?;
        let masterpid = symbol(c"masterpid")?;
        let goodbye = symbols.address(c"goodbye_cruel_world");
        symbol(c"uwsgi_log")?;
        let get_dot_h = symbol(c"uwsgi_get_dot_h")?;
        // SAFETY: core/uwsgi.c: char *uwsgi_get_dot_h().
        let get_dot_h = unsafe { mem::transmute::<NonNull<c_void>, GetDotH>(get_dot_h) };

        let header = own_header(symbols, get_dot_h);
        let plugin_members = header::compatible(HEADER, &header)?;

        // SAFETY: the signatures of uwsgi.h: struct uwsgi_plugin *uwsgi_plugin_get(const char *),
        // struct uwsgi_option *uwsgi_opt_get(char *), int uwsgi_worker_is_busy(int),
        // void uwsgi_plugins_atexit(void), void goodbye_cruel_world(void), pid_t masterpid. The structs were compared above.
        unsafe {
            Ok(Self {
                symbols,
                locks: Locks::of(symbols),
                plugin_members,
                plugin_get: mem::transmute::<NonNull<c_void>, PluginGet>(plugin_get),
                opt_get: mem::transmute::<NonNull<c_void>, OptGet>(opt_get),
                worker_is_busy: mem::transmute::<NonNull<c_void>, WorkerIsBusy>(worker_is_busy),
                plugins_atexit: mem::transmute::<NonNull<c_void>, PluginsAtexit>(plugins_atexit),
                goodbye_cruel_world: goodbye
                    .map(|found| mem::transmute::<NonNull<c_void>, GoodbyeCruelWorld>(found)),
                masterpid: masterpid.cast(),
            })
        }
    }

    /// A function that pycow can do without.
    pub(super) fn function(&self, name: &'static CStr) -> Result<NonNull<c_void>, HostError> {
        self.symbols.address(name).ok_or(HostError::Symbol(name))
    }

    /// An address inside of the object that uWSGI's own code is in.
    pub(super) fn own_code(&self) -> usize {
        self.plugin_get as usize
    }

    /// How many workers there are at most (`processes`).
    pub fn workers(&self) -> usize {
        usize::try_from(self.option(c"processes")).unwrap_or(0)
    }

    /// The live table of the Python plugin; Debian's plugins for python3 call themselves so, too.
    pub fn python_plugin(&self) -> Option<PythonPlugin> {
        // SAFETY: the name is NUL-terminated; uWSGI compares it with those of the loaded plugins.
        let table = NonNull::new(unsafe { (self.plugin_get)(c"python".as_ptr()) })?;
        Some(PythonPlugin {
            table,
            has_fork_hooks: self.plugin_members >= header::MEMBERS_WITH_FORK_HOOKS,
        })
    }

    /// The version, such as `2.0.31`: the datum of the option `--version`.
    pub fn version(&self) -> Cow<'static, str> {
        let data = self.option_data(c"version").cast::<c_char>();
        if data.is_null() {
            return "of an unknown version".into();
        }
        // SAFETY: core/uwsgi.c: the option's datum is the string constant UWSGI_VERSION.
        unsafe { CStr::from_ptr(data) }.to_string_lossy()
    }

    /// The instance has a master process.
    pub fn has_master(&self) -> bool {
        self.option(c"master") != 0
    }

    /// Every worker loads the applications by itself (`lazy-apps`, or the older `lazy`).
    pub fn lazy_apps(&self) -> bool {
        self.option(c"lazy-apps") != 0 || self.option(c"lazy") != 0
    }

    /// Threads of a worker that serve.
    pub fn threads(&self) -> c_int {
        self.option(c"threads")
    }

    /// Python threads run beside uWSGI (`enable-threads`, or more than one thread a worker).
    pub fn runs_threads(&self) -> bool {
        self.option(c"enable-threads") != 0 || self.threads() > 1
    }

    /// A loop engine other than uWSGI's own runs the workers (`loop`: gevent, asyncio ..).
    pub fn has_loop_engine(&self) -> bool {
        let data = self.option_data(c"loop").cast::<*const c_char>();
        // SAFETY: core/uwsgi.c: the datum of this option is the address of a `char *` of `uwsgi`.
        !data.is_null() && !unsafe { *data }.is_null()
    }

    /// This uWSGI was started by one that reloads itself: it counts how often (core/init.c).
    pub fn is_reload() -> bool {
        std::env::var("UWSGI_RELOADS").is_ok_and(|count| count != "0")
    }

    /// Seconds that a worker serves at least before uWSGI replaces it (core/uwsgi.c: 64 bits, of which
    /// the lower half is read).
    pub fn min_worker_lifetime(&self) -> u32 {
        u32::try_from(self.option(c"min-worker-lifetime")).unwrap_or(0)
    }

    /// All applications live in one interpreter.
    pub fn single_interpreter(&self) -> bool {
        self.option(c"single-interpreter") != 0
    }

    /// Several requests share a worker's thread: the option is 1 when async is off.
    pub fn is_async(&self) -> bool {
        self.option(c"async") > 1
    }

    /// The worker of that number (from 1) is inside a request; no worker's number: it is not.
    /// Async-signal-safe.
    pub fn is_worker_busy(&self, number: i32) -> bool {
        let is_one = usize::try_from(number).is_ok_and(|n| (1..=self.workers()).contains(&n));
        // SAFETY: core/master_checks.c: reads the worker's shared memory, which stands before any
        // process is a worker; there are that many.
        is_one && unsafe { (self.worker_is_busy)(number) != 0 }
    }

    /// Runs the `atexit` callback of every plugin, as uWSGI does when a worker leaves.
    pub fn run_plugins_atexit(&self) {
        // SAFETY: core/uwsgi.c: meant to be called once in a process that is about to exit.
        unsafe { (self.plugins_atexit)() }
    }

    /// [`Host::end_loops`] can do it.
    pub fn can_end_loops(&self) -> bool {
        self.goodbye_cruel_world.is_some()
    }

    /// Has the loops of this worker end after their requests, and then the worker, as after the last of
    /// `max-requests`. Who waits goes on to wait. The master gives it `worker-reload-mercy` from now on.
    pub fn end_loops(&self) {
        if let Some(goodbye) = self.goodbye_cruel_world {
            // SAFETY: core/uwsgi.c: changes what this worker has in shared memory, writes a line, and may
            // be called wherever `gracefully_kill`, a signal handler, may.
            unsafe { goodbye() }
        }
    }

    /// The process that started the instance: the master, or without one the first worker.
    pub fn master_pid(&self) -> libc::pid_t {
        // SAFETY: a variable of uWSGI (core/uwsgi.c), written before the first fork only.
        unsafe { *self.masterpid.as_ptr() }
    }

    /// The text that an option set last, by whatever alias; `None` where it was not set. To be asked
    /// only for options of one text, see [`Host::option_data`].
    pub fn text_option(&self, name: &'static CStr) -> Option<String> {
        let place = NonNull::new(self.option_data(name).cast::<*const c_char>())?;
        // SAFETY: core/utils.c, uwsgi_opt_set_str: the datum is the address of a `char *`.
        let text = NonNull::new(unsafe { *place.as_ptr() }.cast_mut())?;
        // SAFETY: a NUL-terminated text that lives as long as the configuration.
        let text = unsafe { CStr::from_ptr(text.as_ptr()) };
        Some(text.to_string_lossy().into_owned())
    }

    fn option(&self, name: &'static CStr) -> c_int {
        let data = self.option_data(name).cast::<c_int>();
        if data.is_null() {
            return 0;
        }
        // SAFETY: core/uwsgi.c: the datum of these options is the address of an int of `uwsgi`.
        unsafe { *data }
    }

    /// The datum of an option. To be asked only for options that every 2.0.x has: with `--strict`
    /// an unknown one ends the process.
    fn option_data(&self, name: &'static CStr) -> *mut c_void {
        // SAFETY: core/config.c: reads the name; the answer is NULL or a row that lives for good.
        let row = unsafe { (self.opt_get)(name.as_ptr()) };
        if row.is_null() {
            return std::ptr::null_mut();
        }
        // SAFETY: a row of the table whose layout was compared with the host's header.
        unsafe { (*row).data }
    }
}

/// The header that the running uWSGI was built from; empty if it cannot be read.
///
/// uWSGI keeps it in hexadecimal digits, packed by zlib if the build had it. Its own decoder takes
/// time in the square of the length, which shows when the text is not packed: then the digits are
/// read here.
fn own_header(symbols: Symbols, get_dot_h: GetDotH) -> String {
    const ZLIB: &[u8] = b"78";
    if let Some(digits) = header_digits(symbols) {
        if !digits.starts_with(ZLIB) {
            return from_hex(digits);
        }
    }
    // SAFETY: core/uwsgi.c: a NUL-terminated text, from malloc unless it is empty.
    let text = unsafe { get_dot_h() };
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as above.
    let header = unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned();
    if !header.is_empty() {
        // SAFETY: not empty, hence from malloc, and given to the caller.
        unsafe { libc::free(text.cast()) };
    }
    header
}

/// What the variable `char *uwsgi_dot_h` points to (written by uwsgiconfig.py).
fn header_digits(symbols: Symbols) -> Option<&'static [u8]> {
    let variable = symbols.address(c"uwsgi_dot_h")?.cast::<*const c_char>();
    // SAFETY: a pointer variable that is never written.
    let digits = NonNull::new(unsafe { *variable.as_ptr() }.cast_mut())?;
    // SAFETY: a string constant of the host.
    Some(unsafe { CStr::from_ptr(digits.as_ptr()) }.to_bytes())
}

fn from_hex(digits: &[u8]) -> String {
    let digit = |d: u8| char::from(d).to_digit(16).unwrap_or(0) as u8;
    let bytes = digits
        .chunks_exact(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]));
    String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::from_hex;

    #[test]
    fn digits_become_text() {
        assert_eq!(from_hex(b"7077"), "pw");
        assert_eq!(from_hex(b""), "");
    }
}
