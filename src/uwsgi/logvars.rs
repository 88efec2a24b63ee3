//! Variables of `log-format`.
//!
//! uWSGI calls them after each request, on the thread that served it (core/logging.c, `uwsgi_logit_lf`);
//! the text is malloc'ed, as uWSGI's own `%(rss)` is, and freed by uWSGI. Where there is no value it
//! writes `-`.

use std::{
    ffi::{c_char, c_int, c_void, CStr},
    fmt::{self, Write},
    mem, ptr,
    ptr::NonNull,
    sync::OnceLock,
};

use super::{
    abi::wsgi_request,
    host::{Host, HostError},
};
use crate::guard::guard;

type Chunk = unsafe extern "C" fn(*mut wsgi_request, *mut *mut c_char) -> isize;
type Register = unsafe extern "C" fn(*const c_char, Chunk, c_int) -> *mut c_void;

const REGISTER: &CStr = c"uwsgi_register_logchunk";
const NEED_FREE: c_int = 1;

/// What a variable tells of the process that served the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// `%(pycow.shared)` and `%(pycow.sharedM)`
    Shared,
    /// `%(pycow.private)` and `%(pycow.privateM)`
    Private,
    /// `%(pycow.pss)` and `%(pycow.pssM)`
    Pss,
}

/// Answers a variable in bytes; `None` where it was not measured. Runs after every request.
pub type Value = fn(Variable) -> Option<u64>;

static VALUE: OnceLock<Value> = OnceLock::new();

const SHARED: u8 = 0;
const PRIVATE: u8 = 1;
const PSS: u8 = 2;
const BYTES: u32 = 0;
/// 1024 * 1024, as uWSGI's own `%(rssM)`.
const MEGABYTES: u32 = 20;

/// uWSGI keeps the names: they live for good.
const CHUNKS: [(&CStr, Chunk); 6] = [
    (c"pycow.shared", chunk::<SHARED, BYTES>),
    (c"pycow.sharedM", chunk::<SHARED, MEGABYTES>),
    (c"pycow.private", chunk::<PRIVATE, BYTES>),
    (c"pycow.privateM", chunk::<PRIVATE, MEGABYTES>),
    (c"pycow.pss", chunk::<PSS, BYTES>),
    (c"pycow.pssM", chunk::<PSS, MEGABYTES>),
];

/// Makes the variables known. To be called before uWSGI reads `log-format`: in `init` or `post_init`.
pub fn register(host: &Host, value: Value) -> Result<(), HostError> {
    let register = host.function(REGISTER)?;
    // SAFETY: uwsgi.h, every 2.0.x: struct uwsgi_logchunk *uwsgi_register_logchunk(char *name,
    // ssize_t (*)(struct wsgi_request *, char **), int need_free).
    let register = unsafe { mem::transmute::<NonNull<c_void>, Register>(register) };
    VALUE.get_or_init(|| value);
    for (name, chunk) in CHUNKS {
        // SAFETY: name and function live as long as this plugin, which uWSGI never unloads.
        unsafe { register(name.as_ptr(), chunk, NEED_FREE) };
    }
    Ok(())
}

unsafe extern "C" fn chunk<const VARIABLE: u8, const SHIFT: u32>(
    _request: *mut wsgi_request,
    text: *mut *mut c_char,
) -> isize {
    guard(0, || {
        let variable = match VARIABLE {
            SHARED => Variable::Shared,
            PRIVATE => Variable::Private,
            _ => Variable::Pss,
        };
        let Some(value) = VALUE.get().and_then(|value| value(variable)) else {
            return 0;
        };
        let mut digits = Digits::default();
        // 20 digits hold every u64.
        let _ = write!(digits, "{}", value >> SHIFT);
        // SAFETY: uWSGI gave a place for a pointer, and frees what it finds there.
        unsafe { give(digits.text(), text) }
    })
}

/// Puts a copy of `text` that free(3) takes into `place`; answers its length.
///
/// # Safety
/// `place` is writable; whoever reads it frees what it finds if the length is not 0.
pub(super) unsafe fn give(text: &[u8], place: *mut *mut c_char) -> isize {
    // SAFETY: malloc(3) of at least one byte, written to within its length.
    unsafe {
        let copy = libc::malloc(text.len().max(1)).cast::<u8>();
        if copy.is_null() {
            return 0;
        }
        ptr::copy_nonoverlapping(text.as_ptr(), copy, text.len());
        *place = copy.cast();
    }
    text.len() as isize
}

/// A number as text, on the stack.
#[derive(Default)]
struct Digits {
    bytes: [u8; 20],
    used: usize,
}

impl Digits {
    fn text(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

impl Write for Digits {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let free = self.bytes.get_mut(self.used..self.used + text.len());
        free.ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.used += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What uWSGI gets.
    fn asked(chunk: Chunk) -> String {
        let mut text = ptr::null_mut::<c_char>();
        // SAFETY: as uWSGI calls it; the request is not looked at.
        let length = unsafe { chunk(ptr::null_mut(), &mut text) };
        if length == 0 {
            return "-".into();
        }
        // SAFETY: the text has that length and is freed once.
        unsafe {
            let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length as usize).to_vec();
            libc::free(text.cast());
            String::from_utf8(bytes).unwrap()
        }
    }

    #[test]
    fn a_variable_is_digits_or_nothing() {
        assert_eq!(asked(CHUNKS[0].1), "-");
        VALUE.get_or_init(|| {
            |variable| match variable {
                Variable::Shared => Some(u64::MAX),
                Variable::Private => Some(5 << 20 | 1),
                Variable::Pss => None,
            }
        });
        let all: Vec<String> = CHUNKS.iter().map(|(_, chunk)| asked(*chunk)).collect();
        let most = u64::MAX.to_string();
        assert_eq!(all, [&most, "17592186044415", "5242881", "5", "-", "-"]);
    }
}
