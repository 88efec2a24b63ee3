//! The garbage collector of one interpreter, as the module `gc` gives it.

use super::{
    gc_methods,
    interpreter::Gil,
    reference::{PyErr, PyRef},
};

/// The collector of the interpreter whose state is current.
pub struct Collector<'a> {
    module: PyRef<'a>,
}

impl<'a> Collector<'a> {
    /// Imports `gc`.
    pub fn current(gil: &Gil<'a>) -> Result<Self, PyErr> {
        Ok(Self {
            module: gil.import(c"gc")?,
        })
    }

    /// `gc.get_threshold()`: 700,10,10 up to 3.12, 2000,10,10 or 2000,10,0 after.
    pub fn thresholds(&self) -> Result<Vec<i32>, PyErr> {
        let tuple = self.module.call_method(c"get_threshold", &[])?;
        let items = tuple.items();
        let values = items.iter().map(PyRef::as_i64);
        values
            .map(|value| Ok(i32::try_from(value?).unwrap_or(i32::MAX)))
            .collect()
    }

    /// `gc.set_threshold(..)` of one to three values; a first one of 0 means no automatic collections.
    pub fn set_thresholds(&self, values: &[i32]) -> Result<(), PyErr> {
        let values = values.iter().map(|&value| self.module.gil().int(value));
        let values: Vec<_> = values.collect::<Result<_, _>>()?;
        let arguments: Vec<_> = values.iter().collect();
        gc_methods::as_pycow(|| self.module.call_method(c"set_threshold", &arguments)).map(drop)
    }

    /// `gc.collect()`: what is garbage now is gone.
    pub fn collect(&self) -> Result<(), PyErr> {
        self.module.call_method(c"collect", &[]).map(drop)
    }

    /// `gc.unfreeze()`: what an application froze is tracked like the rest again.
    pub fn unfreeze(&self) -> Result<(), PyErr> {
        gc_methods::as_pycow(|| self.module.call_method(c"unfreeze", &[])).map(drop)
    }

    /// `gc.freeze()`: what is tracked now is never looked at again, hence never written to.
    ///
    /// Returns how many objects that are. No collection goes before it: that would leave holes,
    /// which the children's new objects would fill, which copies the pages around them.
    pub fn freeze(&self) -> Result<i64, PyErr> {
        self.module.call_method(c"freeze", &[])?;
        self.module.call_method(c"get_freeze_count", &[])?.as_i64()
    }
}
