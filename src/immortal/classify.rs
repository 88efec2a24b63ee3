//! What is to be done with an object, by its class; remembered for each class.

use std::ffi::{c_void, CStr};

use pyo3_ffi::{traverseproc, PyObject};

use crate::python::heap::{Heap, BYTES, CLASSES, DICTS, STRINGS, TUPLES};
use crate::{
    linux::mmap_vec::MmapVec,
    python::{interpreter::Gil, reference::PyErr},
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
}

/// How an object of a class is treated.
#[derive(Clone, Copy)]
pub enum Kind {
    /// It refers to nothing.
    Leaf,
    /// So does it, and it keeps a hash that it computes when asked: str and bytes.
    Hashed,
    /// Keys and values, and `tp_traverse` for what a subclass adds.
    Dict(traverseproc),
    /// A tuple: like a dict it may be unknown to the collector, and is walked when it is met.
    Tuple(traverseproc),
    /// A class.
    Class(traverseproc),
    /// A code object: what it refers to is had through its attributes.
    Code,
    /// A weak reference.
    Weak(Option<traverseproc>),
    /// An instance of a class written in Python.
    Instance(traverseproc),
    /// Any other object that refers to others; the collector knows it.
    Other(traverseproc),
    /// It stays mortal.
    Mortal(Reason, Option<traverseproc>),
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

const SLOTS: usize = 4096;

/// The kinds of classes.
pub struct Kinds<'h> {
    heap: &'h Heap,
    /// The `tp_traverse` of classes written in Python.
    instances: *mut c_void,
    /// The classes of weak references.
    weak: [*mut PyObject; 3],
    /// The class of code objects.
    code: *mut PyObject,
    listed: MmapVec<(*mut PyObject, Reason)>,
    /// Two classes that want the same place push each other out.
    remembered: MmapVec<(*mut PyObject, Kind)>,
}

impl<'h> Kinds<'h> {
    /// `instances`: the `tp_traverse` of classes written in Python.
    pub fn new(gil: &Gil<'_>, heap: &'h Heap, instances: *mut c_void) -> Result<Self, PyErr> {
        let mut listed = MmapVec::new();
        for (list, reason) in [
            (&RESOURCES[..], Reason::Finalizer),
            (&LOCKS[..], Reason::Lock),
        ] {
            for (module, name) in list {
                let class = gil
                    .imported(module)
                    .and_then(|module| module.attribute(name).ok());
                // These classes live as long as their modules, and so beyond the walk.
                listed.extend(class.map(|class| (class.as_ptr(), reason)));
            }
        }
        let weak = gil.import(c"weakref")?;
        let weak = |name| Ok::<_, PyErr>(weak.attribute(name)?.as_ptr());
        let mut remembered = MmapVec::new();
        remembered.extend((0..SLOTS).map(|_| (std::ptr::null_mut(), Kind::Leaf)));
        Ok(Self {
            heap,
            instances,
            weak: [
                weak(c"ReferenceType")?,
                weak(c"ProxyType")?,
                weak(c"CallableProxyType")?,
            ],
            code: gil.import(c"types")?.attribute(c"CodeType")?.as_ptr(),
            listed,
            remembered,
        })
    }

    /// The kind of an object.
    ///
    /// # Safety
    /// A live object; the GIL is held.
    pub unsafe fn of(&mut self, object: *mut PyObject) -> Kind {
        // SAFETY: the caller's promise.
        let class = unsafe { self.heap.class_of(object) };
        let place = (class.addr() >> 4) % SLOTS;
        let (remembered, kind) = self.remembered.as_slice()[place];
        if remembered == class {
            return kind;
        }
        // SAFETY: the class of a live object is alive.
        let kind = unsafe { self.decide(class) };
        self.remembered.as_mut_slice()[place] = (class, kind);
        kind
    }

    /// # Safety
    /// A live class; the GIL is held.
    unsafe fn decide(&self, class: *mut PyObject) -> Kind {
        // SAFETY: the caller's promise, for all of these.
        let (traverse, slot, flags, finalizer) = unsafe {
            (
                self.heap.traverse(class),
                self.heap.traverse_slot(class),
                self.heap.flags(class),
                self.heap.has_finalizer(class),
            )
        };
        // SAFETY: as above; the listed classes are alive.
        let is = |other: *mut PyObject| unsafe { self.heap.derives(class, other) };
        if flags & CLASSES != 0 {
            return traverse.map_or(Kind::Leaf, Kind::Class);
        }
        if let Some((_, reason)) = self.listed.as_slice().iter().find(|(class, _)| is(*class)) {
            return Kind::Mortal(*reason, traverse);
        }
        if finalizer {
            return Kind::Mortal(Reason::Finalizer, traverse);
        }
        if self.weak.into_iter().any(is) {
            return Kind::Weak(traverse);
        }
        match traverse {
            None if flags & (STRINGS | BYTES) != 0 => Kind::Hashed,
            None if class == self.code => Kind::Code,
            None => Kind::Leaf,
            Some(traverse) if flags & DICTS != 0 => Kind::Dict(traverse),
            Some(traverse) if flags & TUPLES != 0 => Kind::Tuple(traverse),
            Some(traverse) if slot == self.instances => Kind::Instance(traverse),
            Some(traverse) => Kind::Other(traverse),
        }
    }
}
