//! The walk: marks whatever an object refers to. The mark itself says that an object was met.

use std::{
    ffi::{c_int, c_void, CStr},
    fmt,
};

use pyo3_ffi::PyObject;

use super::{
    classify::{Kind, Kinds, Reason},
    prescan::Spared,
};
use crate::{
    linux::mmap_vec::MmapVec,
    python::{heap::Heap, interpreter::Gil},
};

/// What became of the objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Objects made immortal.
    pub immortal: u64,
    /// Objects left mortal because of a finalizer or a resource of the system.
    pub finalizer: u64,
    /// Objects left mortal because they hold such an object.
    pub owner: u64,
    /// Objects left mortal because a weak reference's callback awaits their end.
    pub awaited: u64,
    /// Locks.
    pub lock: u64,
    /// Objects that no object refers to: only C code does.
    pub unreferenced: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            immortal,
            finalizer,
            owner,
            awaited,
            lock,
            unreferenced,
        } = self;
        write!(
            f,
            "{immortal} objects immortal; left mortal: {finalizer} with a finalizer, {owner} that \
             hold one, {awaited} awaited by a weak reference, {lock} locks, {unreferenced} held by \
             C code"
        )
    }
}

struct Walk<'a, 'h> {
    heap: &'h Heap,
    kinds: &'a mut Kinds<'h>,
    spared: Spared,
    /// Met and marked, but not tracked: to be walked here.
    untracked: MmapVec<*mut PyObject>,
    /// Code objects that were marked.
    code: MmapVec<*mut PyObject>,
    /// Met and left mortal, maybe more than once.
    left: MmapVec<(*mut PyObject, Reason)>,
    immortal: u64,
    /// How many of them the collector knows.
    tracked_immortal: u64,
}

/// Marks everything that a tracked object reaches, but for what is spared.
pub fn mark<'h>(gil: &Gil<'_>, heap: &'h Heap, kinds: &mut Kinds<'h>, spared: Spared) -> Outcome {
    let mut walk = Walk {
        heap,
        kinds,
        spared,
        untracked: MmapVec::new(),
        code: MmapVec::new(),
        left: MmapVec::new(),
        immortal: 0,
        tracked_immortal: 0,
    };
    // SAFETY: the GIL is held; `from_tracked` takes the walk and allocates no Python object.
    unsafe { heap.each_tracked(from_tracked, (&raw mut walk).cast()) };
    walk.code_objects(gil);
    walk.outcome()
}

unsafe extern "C" fn from_tracked(object: *mut PyObject, walk: *mut c_void) -> c_int {
    // SAFETY: the pointer that `mark` gave; nobody else uses the walk meanwhile.
    let walk = unsafe { &mut *walk.cast::<Walk<'_, '_>>() };
    // SAFETY: a live object; the GIL is held.
    unsafe {
        walk.references_of(object);
        walk.drain();
    }
    1
}

unsafe extern "C" fn met(object: *mut PyObject, walk: *mut c_void) -> c_int {
    // SAFETY: the pointer that `references_of` gave.
    let walk = unsafe { &mut *walk.cast::<Walk<'_, '_>>() };
    // SAFETY: an object that another refers to is alive; the GIL is held.
    unsafe { walk.meet(object) };
    0
}

impl Walk<'_, '_> {
    /// Marks an object that another refers to.
    ///
    /// # Safety
    /// A live object; the GIL is held.
    unsafe fn meet(&mut self, object: *mut PyObject) {
        // SAFETY: the caller's promise, for every step.
        unsafe {
            if self.heap.is_immortal(object) {
                return;
            }
            let kind = self.kinds.of(object);
            let mortal = match kind {
                Kind::Mortal(reason, _) => Some(reason),
                _ => self.spared.why(object),
            };
            if let Some(reason) = mortal {
                self.left.push((object, reason));
                return;
            }
            self.heap.mark(object);
            self.immortal += 1;
            match kind {
                Kind::Leaf => {}
                Kind::Hashed => self.heap.fill_hash(object),
                Kind::Code => self.code.push(object),
                Kind::Class(_) => {
                    self.heap.fill_version_tag(object);
                    self.tracked_immortal += u64::from(self.heap.is_tracked(object));
                }
                _ if self.heap.is_tracked(object) => self.tracked_immortal += 1,
                Kind::Dict(_) | Kind::Tuple(_) => self.untracked.push(object),
                _ => {}
            }
        }
    }

    /// Meets everything that an object refers to.
    ///
    /// # Safety
    /// A live object that the collector knows, or a dict or a tuple; the GIL is held.
    unsafe fn references_of(&mut self, object: *mut PyObject) {
        let heap = self.heap;
        // SAFETY: the caller's promise.
        let traverse = match unsafe { self.kinds.of(object) } {
            Kind::Dict(traverse) => {
                // SAFETY: a dict, which meeting its items does not change.
                unsafe { heap.each_item(object, |item| self.meet(item)) };
                Some(traverse)
            }
            Kind::Tuple(traverse)
            | Kind::Class(traverse)
            | Kind::Instance(traverse)
            | Kind::Other(traverse) => Some(traverse),
            Kind::Weak(traverse) | Kind::Mortal(_, traverse) => traverse,
            Kind::Leaf | Kind::Hashed | Kind::Code => None,
        };
        if let Some(traverse) = traverse {
            // SAFETY: the object's own function; `met` takes the walk.
            unsafe { traverse(object, met, std::ptr::from_mut(self).cast()) };
        }
    }

    /// # Safety
    /// The GIL is held.
    unsafe fn drain(&mut self) {
        while let Some(object) = self.untracked.pop() {
            // SAFETY: a dict or a tuple, alive, as it is immortal now.
            unsafe { self.references_of(object) };
        }
    }

    /// Code objects have no `tp_traverse`. Their attributes are objects that they hold.
    fn code_objects(&mut self, gil: &Gil<'_>) {
        const HELD: [&CStr; 7] = [
            c"co_consts",
            c"co_names",
            c"co_linetable",
            c"co_exceptiontable",
            c"co_filename",
            c"co_name",
            c"co_qualname",
        ];
        while let Some(code) = self.code.pop() {
            for name in HELD {
                // SAFETY: a code object, alive, as it is immortal now.
                if let Ok(held) = unsafe { gil.attribute_of(code, name) } {
                    // SAFETY: alive, as `held` holds it; the GIL is held.
                    unsafe {
                        self.meet(held.as_ptr());
                        self.drain();
                    }
                }
            }
        }
    }

    fn outcome(&mut self) -> Outcome {
        let left = self.left.as_mut_slice();
        left.sort_unstable();
        let (mut outcome, mut tracked_left, mut last) =
            (Outcome::default(), 0, std::ptr::null_mut());
        for (object, reason) in self.left.as_slice() {
            if *object == last {
                continue;
            }
            last = *object;
            *match reason {
                Reason::Finalizer => &mut outcome.finalizer,
                Reason::Owner => &mut outcome.owner,
                Reason::Awaited => &mut outcome.awaited,
                Reason::Lock => &mut outcome.lock,
            } += 1;
            // SAFETY: it was alive when it was met, and nothing has been dropped since.
            tracked_left += u64::from(unsafe { self.heap.is_tracked(*object) });
        }
        outcome.immortal = self.immortal;
        outcome.unreferenced = (self.spared.tracked)
            .saturating_sub(self.spared.born_immortal + self.tracked_immortal + tracked_left);
        outcome
    }
}
