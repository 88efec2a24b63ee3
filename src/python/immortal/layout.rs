//! How each CPython marks an immortal object, and the proof that this one does.

use std::ffi::c_void;

use pyo3_ffi::PyObject;

use super::{heap::Heap, Unable};
use crate::python::{interpreter::Gil, object::Object};

/// The first word of an object, on a 64-bit build with the GIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The low half of the word is all ones (3.12: Include/object.h, `_Py_IMMORTAL_REFCNT`).
    Saturated,
    /// The low half is 3 << 30 and the lowest flag, at bit 48, is set (3.14: Include/refcount.h and
    /// Include/object.h, `_Py_IMMORTAL_FLAGS`). Without the flag the interpreter takes references on
    /// its stack for counted ones, and the count creeps down.
    Flagged,
}

/// Versions whose layout is known.
const TABLE: [(&str, Layout); 4] = [
    ("3.12.", Layout::Saturated),
    ("3.13.", Layout::Saturated),
    ("3.14.", Layout::Flagged),
    ("3.15.", Layout::Flagged),
];

impl Layout {
    /// The layout of a version such as `3.12.1`.
    pub fn of(version: &str) -> Option<Self> {
        let known = TABLE.iter().find(|(start, _)| version.starts_with(start));
        known.map(|(_, layout)| *layout)
    }

    /// The first word of an object that is to be immortal from now on.
    pub fn marked(self, word: u64) -> u64 {
        const FLAGS: u64 = 0xffff << 48;
        const IMMORTAL: u64 = 1 << 48;
        match self {
            Self::Saturated => 0xffff_ffff,
            Self::Flagged => word & FLAGS | IMMORTAL | 3 << 30,
        }
    }

    /// The word is that of an immortal object: the sign of its low half, in every version.
    pub fn is_marked(word: u64) -> bool {
        (word as u32 as i32) < 0
    }
}

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
unsafe fn counts(subject: &Object<'_>, heap: &Heap) -> Result<(), Unable> {
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

#[cfg(test)]
mod tests {
    use super::Layout;

    #[test]
    fn versions_have_their_layout() {
        assert_eq!(Layout::of("3.12.1"), Some(Layout::Saturated));
        assert_eq!(Layout::of("3.13.0"), Some(Layout::Saturated));
        assert_eq!(Layout::of("3.14.10"), Some(Layout::Flagged));
        assert_eq!(Layout::of("3.11.7"), None);
        assert_eq!(Layout::of("3.16.0"), None);
        assert_eq!(Layout::of("3.120.0"), None);
    }

    #[test]
    fn a_marked_word_is_marked() {
        for layout in [Layout::Saturated, Layout::Flagged] {
            assert!(!Layout::is_marked(7));
            assert!(Layout::is_marked(layout.marked(7)));
        }
        let other_flag = 1 << 50;
        assert_eq!(
            Layout::Flagged.marked(other_flag | 5),
            0x0005_0000_c000_0000
        );
    }
}
