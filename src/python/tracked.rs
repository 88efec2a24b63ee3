//! Objects that the collector knows, held: some of what was frozen can go back to it.

use super::{heap::Heap, interpreter::Gil, object::Ref, reference::PyRef};

/// An owned reference to an object that the collector knows.
pub struct Tracked<'gil>(PyRef<'gil>);

impl Heap<'_> {
    /// The object, held; `None` if the collector does not know it.
    pub fn hold_tracked<'a>(&self, gil: &Gil<'a>, object: Ref<'_>) -> Option<Tracked<'a>> {
        let held = gil.borrowed(object.as_ptr())?;
        self.is_tracked(object).then_some(Tracked(held))
    }
}

impl Tracked<'_> {
    /// Where it lies.
    pub fn address(&self) -> usize {
        self.0.borrow().address()
    }

    /// Whether it was frozen or old, it is young from now on.
    pub fn track_anew(&self) {
        let (api, object) = (self.0.gil().api, self.0.as_ptr().cast());
        // SAFETY: the GIL is held; a live object that was tracked, so that it can be.
        unsafe {
            (api.PyObject_GC_UnTrack)(object);
            (api.PyObject_GC_Track)(object);
        }
    }
}
