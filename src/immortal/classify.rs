//! What is to be done with an object, by its class; remembered for each class.

use std::ffi::c_void;

use super::{known::Known, reason::Reason};
use crate::{
    linux::mmap_vec::{MmapVec, OutOfMemory},
    python::{
        heap::Heap,
        object::{Class, Ref, Slot},
        walk::Traverse,
    },
};

/// How an object of a class is treated.
#[derive(Clone, Copy)]
pub enum Treatment<'gil> {
    /// It refers to nothing.
    Leaf,
    /// A str: so does it, and it keeps a hash that it computes when asked.
    Text,
    /// Keys and values, and `tp_traverse` for what a subclass adds.
    Dict(Traverse<'gil>),
    /// A tuple: like a dict it may be unknown to the collector, and is walked when it is met.
    Tuple(Traverse<'gil>),
    /// A class.
    Class(Traverse<'gil>),
    /// A module.
    Module(Traverse<'gil>),
    /// A code object: what it refers to is had through its attributes.
    Code,
    /// A weak reference.
    Weak(Option<Traverse<'gil>>),
    /// An instance of a class written in Python.
    Instance(Traverse<'gil>),
    /// Any other object that refers to others; the collector knows it.
    Other(Traverse<'gil>),
    /// An object of a C class that is not known. Once it is known how many there are, they are
    /// mortal, or one of those above.
    Foreign(Option<Traverse<'gil>>),
    /// It stays mortal.
    Mortal(Reason, Option<Traverse<'gil>>),
}

impl<'gil> Treatment<'gil> {
    /// How to see what it refers to.
    pub fn traverse(self) -> Option<Traverse<'gil>> {
        match self {
            Self::Leaf | Self::Text | Self::Code => None,
            Self::Dict(traverse)
            | Self::Tuple(traverse)
            | Self::Class(traverse)
            | Self::Module(traverse)
            | Self::Instance(traverse)
            | Self::Other(traverse) => Some(traverse),
            Self::Weak(traverse) | Self::Foreign(traverse) | Self::Mortal(_, traverse) => traverse,
        }
    }

    /// It may end, and with it what it holds. Classes and modules do not.
    pub fn may_own(self) -> bool {
        matches!(
            self,
            Self::Dict(_) | Self::Tuple(_) | Self::Instance(_) | Self::Other(_) | Self::Foreign(_)
        )
    }
}

/// The slots of classes written in Python.
#[derive(Clone, Copy)]
pub struct PythonSlots {
    /// `tp_traverse`
    pub traverse: *mut c_void,
    /// `tp_dealloc`
    pub dealloc: *mut c_void,
}

const PLACES: usize = 4096;

/// Tells the treatment of objects.
pub struct Classifier<'a, 'gil> {
    heap: &'a Heap<'gil>,
    slots: PythonSlots,
    known: &'a Known<'gil>,
    /// Unknown C classes that have many objects; `None` until they were counted.
    many: Option<MmapVec<Class<'gil>>>,
    /// Two classes that want the same place push each other out.
    remembered: MmapVec<Option<(Class<'gil>, Treatment<'gil>)>>,
}

impl<'a, 'gil> Classifier<'a, 'gil> {
    /// Knows no class yet.
    pub fn new(
        heap: &'a Heap<'gil>,
        known: &'a Known<'gil>,
        slots: PythonSlots,
    ) -> Result<Self, OutOfMemory> {
        Ok(Self {
            heap,
            slots,
            known,
            many: None,
            remembered: MmapVec::filled(None, PLACES)?,
        })
    }

    /// The treatment of an object.
    #[inline]
    pub fn of(&mut self, object: Ref<'gil>) -> Treatment<'gil> {
        let class = self.heap.class_of(object);
        let place = (class.as_object().address() >> 4) % PLACES;
        match self.remembered.as_slice()[place] {
            Some((remembered, treatment)) if remembered == class => treatment,
            _ => self.remember(class, place),
        }
    }

    #[inline(never)]
    fn remember(&mut self, class: Class<'gil>, place: usize) -> Treatment<'gil> {
        let treatment = self.decide(class);
        self.remembered.as_mut_slice()[place] = Some((class, treatment));
        treatment
    }

    /// From now on it is known which C classes have many objects.
    pub fn counted(&mut self, many: MmapVec<Class<'gil>>) {
        self.many = Some(many);
        self.remembered.as_mut_slice().fill(None);
    }

    fn decide(&self, class: Class<'gil>) -> Treatment<'gil> {
        let heap = self.heap;
        let (traverse, flags) = (heap.traverse_of(class), heap.flags(class));
        if flags.classes() {
            return traverse.map_or(Treatment::Leaf, Treatment::Class);
        }
        if let Some(reason) = self.known.mortal(heap, class) {
            return Treatment::Mortal(reason, traverse);
        }
        if heap.has_finalizer(class) {
            return Treatment::Mortal(Reason::Finalizer, traverse);
        }
        if heap.is_weak(class) {
            return Treatment::Weak(traverse);
        }
        if !self.is_plain(class) {
            match &self.many {
                None => return Treatment::Foreign(traverse),
                Some(many) if !many.as_slice().contains(&class) => {
                    return Treatment::Mortal(Reason::Foreign, traverse)
                }
                _ => {}
            }
        }
        match traverse {
            None if heap.is_text(class) => Treatment::Text,
            None if heap.is_code(class) => Treatment::Code,
            None => Treatment::Leaf,
            Some(traverse) if flags.dicts() => Treatment::Dict(traverse),
            Some(traverse) if flags.tuples() => Treatment::Tuple(traverse),
            Some(traverse) if self.known.is_module(heap, class) => Treatment::Module(traverse),
            Some(traverse) if heap.slot(class, Slot::Traverse) == self.slots.traverse => {
                Treatment::Instance(traverse)
            }
            Some(traverse) => Treatment::Other(traverse),
        }
    }

    /// Objects of that class are data: nothing that C code frees by itself is behind them.
    fn is_plain(&self, class: Class<'gil>) -> bool {
        let heap = self.heap;
        let mut next = Some(class);
        while let Some(class) = next {
            if heap.slot(class, Slot::Dealloc) != self.slots.dealloc {
                // The first class that is not written in Python.
                return heap.flags(class).data() || self.known.is_plain(class);
            }
            next = heap.base_of(class);
        }
        true
    }
}
