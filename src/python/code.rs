//! Bytecode as it lies in a code object: which instructions count references without a look at the
//! mark, and how they are replaced.
//!
//! CPython 3.14 has one: `LOAD_CONST` becomes `LOAD_CONST_MORTAL` when it runs for the first time
//! and its constant is mortal then (Python/bytecodes.c). It adds a reference whatever the count says,
//! while the drop looks: a constant that was marked later would gain one an execution, until its
//! count overflows. Its twin `LOAD_CONST_IMMORTAL` counts nothing.

use std::{ffi::CStr, marker::PhantomData, ptr::NonNull};

use pyo3_ffi::PyObject;

use super::{
    heap::Heap,
    interpreter::Gil,
    object::Ref,
    reference::{PyErr, PyRef},
};

/// Asks the running interpreter: nothing of this is the same in two versions. `lengths`: units of
/// each opcode with its caches; 0 where the opcode hides another one, as line events do.
const ASK: &CStr = c"
import opcode, types
special = getattr(opcode, '_specialized_opmap', {})
mortal, immortal = special.get('LOAD_CONST_MORTAL', 0), special.get('LOAD_CONST_IMMORTAL', 0)
extended, start, lengths = opcode.opmap['EXTENDED_ARG'], types.CodeType.__basicsize__, bytearray(256)
if mortal and immortal:
    caches = opcode._inline_cache_entries
    for name, code in opcode.opmap.items():
        if code < 256:
            lengths[code] = 1 + caches.get(name.removeprefix('INSTRUMENTED_'), 0)
    for name, variants in opcode._specializations.items():
        for variant in variants:
            lengths[special[variant]] = 1 + caches.get(name, 0)
    for name in 'INSTRUMENTED_LINE', 'INSTRUMENTED_INSTRUCTION', 'ENTER_EXECUTOR':
        lengths[opcode.opmap.get(name, 0)] = 0
    lengths[opcode.opmap['CACHE']] = 1
lengths = bytes(lengths)
def sample():
    return [sample, 'text', 1.5]
sample()
";

/// Where and how the instructions of this interpreter lie.
pub struct Bytecode {
    /// Offset of the first unit in a code object, in bytes.
    start: usize,
    lengths: Vec<u8>,
    mortal: u8,
    immortal: u8,
    extended: u8,
}

impl Bytecode {
    /// Asks the interpreter. `None` where it has no instruction that needs to be replaced; an error
    /// also where code objects do not look as expected.
    pub fn ask(gil: &Gil<'_>, heap: &Heap<'_>) -> Result<Option<Self>, PyErr> {
        let names = gil.dict()?;
        gil.import(c"builtins")?
            .call_method(c"exec", &[&gil.text(ASK)?, &names])?;
        let item = |name| {
            let item = names.item(name);
            item.ok_or_else(|| PyErr("the names of the bytecode are gone".into()))
        };
        let number = |name| item(name)?.as_i64();
        let code = |name| Ok::<_, PyErr>(u8::try_from(number(name)?).unwrap_or(0));
        let bytecode = Self {
            start: usize::try_from(number(c"start")?).unwrap_or(0),
            lengths: item(c"lengths")?.bytes(),
            mortal: code(c"mortal")?,
            immortal: code(c"immortal")?,
            extended: code(c"extended")?,
        };
        if bytecode.mortal == 0 || bytecode.immortal == 0 {
            return Ok(None);
        }
        let sample = item(c"sample")?.attribute(c"__code__")?;
        let expected = sample.attribute(c"_co_code_adaptive")?.bytes();
        let found: Option<Vec<u8>> = heap
            .units(sample.borrow(), bytecode.start)
            .map(|units| units.iter().flatten().collect());
        if bytecode.lengths.len() != 256 || found.as_ref() != Some(&expected) {
            return Err(PyErr("code objects do not look as expected".into()));
        }
        Ok(Some(bytecode))
    }

    /// Has the instructions that load a marked constant count nothing.
    pub fn trust_marks(&self, gil: &Gil<'_>, heap: &Heap<'_>, code: Ref<'_>) -> Result<(), PyErr> {
        let Some(units) = heap.units(code, self.start) else {
            return Ok(());
        };
        if !units.iter().any(|[operation, _]| operation == self.mortal) {
            return Ok(());
        }
        let constants = heap.attribute(gil, code, c"co_consts")?;
        // What stands below an instruction that hides another one.
        let mut below: Option<Vec<u8>> = None;
        let (mut at, mut argument) = (0, 0usize);
        while let Some([operation, low]) = units.get(at) {
            argument = argument << 8 | usize::from(low);
            if operation == self.mortal {
                let constant = heap.item(&constants, argument);
                if constant.is_some_and(|constant| heap.is_immortal(constant)) {
                    units.replace(at, self.immortal);
                }
            }
            if operation != self.extended {
                argument = 0;
            }
            let mut units_here = self.lengths[usize::from(operation)];
            if units_here == 0 {
                if below.is_none() {
                    below = Some(heap.attribute(gil, code, c"co_code")?.bytes());
                }
                let hidden = below.as_ref().and_then(|code| code.get(2 * at));
                units_here = hidden.map_or(0, |&hidden| self.lengths[usize::from(hidden)]);
                // A hidden EXTENDED_ARG belongs to what follows.
                if hidden == Some(&self.extended) {
                    argument = usize::from(low);
                }
            }
            if units_here == 0 {
                return Err(PyErr(format!(
                    "the length of opcode {operation} is not known"
                )));
            }
            at += usize::from(units_here);
        }
        Ok(())
    }
}

impl Heap<'_> {
    /// An attribute of a code object, which runs no Python code.
    fn attribute<'a>(&self, gil: &Gil<'a>, code: Ref<'_>, name: &CStr) -> Result<PyRef<'a>, PyErr> {
        // SAFETY: a live object.
        unsafe { gil.attribute_of(code.as_ptr(), name) }
    }

    /// The units of bytecode that begin `start` bytes behind the head of a code object.
    fn units<'a>(&self, code: Ref<'a>, start: usize) -> Option<Units<'a>> {
        if !self.is_code(self.class_of(code)) || start < size_of::<pyo3_ffi::PyVarObject>() {
            return None;
        }
        // SAFETY: an object of variable size has that third word (`ob_size`), here the count of units.
        let count = unsafe { code.as_ptr().cast::<isize>().add(2).read() };
        // SAFETY: within the object: its class's `__basicsize__`, which `start` is, is where they begin.
        let first = unsafe { code.as_ptr().cast::<Unit>().byte_add(start) };
        Some(Units {
            first: NonNull::new(first)?,
            count: usize::try_from(count).ok()?,
            held: PhantomData,
        })
    }
}

/// An instruction, and whatever inline cache follows it, comes in units: operation and argument.
type Unit = [u8; 2];

/// The bytecode of a live code object. The interpreter writes there, too, when it runs.
struct Units<'a> {
    first: NonNull<Unit>,
    count: usize,
    held: PhantomData<&'a PyObject>,
}

impl Units<'_> {
    /// A unit.
    fn get(&self, index: usize) -> Option<Unit> {
        // SAFETY: below the count; the GIL is held.
        (index < self.count).then(|| unsafe { self.first.add(index).read() })
    }

    /// All of them.
    fn iter(&self) -> impl Iterator<Item = Unit> + '_ {
        (0..self.count).filter_map(|index| self.get(index))
    }

    /// Replaces the operation of a unit by one of the same length and the same effect.
    fn replace(&self, index: usize, operation: u8) {
        if index < self.count {
            // SAFETY: below the count; the GIL is held, so nobody runs or writes it meanwhile.
            unsafe { self.first.add(index).cast::<u8>().write(operation) };
        }
    }
}
