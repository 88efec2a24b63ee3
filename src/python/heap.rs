//! The interface to objects as memory: their words, their classes' slots, the walk over all of them.

use std::{
    ffi::{c_int, c_ulong, c_void, CStr},
    marker::PhantomData,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering},
};

use pyo3_ffi::{traverseproc, PyObject, PyTypeObject};

use super::{
    api::{api, Missing},
    interpreter::{Gil, Python},
    refcount::RefcountLayout,
    reference::{PyErr, PyRef},
};
use crate::guard::guard;

/// Called for every tracked object; 1 to go on.
type OnObject = unsafe extern "C" fn(*mut PyObject, *mut c_void) -> c_int;

api! {
    /// What the walk needs beside [`Api`](crate::python::api::Api).
    HeapApi:
    stable {
        PyType_GetSlot: fn(*mut PyTypeObject, c_int) -> *mut c_void;
        PyType_GetFlags: fn(*mut PyTypeObject) -> c_ulong;
        PyType_IsSubtype: fn(*mut PyTypeObject, *mut PyTypeObject) -> c_int;
        PyObject_Hash: fn(*mut PyObject) -> isize;
        PyObject_GC_IsTracked: fn(*mut PyObject) -> c_int;
        PyTuple_GetItem: fn(*mut PyObject, isize) -> *mut PyObject;
        PyTuple_Size: fn(*mut PyObject) -> isize;
        PyDict_Next: fn(*mut PyObject, *mut isize, *mut *mut PyObject, *mut *mut PyObject) -> c_int;
    }
    unstable {
        /// Include/cpython/objimpl.h, since 3.12. Neither it nor its callback allocates.
        PyUnstable_GC_VisitObjects: fn(OnObject, *mut c_void);
        /// Include/cpython/object.h, since 3.12.
        PyUnstable_Type_AssignVersionTag: fn(*mut PyTypeObject) -> c_int;
    }
    optional {
        /// Include/cpython/object.h, since 3.14.
        PyUnstable_IsImmortal: fn(*mut PyObject) -> c_int;
    }
}

/// A slot of a class (Include/typeslots.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Slot {
    /// The class from which it was derived first.
    Base = 48,
    /// Frees an object.
    Dealloc = 52,
    /// A finalizer of old.
    Del = 53,
    /// Shows what an object refers to.
    Traverse = 71,
    /// The finalizer: `__del__`, the end of a file, of a generator.
    Finalize = 80,
}

/// A live object, valid while the GIL is held and nothing is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ref<'gil> {
    object: NonNull<PyObject>,
    held: PhantomData<&'gil PyObject>,
}

/// A live class, as [`Ref`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class<'gil>(Ref<'gil>);

impl<'gil> Ref<'gil> {
    /// # Safety
    /// The object lives as long as `'gil`.
    unsafe fn new(object: NonNull<PyObject>) -> Self {
        Self {
            object,
            held: PhantomData,
        }
    }

    fn as_ptr(self) -> *mut PyObject {
        self.object.as_ptr()
    }

    /// Where it lies.
    pub fn address(self) -> usize {
        self.as_ptr().expose_provenance()
    }
}

impl<'gil> Class<'gil> {
    /// The class as the object that it is, too.
    pub fn as_object(self) -> Ref<'gil> {
        self.0
    }

    fn as_type(self) -> *mut PyTypeObject {
        self.0.as_ptr().cast()
    }
}

impl PyRef<'_> {
    /// The object that this reference holds.
    pub fn borrow(&self) -> Ref<'_> {
        // SAFETY: this value owns a reference as long as it is borrowed.
        unsafe { Ref::new(NonNull::new_unchecked(self.as_ptr())) }
    }
}

/// An object that was made immortal: it outlives every lifetime, as long as its mark stays in place.
pub struct Marked(NonNull<PyObject>);

impl Marked {
    /// # Safety
    /// The address of an object that was marked in this process or before it was forked; Python was not
    /// finalized since.
    pub unsafe fn at(address: usize) -> Self {
        let object = ptr::with_exposed_provenance_mut(address);
        // SAFETY: the address of an object is not 0.
        Self(unsafe { NonNull::new_unchecked(object) })
    }

    fn first_word(&self) -> &AtomicU64 {
        // SAFETY: a live object begins with that word. Others may write it, without tearing it.
        unsafe { self.0.cast::<AtomicU64>().as_ref() }
    }

    /// The first word, read with or without the GIL.
    pub fn word(&self) -> u64 {
        self.first_word().load(Ordering::Relaxed)
    }

    /// Marks it again. Answers by how much the count had moved.
    pub fn put_back(&self, _: &Gil<'_>, layout: RefcountLayout) -> i32 {
        let word = self.word();
        self.first_word()
            .store(layout.marked(word), Ordering::Relaxed);
        layout.distance(word)
    }

    /// The name of its class, with the module's.
    pub fn class_name(&self, gil: &Gil<'_>) -> String {
        let text = |name| {
            // SAFETY: the class is the second word of a live object, which keeps it alive.
            let class = unsafe { self.0.cast::<*mut PyObject>().add(1).read() };
            // SAFETY: as above; the GIL is held.
            unsafe { gil.attribute_of(class, name) }.ok()?.text()
        };
        let name = text(c"__qualname__").unwrap_or_default();
        match text(c"__module__") {
            Some(module) if module != "builtins" => format!("{module}.{name}"),
            _ => name,
        }
    }
}

/// Shows what the objects of one class refer to: its `tp_traverse`.
#[derive(Clone, Copy)]
pub struct Traverse<'gil> {
    class: Class<'gil>,
    function: traverseproc,
}

/// A callback of pycow's panicked, which the log tells; the walk ended there.
#[derive(Clone, Copy, Debug)]
pub struct Panicked;

/// The flags of a class: `Py_TPFLAGS_DICT_SUBCLASS` and its like (Include/object.h).
#[derive(Clone, Copy)]
pub struct Flags(c_ulong);

impl Flags {
    /// Instances are lists.
    pub fn lists(self) -> bool {
        self.0 & 1 << 25 != 0
    }

    /// Instances are tuples.
    pub fn tuples(self) -> bool {
        self.0 & 1 << 26 != 0
    }

    /// Instances are ints, lists, tuples, bytes, strings, dicts or exceptions: data, whatever a subclass adds.
    pub fn data(self) -> bool {
        self.0 & 0x7f << 24 != 0
    }

    /// Instances are dicts.
    pub fn dicts(self) -> bool {
        self.0 & 1 << 29 != 0
    }

    /// Instances are classes.
    pub fn classes(self) -> bool {
        self.0 & 1 << 31 != 0
    }
}

/// The objects of an interpreter.
pub struct Heap<'gil> {
    api: HeapApi,
    layout: RefcountLayout,
    /// `weakref.ref` and the two proxies, `str`, `types.CodeType`: static, hence alive.
    weak: [*mut PyObject; 3],
    text: *mut PyObject,
    code: *mut PyObject,
    held: PhantomData<&'gil PyObject>,
}

/// Why there is no [`Heap`].
#[derive(Debug)]
pub enum NoHeap {
    /// A function is missing.
    Missing(Missing),
    /// Python raised.
    PyErr(PyErr),
}

impl From<PyErr> for NoHeap {
    fn from(raised: PyErr) -> Self {
        Self::PyErr(raised)
    }
}

impl<'gil> Heap<'gil> {
    /// Finds the functions and classes.
    ///
    /// # Safety
    /// While a [`Ref`] that a walk of this heap gave is in use, no object is freed: the GIL is not
    /// let go and no Python code runs.
    pub unsafe fn hold(
        gil: &'gil Gil<'_>,
        python: &Python,
        layout: RefcountLayout,
    ) -> Result<Self, NoHeap> {
        let api = HeapApi::find(python.symbols()).map_err(NoHeap::Missing)?;
        let class = |module: &CStr, name: &CStr| {
            let class = gil.import(module)?.attribute(name)?;
            Ok::<_, PyErr>(class.as_ptr())
        };
        Ok(Self {
            api,
            layout,
            weak: [
                class(c"weakref", c"ReferenceType")?,
                class(c"weakref", c"ProxyType")?,
                class(c"weakref", c"CallableProxyType")?,
            ],
            text: class(c"builtins", c"str")?,
            code: class(c"types", c"CodeType")?,
            held: PhantomData,
        })
    }

    /// The first word of an object: its count, and flags since 3.14.
    pub fn word(&self, object: Ref<'_>) -> u64 {
        // SAFETY: a live object begins with that word.
        unsafe { object.as_ptr().cast::<u64>().read() }
    }

    /// How many references to the object are counted; a mark is more than 2^31.
    pub fn count(&self, object: Ref<'_>) -> u32 {
        self.word(object) as u32
    }

    /// The object is immortal.
    pub fn is_immortal(&self, object: Ref<'_>) -> bool {
        RefcountLayout::is_marked(self.word(object))
    }

    /// Makes the object immortal.
    pub fn mark(&self, object: Ref<'_>) {
        let marked = self.layout.marked(self.word(object));
        // SAFETY: a live object begins with that word; the GIL is held: nobody else writes it.
        unsafe { object.as_ptr().cast::<u64>().write(marked) };
    }

    /// What the interpreter itself says; `None` before 3.14.
    pub fn agrees(&self, object: Ref<'_>) -> Option<bool> {
        // SAFETY: a live object; the GIL is held.
        self.api
            .PyUnstable_IsImmortal
            .map(|is| unsafe { is(object.as_ptr()) != 0 })
    }

    /// The class of an object, its second word.
    pub fn class_of<'a>(&self, object: Ref<'a>) -> Class<'a> {
        // SAFETY: a live object has that word, never NULL; it keeps its class alive.
        unsafe {
            let class = object.as_ptr().cast::<*mut PyObject>().add(1).read();
            Class(Ref::new(NonNull::new_unchecked(class)))
        }
    }

    /// The object as a class, if it is one.
    pub fn as_class<'a>(&self, object: Ref<'a>) -> Option<Class<'a>> {
        let is = self.flags(self.class_of(object)).classes();
        is.then_some(Class(object))
    }

    /// The objects of this class are weak references.
    pub fn is_weak(&self, class: Class<'_>) -> bool {
        self.weak.iter().any(|&weak| self.is_subtype(class, weak))
    }

    /// The objects of this class are code objects.
    pub fn is_code(&self, class: Class<'_>) -> bool {
        class.0.as_ptr() == self.code
    }

    /// The class is `str` itself.
    pub fn is_text(&self, class: Class<'_>) -> bool {
        class.0.as_ptr() == self.text
    }

    /// The target of a weak reference that has a callback, from its third and fourth word
    /// (Include/cpython/weakrefobject.h).
    pub fn awaited<'a>(&self, reference: Ref<'a>) -> Option<Ref<'a>> {
        if !self.is_weak(self.class_of(reference)) {
            return None;
        }
        let words = reference.as_ptr().cast::<*mut PyObject>();
        // SAFETY: a live weak reference has these words; its target is alive or None.
        unsafe {
            let (target, callback) = (words.add(2).read(), words.add(3).read());
            let target = NonNull::new(target).filter(|_| !callback.is_null())?;
            Some(Ref::new(target))
        }
    }

    /// The class from which a class was derived first; `None` for `object`.
    pub fn base_of<'a>(&self, class: Class<'a>) -> Option<Class<'a>> {
        let base = NonNull::new(self.slot(class, Slot::Base).cast::<PyObject>())?;
        // SAFETY: a class keeps its base alive.
        Some(Class(unsafe { Ref::new(base) }))
    }

    /// What stands in a slot of a class; NULL where there is nothing.
    pub fn slot(&self, class: Class<'_>, slot: Slot) -> *mut c_void {
        // SAFETY: a live class; the GIL is held.
        unsafe { (self.api.PyType_GetSlot)(class.as_type(), slot as c_int) }
    }

    /// `tp_traverse` of a class.
    pub fn traverse_of<'a>(&self, class: Class<'a>) -> Option<Traverse<'a>> {
        let slot = self.slot(class, Slot::Traverse);
        // SAFETY: that slot holds NULL or a function of this type.
        let function = unsafe { std::mem::transmute::<*mut c_void, Option<traverseproc>>(slot) };
        function.map(|function| Traverse { class, function })
    }

    /// The class has `tp_finalize` (`__del__`, files, sockets, generators) or `tp_del`.
    pub fn has_finalizer(&self, class: Class<'_>) -> bool {
        let has = |slot| !self.slot(class, slot).is_null();
        has(Slot::Finalize) || has(Slot::Del)
    }

    /// The flags of a class.
    pub fn flags(&self, class: Class<'_>) -> Flags {
        // SAFETY: a live class.
        Flags(unsafe { (self.api.PyType_GetFlags)(class.as_type()) })
    }

    /// A class is that other one or derived from it.
    pub fn derives(&self, class: Class<'_>, from: Class<'_>) -> bool {
        self.is_subtype(class, from.0.as_ptr())
    }

    fn is_subtype(&self, class: Class<'_>, from: *mut PyObject) -> bool {
        // SAFETY: two live classes; the GIL is held.
        unsafe { (self.api.PyType_IsSubtype)(class.as_type(), from.cast()) != 0 }
    }

    /// The collector knows the object.
    pub fn is_tracked(&self, object: Ref<'_>) -> bool {
        // SAFETY: a live object; one that cannot be tracked is not.
        unsafe { (self.api.PyObject_GC_IsTracked)(object.as_ptr()) != 0 }
    }

    /// Has a str compute its hash, which it keeps. Any other object is left alone: its hash may run
    /// Python code, or be kept though the object can change (bytes within a BytesIO).
    pub fn fill_hash(&self, object: Ref<'_>) {
        if self.is_text(self.class_of(object)) {
            // SAFETY: a live str, whose hash neither fails nor runs Python code.
            unsafe { (self.api.PyObject_Hash)(object.as_ptr()) };
        }
    }

    /// Has a class choose the tag under which its attributes are cached.
    pub fn fill_version_tag(&self, class: Class<'_>) {
        // SAFETY: a live class; the GIL is held. It answers 0 when it has run out of tags.
        unsafe { (self.api.PyUnstable_Type_AssignVersionTag)(class.as_type()) };
    }

    /// Keys and values of a dict. (`tp_traverse` leaves out keys that are strings.)
    pub fn each_item<E>(
        &self,
        dict: Ref<'gil>,
        mut body: impl FnMut(Ref<'gil>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut position, mut key, mut value) = (0, ptr::null_mut(), ptr::null_mut());
        // SAFETY: the GIL is held and nobody changes the dict meanwhile (see `hold`). It answers 0
        // for what is no dict.
        while unsafe { (self.api.PyDict_Next)(dict.as_ptr(), &mut position, &mut key, &mut value) }
            != 0
        {
            for item in [key, value].into_iter().filter_map(NonNull::new) {
                // SAFETY: the dict holds it.
                body(unsafe { Ref::new(item) })?;
            }
        }
        Ok(())
    }

    /// Everything that an object of this `traverse`'s class refers to.
    pub fn each_reference<'a, E: From<Panicked>>(
        &self,
        object: Ref<'a>,
        traverse: Traverse<'_>,
        body: impl FnMut(Ref<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.class_of(object) != traverse.class {
            return Ok(());
        }
        let mut call = Call::new(body);
        let argument = (&raw mut call).cast();
        // SAFETY: a live object and the function of its class; the callback takes the call.
        unsafe { (traverse.function)(object.as_ptr(), on_reference_for(&call), argument) };
        call.outcome
    }

    /// Every object that the collector of this interpreter knows.
    pub fn each_tracked<E: From<Panicked>>(
        &self,
        body: impl FnMut(Ref<'gil>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut call = Call::new(body);
        let argument = (&raw mut call).cast();
        // SAFETY: the GIL is held; the callback takes the call and allocates no Python object.
        unsafe { (self.api.PyUnstable_GC_VisitObjects)(on_tracked_for(&call), argument) };
        call.outcome
    }

    /// What a code object holds. It has no `tp_traverse`, but its attributes are what it holds.
    pub fn each_part<E>(
        &self,
        gil: &Gil<'_>,
        code: Ref<'gil>,
        mut body: impl FnMut(Ref<'gil>) -> Result<(), E>,
    ) -> Result<(), E> {
        const HELD: [&CStr; 7] = [
            c"co_consts",
            c"co_names",
            c"co_linetable",
            c"co_exceptiontable",
            c"co_filename",
            c"co_name",
            c"co_qualname",
        ];
        if !self.is_code(self.class_of(code)) {
            return Ok(());
        }
        for name in HELD {
            // SAFETY: a live object.
            if let Ok(held) = unsafe { gil.attribute_of(code.as_ptr(), name) } {
                // SAFETY: the code object holds it, too.
                body(unsafe { Ref::new(NonNull::new_unchecked(held.as_ptr())) })?;
            }
        }
        Ok(())
    }

    /// An attribute of a code object, which runs no Python code.
    pub(super) fn attribute<'a>(
        &self,
        gil: &Gil<'a>,
        code: Ref<'_>,
        name: &CStr,
    ) -> Result<PyRef<'a>, PyErr> {
        // SAFETY: a live object.
        unsafe { gil.attribute_of(code.as_ptr(), name) }
    }

    /// The units of bytecode that begin `start` bytes behind the head of a code object.
    pub(super) fn units<'a>(&self, code: Ref<'a>, start: usize) -> Option<Units<'a>> {
        if !self.is_code(self.class_of(code)) || start < size_of::<pyo3_ffi::PyVarObject>() {
            return None;
        }
        // SAFETY: an object of variable size has that third word (`ob_size`), here the count of units.
        let count = unsafe { code.as_ptr().cast::<isize>().add(2).read() };
        // SAFETY: within the object: its class's `__basicsize__`, which `start` is, is where they begin.
        let first = unsafe { code.object.cast::<Unit>().byte_add(start) };
        Some(Units {
            first,
            count: usize::try_from(count).ok()?,
            held: PhantomData,
        })
    }

    /// An item of a tuple.
    pub(super) fn item<'a>(&self, tuple: &'a PyRef<'_>, index: usize) -> Option<Ref<'a>> {
        let index = isize::try_from(index).ok()?;
        // SAFETY: the GIL is held; both look at the class first, and -1 and NULL come with an
        // exception only for what is no tuple.
        unsafe {
            if (self.api.PyTuple_Size)(tuple.as_ptr()) <= index {
                return None;
            }
            let item = NonNull::new((self.api.PyTuple_GetItem)(tuple.as_ptr(), index))?;
            Some(Ref::new(item))
        }
    }
}

/// An instruction, and whatever inline cache follows it, comes in units: operation and argument.
pub(super) type Unit = [u8; 2];

/// The bytecode of a live code object. The interpreter writes there, too, when it runs.
pub(super) struct Units<'a> {
    first: NonNull<Unit>,
    count: usize,
    held: PhantomData<&'a PyObject>,
}

impl Units<'_> {
    /// A unit.
    pub(super) fn get(&self, index: usize) -> Option<Unit> {
        // SAFETY: below the count; the GIL is held.
        (index < self.count).then(|| unsafe { self.first.add(index).read() })
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Unit> + '_ {
        (0..self.count).filter_map(|index| self.get(index))
    }

    /// Replaces the operation of a unit by one of the same length and the same effect.
    pub(super) fn replace(&self, index: usize, operation: u8) {
        if index < self.count {
            // SAFETY: below the count; the GIL is held, so nobody runs or writes it meanwhile.
            unsafe { self.first.add(index).cast::<u8>().write(operation) };
        }
    }
}

/// A Rust closure on its way through C.
struct Call<F, E> {
    body: F,
    outcome: Result<(), E>,
}

impl<'gil, F: FnMut(Ref<'gil>) -> Result<(), E>, E: From<Panicked>> Call<F, E> {
    fn new(body: F) -> Self {
        Self {
            body,
            outcome: Ok(()),
        }
    }

    /// Whether the walk goes on.
    ///
    /// # Safety
    /// `object` is alive; `call` is such a call, which nobody else uses meanwhile.
    unsafe fn run(object: *mut PyObject, call: *mut c_void) -> bool {
        // SAFETY: the caller's promise.
        let (object, call) = unsafe {
            let object = Ref::new(NonNull::new_unchecked(object));
            (object, &mut *call.cast::<Self>())
        };
        call.outcome = guard(Err(Panicked.into()), || (call.body)(object));
        call.outcome.is_ok()
    }
}

/// The callback of `tp_traverse` for such a call: 0 to go on.
fn on_reference_for<'gil, F, E>(_: &Call<F, E>) -> pyo3_ffi::visitproc
where
    F: FnMut(Ref<'gil>) -> Result<(), E>,
    E: From<Panicked>,
{
    unsafe extern "C" fn callback<'gil, F, E>(object: *mut PyObject, call: *mut c_void) -> c_int
    where
        F: FnMut(Ref<'gil>) -> Result<(), E>,
        E: From<Panicked>,
    {
        // SAFETY: an object that another refers to is alive; the call that `each_reference` gave.
        c_int::from(!unsafe { Call::<F, E>::run(object, call) })
    }
    callback::<F, E>
}

/// The callback of the collector's walk for such a call: 1 to go on.
fn on_tracked_for<'gil, F, E>(_: &Call<F, E>) -> OnObject
where
    F: FnMut(Ref<'gil>) -> Result<(), E>,
    E: From<Panicked>,
{
    unsafe extern "C" fn callback<'gil, F, E>(object: *mut PyObject, call: *mut c_void) -> c_int
    where
        F: FnMut(Ref<'gil>) -> Result<(), E>,
        E: From<Panicked>,
    {
        // SAFETY: a tracked object is alive; the call that `each_tracked` gave.
        c_int::from(unsafe { Call::<F, E>::run(object, call) })
    }
    callback::<F, E>
}
