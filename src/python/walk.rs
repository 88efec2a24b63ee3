//! The walk over objects: all that the collector knows, and all that one object refers to.

use std::{
    ffi::{c_int, c_void, CStr},
    ptr::{self, NonNull},
};

use pyo3_ffi::{traverseproc, PyObject};

use super::{
    api::OnObject,
    heap::Heap,
    interpreter::Gil,
    object::{Class, Ref, Slot},
};
use crate::guard::caught;

/// Shows what the objects of one class refer to: its `tp_traverse`.
#[derive(Clone, Copy)]
pub struct Traverse<'gil> {
    class: Class<'gil>,
    function: traverseproc,
}

/// A callback of pycow's panicked, which the log tells; the walk ended there.
#[derive(Clone, Copy, Debug)]
pub struct Panicked;

impl<'gil> Heap<'gil> {
    /// `tp_traverse` of a class.
    pub fn traverse_of<'a>(&self, class: Class<'a>) -> Option<Traverse<'a>> {
        let slot = self.slot(class, Slot::Traverse);
        // SAFETY: that slot holds NULL or a function of this type.
        let function = unsafe { std::mem::transmute::<*mut c_void, Option<traverseproc>>(slot) };
        function.map(|function| Traverse { class, function })
    }

    /// Keys and values of a dict. (`tp_traverse` leaves out keys that are strings.)
    pub fn each_item<E>(
        &self,
        dict: Ref<'gil>,
        mut body: impl FnMut(Ref<'gil>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut position, mut key, mut value) = (0, ptr::null_mut(), ptr::null_mut());
        // SAFETY: the GIL is held and nobody changes the dict meanwhile (see `hold`). It answers 0
        // for what is no dict.
        while unsafe { (self.api.PyDict_Next)(dict.as_ptr(), &mut position, &mut key, &mut value) }
            != 0
        {
            for item in [key, value].into_iter().filter_map(NonNull::new) {
                // SAFETY: the dict holds it.
                body(unsafe { Ref::new(item) })?;
            }
        }
        Ok(())
    }

    /// Everything that an object of this `traverse`'s class refers to.
    pub fn each_reference<'a, E: From<Panicked>>(
        &self,
        object: Ref<'a>,
        traverse: Traverse<'_>,
        body: impl FnMut(Ref<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.class_of(object) != traverse.class {
            return Ok(());
        }
        let mut call = Call::new(body);
        let argument = (&raw mut call).cast();
        // SAFETY: a live object and the function of its class; the callback takes the call.
        unsafe { (traverse.function)(object.as_ptr(), callback_for::<0, _, _>(&call), argument) };
        call.outcome
    }

    /// Every object that the collector of this interpreter knows.
    pub fn each_tracked<E: From<Panicked>>(
        &self,
        body: impl FnMut(Ref<'gil>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut call = Call::new(body);
        let argument = (&raw mut call).cast();
        // SAFETY: the GIL is held; the callback takes the call and allocates no Python object.
        unsafe { (self.api.PyUnstable_GC_VisitObjects)(callback_for::<1, _, _>(&call), argument) };
        call.outcome
    }

    /// What a code object holds. It has no `tp_traverse`, but its attributes are what it holds.
    pub fn each_part<E>(
        &self,
        gil: &Gil<'_>,
        code: Ref<'gil>,
        mut body: impl FnMut(Ref<'gil>) -> Result<(), E>,
    ) -> Result<(), E> {
        const HELD: [&CStr; 7] = [
            c"co_consts",
            c"co_names",
            c"co_linetable",
            c"co_exceptiontable",
            c"co_filename",
            c"co_name",
            c"co_qualname",
        ];
        if !self.is_code(self.class_of(code)) {
            return Ok(());
        }
        for name in HELD {
            // SAFETY: a live object.
            if let Ok(held) = unsafe { gil.attribute_of(code.as_ptr(), name) } {
                // SAFETY: the code object holds it, too.
                body(unsafe { Ref::new(NonNull::new_unchecked(held.as_ptr())) })?;
            }
        }
        Ok(())
    }
}

/// A Rust closure on its way through C.
struct Call<F, E> {
    body: F,
    outcome: Result<(), E>,
}

impl<'gil, F: FnMut(Ref<'gil>) -> Result<(), E>, E: From<Panicked>> Call<F, E> {
    fn new(body: F) -> Self {
        Self {
            body,
            outcome: Ok(()),
        }
    }

    /// Whether the walk goes on.
    ///
    /// # Safety
    /// `object` is alive; `call` is such a call, which nobody else uses meanwhile.
    unsafe fn run(object: *mut PyObject, call: *mut c_void) -> bool {
        // SAFETY: the caller's promise.
        let (object, call) = unsafe {
            let object = Ref::new(NonNull::new_unchecked(object));
            (object, &mut *call.cast::<Self>())
        };
        call.outcome = caught(Err(Panicked.into()), || (call.body)(object));
        call.outcome.is_ok()
    }
}

/// What C calls with each object of such a call; it answers `GO_ON`, or the other of 0 and 1 to end the
/// walk.
fn callback_for<'gil, const GO_ON: c_int, F, E>(_: &Call<F, E>) -> OnObject
where
    F: FnMut(Ref<'gil>) -> Result<(), E>,
    E: From<Panicked>,
{
    unsafe extern "C" fn callback<'gil, const GO_ON: c_int, F, E>(
        object: *mut PyObject,
        call: *mut c_void,
    ) -> c_int
    where
        F: FnMut(Ref<'gil>) -> Result<(), E>,
        E: From<Panicked>,
    {
        // SAFETY: an object that is tracked, or that another refers to, is alive; the call that the
        // walk was given.
        match unsafe { Call::<F, E>::run(object, call) } {
            true => GO_ON,
            false => 1 - GO_ON,
        }
    }
    callback::<GO_ON, F, E>
}
