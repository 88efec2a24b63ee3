//! The proof that this interpreter keeps and marks counts where they are looked for.

use std::ffi::c_void;

use pyo3_ffi::PyObject;

use super::Unable;
use crate::python::{heap::Heap, interpreter::Gil, reference::PyRef};

/// Runs in the interpreter that is to be proven. `churn` takes and drops a million references.
const PROOF: &std::ffi::CStr = c"
import weakref
class Probe: pass
target, callback = Probe(), lambda reference: None
reference = weakref.ref(target, callback)
subject = Probe()
def churn(o):
    for _ in range(125_000):
        a = o; b = (o, o); c = [a, o]; d = {o: o}
        del a, b, c, d
";

/// Proves that this interpreter keeps counts, types and weak references where they are looked for,
/// and that it leaves a marked count alone. Answers the `tp_traverse` of Python classes.
pub fn prove(gil: &Gil<'_>, heap: &Heap) -> Result<*mut c_void, Unable> {
    let names = gil.dict()?;
    let builtins = gil.import(c"builtins")?;
    builtins.call_method(c"exec", &[&gil.text(PROOF)?, &names])?;
    let name = |name| names.item(name).ok_or(Unable::Proof("its names are gone"));
    let (probe, subject, churn) = (name(c"Probe")?, name(c"subject")?, name(c"churn")?);

    // SAFETY: live objects, held by `names`; the GIL is held. Only words within an object's head,
    // which every object has, and within a weak reference's, are read.
    unsafe {
        let (target, callback) = (name(c"target")?, name(c"callback")?);
        let reference = name(c"reference")?;
        if heap.class_of(subject.as_ptr()) != probe.as_ptr() {
            return Err(Unable::Proof(
                "an object's class is not where it is looked for",
            ));
        }
        if heap.weak_reference(reference.as_ptr()) != (target.as_ptr(), callback.as_ptr()) {
            return Err(Unable::Proof("a weak reference does not look as expected"));
        }
        counts(&subject, heap)?;
        heap.mark(subject.as_ptr());
        let before = heap.word(subject.as_ptr());
        churn.call(&[&subject])?;
        if heap.word(subject.as_ptr()) != before {
            return Err(Unable::Proof(
                "the interpreter counts references to a marked object",
            ));
        }
        if heap.agrees(subject.as_ptr()) == Some(false) {
            return Err(Unable::Proof(
                "the interpreter says that a marked object is mortal",
            ));
        }
        Ok(heap.traverse_slot(probe.as_ptr()))
    }
}

/// One more reference is one more in the low half of the word.
///
/// # Safety
/// As for [`Heap::word`].
unsafe fn counts(subject: &PyRef<'_>, heap: &Heap) -> Result<(), Unable> {
    // SAFETY: the caller's promise.
    let count = |object: *mut PyObject| unsafe { heap.word(object) as u32 };
    let before = count(subject.as_ptr());
    let another = subject.another();
    let after = count(another.as_ptr());
    if after == before + 1 {
        Ok(())
    } else {
        Err(Unable::Proof(
            "an object's count is not where it is looked for",
        ))
    }
}
