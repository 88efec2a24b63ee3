//! The proof that this interpreter keeps and marks counts where they are looked for.

use std::ffi::c_void;

use super::Unable;
use crate::python::{
    heap::{Heap, Slot},
    interpreter::Gil,
    reference::PyRef,
};

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

/// Proves that this interpreter keeps counts, classes and weak references where they are looked for,
/// and that it leaves a marked count alone. Answers the `tp_traverse` of Python classes.
pub fn prove(gil: &Gil<'_>, heap: &Heap<'_>) -> Result<*mut c_void, Unable> {
    let names = gil.dict()?;
    let builtins = gil.import(c"builtins")?;
    builtins.call_method(c"exec", &[&gil.text(PROOF)?, &names])?;
    let name = |name| names.item(name).ok_or(Unable::Proof("its names are gone"));
    let (probe, subject, churn) = (name(c"Probe")?, name(c"subject")?, name(c"churn")?);
    let (target, reference) = (name(c"target")?, name(c"reference")?);
    let class = heap.class_of(subject.borrow());
    if class.as_object() != probe.borrow() {
        return Err(Unable::Proof(
            "an object's class is not where it is looked for",
        ));
    }
    if heap.awaited(reference.borrow()) != Some(target.borrow()) {
        return Err(Unable::Proof("a weak reference does not look as expected"));
    }
    counts(&subject, heap)?;
    heap.mark(subject.borrow());
    let before = heap.word(subject.borrow());
    churn.call(&[&subject])?;
    if heap.word(subject.borrow()) != before {
        return Err(Unable::Proof(
            "the interpreter counts references to a marked object",
        ));
    }
    if heap.agrees(subject.borrow()) == Some(false) {
        return Err(Unable::Proof(
            "the interpreter says that a marked object is mortal",
        ));
    }
    Ok(heap.slot(class, Slot::Traverse))
}

/// One more reference is one more in the low half of the word.
fn counts(subject: &PyRef<'_>, heap: &Heap<'_>) -> Result<(), Unable> {
    let before = heap.count(subject.borrow());
    let _another = subject.another();
    if heap.count(subject.borrow()) == before + 1 {
        Ok(())
    } else {
        Err(Unable::Proof(
            "an object's count is not where it is looked for",
        ))
    }
}
