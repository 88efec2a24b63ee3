//! Objects that show what they refer to by the buffer protocol (PEP 3118): arrays of numpy.

use std::{
    ffi::{c_char, c_int, c_void, CStr},
    ptr::{self, NonNull},
};

use pyo3_ffi::PyObject;

use super::{heap::Heap, interpreter::Gil, object::Ref};

/// `Py_buffer` (Include/pybuffer.h; part of the stable ABI since 3.11).
#[repr(C)]
struct Buffer {
    buf: *mut c_void,
    obj: *mut PyObject,
    len: isize,
    itemsize: isize,
    readonly: c_int,
    ndim: c_int,
    format: *mut c_char,
    shape: *mut isize,
    strides: *mut isize,
    suboffsets: *mut isize,
    internal: *mut c_void,
}

/// `PyBUF_FULL_RO`: any shape, with its format, to be read.
const FULL_RO: c_int = 0x11c;

/// What a buffer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Items {
    /// Each item is an object (format `O`), and was shown.
    Shown,
    /// Objects are among other things in its items, and were not shown.
    Unseen,
    /// Its items are not objects, or it shows none.
    Other,
}

impl<'gil> Heap<'gil> {
    /// Everything that the items of a buffer refer to.
    ///
    /// To be asked only of objects whose class shows its buffer without running Python code.
    pub fn each_in_buffer<E>(
        &self,
        gil: &Gil<'_>,
        object: Ref<'gil>,
        body: impl FnMut(Ref<'gil>) -> Result<(), E>,
    ) -> Result<Items, E> {
        struct View<'a, 'gil>(&'a Heap<'gil>, Buffer);
        impl Drop for View<'_, '_> {
            fn drop(&mut self) {
                // SAFETY: the GIL is held; a buffer that was given.
                unsafe { (self.0.api.PyBuffer_Release)((&raw mut self.1).cast()) };
            }
        }
        // SAFETY: all zero is a buffer that was not given.
        let mut buffer: Buffer = unsafe { std::mem::zeroed() };
        let given = (&raw mut buffer).cast();
        // SAFETY: the GIL is held; a live object. -1: an exception is set, and nothing was given.
        if unsafe { (self.api.PyObject_GetBuffer)(object.as_ptr(), given, FULL_RO) } != 0 {
            gil.raised(); // dates, for one, have no format
            return Ok(Items::Other);
        }
        let view = View(self, buffer);
        if view.1.format.is_null() || !view.1.suboffsets.is_null() {
            return Ok(Items::Other);
        }
        // SAFETY: a text that ends with NUL.
        let format = unsafe { CStr::from_ptr(view.1.format) }.to_bytes();
        if format == b"O" {
            // SAFETY: such a buffer was just given, and is not yet released.
            unsafe { each_item(&view.1, 0, view.1.buf.cast(), body)? };
            return Ok(Items::Shown);
        }
        Ok(match has_objects(format) {
            true => Items::Unseen,
            false => Items::Other,
        })
    }
}

/// `O` stands in the format of a record, and not in the name of a member (`:name:`).
fn has_objects(format: &[u8]) -> bool {
    let mut parts = format.split(|&byte| byte == b':').step_by(2);
    parts.any(|part| part.contains(&b'O'))
}

/// The items behind `start` in the dimensions from that one on. Gives the closure back.
///
/// # Safety
/// A buffer in use whose items are objects, with shape and strides and no suboffsets.
unsafe fn each_item<'gil, E, F: FnMut(Ref<'gil>) -> Result<(), E>>(
    buffer: &Buffer,
    dimension: usize,
    start: *mut u8,
    mut body: F,
) -> Result<F, E> {
    // SAFETY: the caller's promise; every address is that of an item, which is NULL or an object
    // that the buffer's owner holds. It need not be aligned.
    unsafe {
        if dimension >= usize::try_from(buffer.ndim).unwrap_or(0) {
            let item = ptr::read_unaligned(start.cast::<*mut PyObject>());
            if let Some(item) = NonNull::new(item) {
                body(Ref::new(item))?;
            }
            return Ok(body);
        }
        for index in 0..*buffer.shape.add(dimension) {
            let next = start.offset(index * *buffer.strides.add(dimension));
            body = each_item(buffer, dimension + 1, next, body)?;
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::has_objects;

    #[test]
    fn a_record_with_objects_is_told_from_a_name_with_their_letter() {
        assert!(has_objects(b"T{l:x:O:y:}") && has_objects(b"(2)O"));
        assert!(!has_objects(b"T{l:O:d:Other:}") && !has_objects(b"d"));
    }
}
