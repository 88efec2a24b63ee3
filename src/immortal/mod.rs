//! The immortal heap: no count of a preloaded object is ever written again.
//!
//! CPython 3.12 and later do not count references to objects whose count is marked (PEP 683).
//! [`make`] marks whatever the preloaded heap refers to, but for objects whose end matters to a
//! program, and for those that only C code holds: C code may rely on their count (`PyTuple_SetItem`
//! refuses a tuple that is shared, and uWSGI keeps one for each core).
//!
//! [`layout`] knows how a count is marked, and proves it; [`heap`] is the interface to objects;
//! [`kinds`] says what is to be done with an object of a type; [`survey`] finds what must stay
//! mortal; [`walk`] marks the rest.

#![allow(
    unsafe_code,
    reason = "marks objects: words of the interpreter are written"
)]

use std::fmt;

use crate::python::{
    api::Missing,
    gc::Collector,
    heap::Heap,
    interpreter::{Gil, Python},
    refcount::RefcountLayout,
    reference::PyErr,
};

mod classify;
mod layout;
mod mark;
mod prescan;

pub use mark::Outcome;

/// Why the heap cannot be made immortal on this interpreter. Nothing was changed.
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
}

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => {
                write!(
                    f,
                    "immortal objects of CPython {version} are not known (3.12 to 3.15 are)"
                )
            }
            Self::Build(what) => write!(f, "this Python is {what}"),
            Self::Missing(missing) => missing.fmt(f),
            Self::Proof(what) => write!(f, "the proof failed: {what}"),
            Self::PyErr(raised) => write!(f, "the proof failed: {raised}"),
        }
    }
}

impl From<PyErr> for Unable {
    fn from(raised: PyErr) -> Self {
        Self::PyErr(raised)
    }
}

/// Makes the heap of the current interpreter immortal, once it is proven that this can be done.
///
/// To be called in the master, in its only thread that runs Python, right before `gc.freeze`.
pub fn make(gil: &Gil<'_>, python: &Python) -> Result<Outcome, Unable> {
    let layout = RefcountLayout::of(python.version()).ok_or(Unable::Version(python.version()))?;
    if cfg!(not(target_pointer_width = "64")) {
        return Err(Unable::Build("not a 64-bit build"));
    }
    if gil.sys(c"gettotalrefcount").is_some() || gil.sys(c"getobjects").is_some() {
        return Err(Unable::Build("a debug build"));
    }
    let heap = Heap::find(python, layout).map_err(Unable::Missing)?;
    let instances = layout::prove(gil, &heap)?;
    // What the application froze by itself is to be seen, too.
    Collector::current(gil)?.unfreeze()?;

    let mut kinds = classify::Kinds::new(gil, &heap, instances)?;
    let spared = prescan::spared(&heap, &mut kinds);
    Ok(mark::mark(gil, &heap, &mut kinds, spared))
}
