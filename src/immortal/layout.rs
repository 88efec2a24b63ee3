//! The proof that this interpreter keeps and marks counts where they are looked for.

use std::ffi::CStr;

use super::{classify::PythonSlots, Stopped, Unable};
use crate::python::{code::Bytecode, heap::Heap, interpreter::Gil, object::Slot, reference::PyRef};

/// Runs in the interpreter that is to be proven. `churn` takes and drops over a million references in
/// the ways that the interpreter has for it, with code that ran before anything was marked.
const PROOF: &CStr = c"
import weakref
class Probe:
    def __init__(self): self.part = [self.__class__.__name__]
    def itself(self): return self
target, callback = Probe(), lambda reference: None
reference = weakref.ref(target, callback)
subject, part = Probe(), None
part = subject.part
def constant(): return 'a constant of pycow', 6.25
def suspended(o):
    kept = o
    while True: yield kept, o.part, constant()
suspension = suspended(target)
next(suspension)
def churn(o, times=125_000):
    generator = suspended(o)
    for _ in range(times):
        a = o; b = (o, o); c = [a, o]; d = {o: o}; e = o.part; f = [constant(), o.itself()]; g = next(generator)
        del a, b, c, d, e, f, g
churn(target, 500)
";

/// What was proven.
pub struct Proof {
    /// The slots of classes written in Python.
    pub slots: PythonSlots,
    /// Where instructions have to be replaced, too.
    pub bytecode: Option<Bytecode>,
}

/// Proves that this interpreter keeps counts, classes and weak references where they are looked for,
/// and that it leaves a marked count alone.
pub fn prove(gil: &Gil<'_>, heap: &Heap<'_>) -> Result<Proof, Unable> {
    let bytecode = Bytecode::ask(gil, heap)?;
    let names = gil.dict()?;
    let builtins = gil.import(c"builtins")?;
    builtins.call_method(c"exec", &[&gil.text(PROOF)?, &names])?;
    let name = |name| names.item(name).ok_or(Unable::Proof("its names are gone"));
    let (probe, subject) = (name(c"Probe")?, name(c"subject")?);
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
    shows_its_frame(heap, &name(c"suspension")?, &target)?;
    counts(&subject, heap)?;

    let marked = [
        subject.another(),
        name(c"part")?,
        name(c"constant")?.call(&[])?,
    ];
    for object in &marked {
        heap.mark(object.borrow());
    }
    if let Some(bytecode) = &bytecode {
        let code = name(c"constant")?.attribute(c"__code__")?;
        bytecode.trust_marks(gil, heap, code.borrow())?;
    }
    let words = || marked.each_ref().map(|object| heap.word(object.borrow()));
    let before = words();
    name(c"churn")?.call(&[&subject])?;
    if words() != before {
        return Err(Unable::Proof(
            "the interpreter counts references to a marked object",
        ));
    }
    if heap.agrees(subject.borrow()) == Some(false) {
        return Err(Unable::Proof(
            "the interpreter says that a marked object is mortal",
        ));
    }
    Ok(Proof {
        slots: PythonSlots {
            traverse: heap.slot(class, Slot::Traverse),
            dealloc: heap.slot(class, Slot::Dealloc),
        },
        bytecode,
    })
}

/// A suspended generator shows what its frame holds.
fn shows_its_frame(heap: &Heap<'_>, generator: &PyRef<'_>, held: &PyRef<'_>) -> Result<(), Unable> {
    let mut seen = false;
    if let Some(traverse) = heap.traverse_of(heap.class_of(generator.borrow())) {
        heap.each_reference(generator.borrow(), traverse, |object| {
            seen |= object == held.borrow();
            Ok::<_, Stopped>(())
        })?;
    }
    let unseen = Unable::Proof("a suspended generator does not show what it holds");
    seen.then_some(()).ok_or(unseen)
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
