//! What is to be done with an object, by its class; remembered for each class.

use std::ffi::{c_void, CStr};

use crate::{
    linux::mmap_vec::{MmapVec, OutOfMemory},
    python::{
        heap::{Class, Heap, Ref, Slot, Traverse},
        interpreter::Gil,
        reference::PyRef,
    },
};

/// Why an object stays mortal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its class has a finalizer (`tp_finalize` or `tp_del`), or frees something of the system when
    /// it goes: files, sockets, generators, classes with `__del__`, mmaps.
    Finalizer,
    /// It holds one of those in an attribute: dropping it drops that.
    Owner,
    /// A weak reference with a callback waits for its end.
    Awaited,
    /// A lock.
    Lock,
    /// A frame holds it: that of a suspended generator or coroutine, or of a thread.
    Frame,
}

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
    /// A code object: what it refers to is had through its attributes.
    Code,
    /// A weak reference.
    Weak(Option<Traverse<'gil>>),
    /// An instance of a class written in Python.
    Instance(Traverse<'gil>),
    /// Any other object that refers to others; the collector knows it.
    Other(Traverse<'gil>),
    /// It stays mortal.
    Mortal(Reason, Option<Traverse<'gil>>),
}

/// Classes without a finalizer whose objects give something back to the system when they go. Only
/// those whose module is imported can have objects.
const RESOURCES: [(&CStr, &CStr); 6] = [
    (c"mmap", c"mmap"),
    (c"select", c"epoll"),
    (c"_sqlite3", c"Connection"),
    (c"_ssl", c"_SSLSocket"),
    (c"_multiprocessing", c"SemLock"),
    (c"builtins", c"memoryview"),
];
const LOCKS: [(&CStr, &CStr); 2] = [(c"_thread", c"LockType"), (c"_thread", c"RLock")];

const PLACES: usize = 4096;

/// The classes that are told by name, held as long as objects are classified.
pub struct Named<'gil>(Vec<(PyRef<'gil>, Reason)>);

impl<'gil> Named<'gil> {
    /// Looks them up.
    pub fn find(gil: &Gil<'gil>) -> Self {
        let all = [
            (&RESOURCES[..], Reason::Finalizer),
            (&LOCKS[..], Reason::Lock),
        ];
        let all = all
            .into_iter()
            .flat_map(|(list, reason)| list.iter().map(move |named| (named, reason)));
        let found = all.filter_map(|((module, name), reason)| {
            let class = gil.imported(module)?.attribute(name).ok()?;
            Some((class, reason))
        });
        Self(found.collect())
    }
}

/// Tells the treatment of objects.
pub struct Classifier<'a, 'gil> {
    heap: &'a Heap<'gil>,
    /// The `tp_traverse` of classes written in Python.
    instances: *mut c_void,
    named: &'a Named<'gil>,
    /// Two classes that want the same place push each other out.
    remembered: MmapVec<Option<(Class<'gil>, Treatment<'gil>)>>,
}

impl<'a, 'gil> Classifier<'a, 'gil> {
    /// `instances`: the `tp_traverse` of classes written in Python.
    pub fn new(
        heap: &'a Heap<'gil>,
        named: &'a Named<'gil>,
        instances: *mut c_void,
    ) -> Result<Self, OutOfMemory> {
        Ok(Self {
            heap,
            instances,
            named,
            remembered: MmapVec::filled(None, PLACES)?,
        })
    }

    /// The treatment of an object.
    pub fn of(&mut self, object: Ref<'gil>) -> Treatment<'gil> {
        let class = self.heap.class_of(object);
        let place = (class.as_object().address() >> 4) % PLACES;
        match self.remembered.as_slice()[place] {
            Some((remembered, treatment)) if remembered == class => treatment,
            _ => {
                let treatment = self.decide(class);
                self.remembered.as_mut_slice()[place] = Some((class, treatment));
                treatment
            }
        }
    }

    fn decide(&self, class: Class<'gil>) -> Treatment<'gil> {
        let heap = self.heap;
        let (traverse, flags) = (heap.traverse_of(class), heap.flags(class));
        if flags.classes() {
            return traverse.map_or(Treatment::Leaf, Treatment::Class);
        }
        let is = |(named, _): &&(PyRef<'_>, Reason)| {
            let named = heap.as_class(named.borrow());
            named.is_some_and(|named| heap.derives(class, named))
        };
        if let Some((_, reason)) = self.named.0.iter().find(is) {
            return Treatment::Mortal(*reason, traverse);
        }
        if heap.has_finalizer(class) {
            return Treatment::Mortal(Reason::Finalizer, traverse);
        }
        if heap.is_weak(class) {
            return Treatment::Weak(traverse);
        }
        match traverse {
            None if heap.is_text(class) => Treatment::Text,
            None if heap.is_code(class) => Treatment::Code,
            None => Treatment::Leaf,
            Some(traverse) if flags.dicts() => Treatment::Dict(traverse),
            Some(traverse) if flags.tuples() => Treatment::Tuple(traverse),
            Some(traverse) if heap.slot(class, Slot::Traverse) == self.instances => {
                Treatment::Instance(traverse)
            }
            Some(traverse) => Treatment::Other(traverse),
        }
    }
}
