//! Before anything is marked: which objects must stay mortal though their class would not say so.

use std::ffi::{c_int, c_void};

use pyo3_ffi::{traverseproc, PyObject};

use super::classify::{Kind, Kinds, Reason};
use crate::{
    linux::mmap_vec::MmapVec,
    python::heap::{Heap, CLASSES},
};

/// Objects that are to be left alone, by address.
pub struct Spared {
    objects: MmapVec<(*mut PyObject, Reason)>,
    /// A bit for a hash of every address: most questions end here.
    filter: MmapVec<u64>,
    /// How many objects the collector knows, and how many of them are immortal already.
    pub tracked: u64,
    pub born_immortal: u64,
}

const FILTER_BITS: usize = 1 << 19;

impl Spared {
    fn new() -> Self {
        let mut filter = MmapVec::new();
        filter.extend((0..FILTER_BITS / 64).map(|_| 0));
        Self {
            objects: MmapVec::new(),
            filter,
            tracked: 0,
            born_immortal: 0,
        }
    }

    fn bit(object: *mut PyObject) -> (usize, u64) {
        // Objects are aligned to 16 bytes; Knuth's multiplier spreads neighbours.
        let hash = (object.addr() >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - 19);
        (hash / 64, 1 << (hash % 64))
    }

    fn add(&mut self, object: *mut PyObject, reason: Reason) {
        let (word, bit) = Self::bit(object);
        self.filter.as_mut_slice()[word] |= bit;
        self.objects.push((object, reason));
    }

    fn sort(&mut self) {
        self.objects.as_mut_slice().sort_unstable();
    }

    /// Why the object is to be left alone, if it is.
    pub fn why(&self, object: *mut PyObject) -> Option<Reason> {
        let (word, bit) = Self::bit(object);
        if self.filter.as_slice()[word] & bit == 0 {
            return None;
        }
        let objects = self.objects.as_slice();
        let place = objects.partition_point(|(spared, _)| *spared < object);
        let (found, reason) = objects.get(place)?;
        (*found == object).then_some(*reason)
    }
}

struct Survey<'a, 'h> {
    heap: &'h Heap,
    kinds: &'a mut Kinds<'h>,
    spared: Spared,
    /// The object that is looked at refers to one with a finalizer.
    owns: bool,
    /// It is the `__dict__` of an instance, or a dict in one of its attributes.
    in_dict: bool,
}

/// Looks at every tracked object once; writes to none.
pub fn spared<'h>(heap: &'h Heap, kinds: &mut Kinds<'h>) -> Spared {
    let mut survey = Survey {
        heap,
        kinds,
        spared: Spared::new(),
        owns: false,
        in_dict: false,
    };
    // SAFETY: the GIL is held by whoever has a `Heap` to work on; `look` takes the survey and
    // allocates no Python object.
    unsafe { heap.each_tracked(look, (&raw mut survey).cast()) };
    survey.spared.sort();
    survey.spared
}

unsafe extern "C" fn look(object: *mut PyObject, survey: *mut c_void) -> c_int {
    // SAFETY: the pointer that `spared` gave; nobody else uses the survey meanwhile.
    let survey = unsafe { &mut *survey.cast::<Survey<'_, '_>>() };
    survey.spared.tracked += 1;
    // SAFETY: a live object; the GIL is held.
    survey.spared.born_immortal += u64::from(unsafe { survey.heap.is_immortal(object) });
    // SAFETY: a live object; the GIL is held.
    match unsafe { survey.kinds.of(object) } {
        // SAFETY: a weak reference.
        Kind::Weak(_) => unsafe { survey.awaited(object) },
        // SAFETY: the object's own function.
        Kind::Instance(traverse) if unsafe { survey.owns_within(object, traverse) } => {
            survey.spared.add(object, Reason::Owner);
        }
        // It is mortal anyway; its `__dict__` is looked at.
        Kind::Mortal(_, Some(traverse)) => {
            // SAFETY: the object's own function.
            unsafe { survey.owns_within(object, traverse) };
        }
        _ => {}
    }
    1
}

impl Survey<'_, '_> {
    /// What the object refers to has a finalizer.
    ///
    /// # Safety
    /// A live object and the `tp_traverse` of its class; the GIL is held.
    unsafe fn owns_within(&mut self, object: *mut PyObject, traverse: traverseproc) -> bool {
        self.owns = false;
        let argument: *mut Survey<'_, '_> = self;
        // SAFETY: the caller's promise; `owned` takes the survey.
        unsafe { traverse(object, owned, argument.cast()) };
        self.owns
    }

    /// The target of a weak reference with a callback is awaited. Classes are not: their registers
    /// (abc, functools) hold them so, and a preloaded class has no end.
    ///
    /// # Safety
    /// A live weak reference; the GIL is held.
    unsafe fn awaited(&mut self, reference: *mut PyObject) {
        // SAFETY: the caller's promise; a target is alive or None.
        unsafe {
            let (target, callback) = self.heap.weak_reference(reference);
            if !callback.is_null() && self.heap.flags(self.heap.class_of(target)) & CLASSES == 0 {
                self.spared.add(target, Reason::Awaited);
            }
        }
    }
}

unsafe extern "C" fn owned(object: *mut PyObject, survey: *mut c_void) -> c_int {
    // SAFETY: the pointer that `look` gave, or this function itself below.
    let survey = unsafe { &mut *survey.cast::<Survey<'_, '_>>() };
    // SAFETY: an object that another refers to is alive; the GIL is held.
    match unsafe { survey.kinds.of(object) } {
        Kind::Mortal(Reason::Finalizer, _) => survey.owns = true,
        Kind::Dict(traverse) if !survey.in_dict => {
            let owned_before = survey.owns;
            survey.in_dict = true;
            // SAFETY: the object's own function.
            if unsafe { survey.owns_within(object, traverse) } {
                // An immortal dict would keep what it holds when the instance goes.
                survey.spared.add(object, Reason::Owner);
            }
            survey.in_dict = false;
            survey.owns |= owned_before;
        }
        _ => {}
    }
    c_int::from(survey.in_dict && survey.owns)
}
