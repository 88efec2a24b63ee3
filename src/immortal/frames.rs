//! What frames hold while the heap is marked.
//!
//! Since CPython 3.14 a reference on a frame says itself whether it is counted, as of when it was
//! taken. One that was taken before the marking goes on to be counted: each copy of it that
//! leaves the frame would add one to the mark. So what such frames hold stays mortal. Frames are those of
//! suspended generators and coroutines, which show what they hold, and of running threads and suspended
//! greenlets, which are asked here. (What a thread has on its evaluation stack is not seen: it moves a mark once.)

use std::ffi::CStr;

use crate::python::{
    heap::Heap,
    interpreter::Gil,
    object::Ref,
    reference::{PyErr, PyRef},
};

/// Code and local variables of every frame of every thread and greenlet. Without CO_OPTIMIZED a frame's variables
/// are those of a module or a class.
const ASK: &CStr = c"
import gc, sys
def held():
    found, frames = [], list(sys._current_frames().values())
    greenlet = getattr(sys.modules.get('greenlet'), 'greenlet', None)
    if isinstance(greenlet, type):
        frames += [one.gr_frame for one in gc.get_objects() if issubclass(type(one), greenlet)]
    for frame in frames:
        while frame is not None:
            found.append(frame.f_code)
            if frame.f_code.co_flags & 1 and frame.f_code is not held.__code__:
                found += frame.f_locals.values()
            frame = frame.f_back
    return tuple(found)
";

/// Frames that count what they hold.
pub struct Frames<'gil> {
    of_stacks: Vec<PyRef<'gil>>,
    /// The classes whose objects are suspended frames.
    suspended: [PyRef<'gil>; 3],
}

impl<'gil> Frames<'gil> {
    /// Asks the interpreter.
    pub fn find(gil: &Gil<'gil>) -> Result<Self, PyErr> {
        let names = gil.dict()?;
        gil.import(c"builtins")?
            .call_method(c"exec", &[&gil.text(ASK)?, &names])?;
        let held = names.item(c"held").map(|held| held.call(&[]));
        let types = gil.import(c"types")?;
        Ok(Self {
            of_stacks: held.transpose()?.map_or(Vec::new(), |held| held.items()),
            suspended: [
                types.attribute(c"GeneratorType")?,
                types.attribute(c"CoroutineType")?,
                types.attribute(c"AsyncGeneratorType")?,
            ],
        })
    }

    /// What the frames of running threads and suspended greenlets hold.
    pub fn of_stacks(&self) -> impl Iterator<Item = Ref<'_>> {
        self.of_stacks.iter().map(PyRef::borrow)
    }

    /// The object is a suspended frame.
    pub fn is_one(&self, heap: &Heap<'_>, object: Ref<'_>) -> bool {
        let class = heap.class_of(object).as_object();
        self.suspended.iter().any(|one| one.borrow() == class)
    }
}
