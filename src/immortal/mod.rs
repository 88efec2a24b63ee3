//! The immortal heap: no count of a preloaded object is ever written again.
//!
//! CPython 3.12 and later do not count references to objects whose count is marked (PEP 683).
//! [`make`] marks whatever the preloaded heap refers to, but for objects whose end matters to a
//! program, and for those that only C code holds: C code may rely on their count (`PyTuple_SetItem`
//! refuses a tuple that is shared, and uWSGI keeps one for each core).
//!
//! [`layout`] proves that counts are marked as [`RefcountLayout`] says; [`classify`] says what is to be
//! done with an object of a class; [`prescan`] finds what must stay mortal; [`mark`] marks the rest.

#![allow(
    unsafe_code,
    reason = "marks objects: words of the interpreter are written"
)]

use std::fmt;

use crate::{
    linux::mmap_vec::OutOfMemory,
    python::{
        api::Missing,
        gc::Collector,
        heap::{Heap, NoHeap},
        interpreter::{Gil, Python},
        refcount::RefcountLayout,
        reference::PyErr,
        walk::Panicked,
    },
};

mod arrays;
mod audit;
mod classify;
mod collectable;
mod frames;
mod kept;
mod known;
mod layout;
mod links;
mod mark;
mod owners;
mod parts;
mod prescan;
mod reason;
mod references;
mod tally;

use arrays::Arrays;
pub use audit::step as audit_step;
use classify::Classifier;
pub use collectable::Collectable;
use frames::Frames;
use known::Known;
pub use mark::Outcome;

/// What ends a walk before its time.
#[derive(Clone, Copy, Debug)]
enum Stopped {
    /// No memory for its notes.
    Memory,
    /// A defect of pycow's, which the log tells.
    Panicked,
    /// Nothing is wrong: it knows what it wanted to know.
    Enough,
}

impl From<OutOfMemory> for Stopped {
    fn from(_: OutOfMemory) -> Self {
        Self::Memory
    }
}

impl From<Panicked> for Stopped {
    fn from(_: Panicked) -> Self {
        Self::Panicked
    }
}

/// Why the heap cannot be made immortal on this interpreter. What was marked by then stays so, which
/// does no harm: what must stay mortal was found before.
#[derive(Debug)]
pub enum Unable {
    /// CPython's version has no layout in the table.
    Version(&'static str),
    /// A build whose objects are laid out differently.
    Build(&'static str),
    /// A function is missing.
    Missing(Missing),
    /// The proof failed: the interpreter does not do what the table says.
    Proof(&'static str),
    /// Python raised while the proof ran.
    PyErr(PyErr),
    /// There is no memory for the notes of the walk.
    Memory,
    /// A defect of pycow's, which the log tells.
    Panicked,
}

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => {
                write!(
                    f,
                    "it needs CPython 3.12, 3.13 or 3.14, and this is {version}"
                )
            }
            Self::Build(what) => write!(f, "this Python is {what}"),
            Self::Missing(missing) => missing.fmt(f),
            Self::Proof(what) => write!(f, "the proof failed: {what}"),
            Self::PyErr(raised) => write!(f, "the proof failed: {raised}"),
            Self::Memory => f.write_str("out of memory"),
            Self::Panicked => f.write_str("the walk over the heap failed"),
        }
    }
}

impl From<PyErr> for Unable {
    fn from(raised: PyErr) -> Self {
        Self::PyErr(raised)
    }
}

impl From<NoHeap> for Unable {
    fn from(reason: NoHeap) -> Self {
        match reason {
            NoHeap::Missing(missing) => Self::Missing(missing),
            NoHeap::PyErr(raised) => Self::PyErr(raised),
        }
    }
}

impl From<Stopped> for Unable {
    fn from(reason: Stopped) -> Self {
        match reason {
            Stopped::Memory => Self::Memory,
            Stopped::Panicked | Stopped::Enough => Self::Panicked,
        }
    }
}

impl From<OutOfMemory> for Unable {
    fn from(_: OutOfMemory) -> Self {
        Self::Memory
    }
}

/// Makes the heap of the current interpreter immortal, once it is proven that this can be done.
///
/// To be called in the master, in its only thread that runs Python, right before `gc.freeze`. What is
/// not to be frozen comes beside the outcome.
pub fn make<'gil>(
    gil: &Gil<'gil>,
    python: &Python,
    mortal: &[String],
) -> Result<(Outcome, Collectable<'gil>), Unable> {
    let layout = RefcountLayout::of(python.version()).ok_or(Unable::Version(python.version()))?;
    if cfg!(not(target_pointer_width = "64")) {
        return Err(Unable::Build("not a 64-bit build"));
    }
    if gil.sys(c"gettotalrefcount").is_some() || gil.sys(c"getobjects").is_some() {
        return Err(Unable::Build("a debug build"));
    }
    // SAFETY: the walks below free nothing and run no Python code, and they use what they were given
    // before they return; the GIL is held throughout.
    let heap = unsafe { Heap::hold(gil, python, layout) }?;
    let proof = layout::prove(gil, &heap)?;
    // What the application froze by itself is to be seen, too.
    Collector::current(gil)?.unfreeze()?;

    let known = Known::find(gil, mortal)?;
    let frames = (layout == RefcountLayout::Flagged).then(|| Frames::find(gil));
    let frames = frames.transpose()?;
    let mut classifier = Classifier::new(&heap, &known, proof.slots)?;
    let arrays = Arrays::new(&heap, known.array(&heap));
    let seen = prescan::prescan(gil, &heap, &mut classifier, frames.as_ref(), arrays)?;
    let (outcome, marks, kept) =
        mark::mark(gil, &heap, &mut classifier, seen, proof.bytecode.as_ref())?;
    if let (Some(bytecode), Some(frames)) = (&proof.bytecode, &frames) {
        for held in frames.of_stacks() {
            bytecode.trust_marks(gil, &heap, held)?;
        }
    }
    audit::begin(marks, layout);
    Ok((outcome, Collectable::among(gil, &heap, &kept)))
}
