//! The garbage collector of one interpreter, as the module `gc` gives it.

use super::{
    gc_guard,
    interpreter::Gil,
    reference::{PyErr, PyRef},
};
use crate::config::Thresholds;

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
    pub fn thresholds(&self) -> Result<Thresholds, PyErr> {
        let tuple = self.module.call_method(c"get_threshold", &[])?;
        let values: Result<Vec<i32>, PyErr> = tuple
            .items()
            .iter()
            .map(|item| {
                item.as_i64()
                    .map(|value| i32::try_from(value).unwrap_or(i32::MAX))
            })
            .collect();
        Ok(Thresholds::new(&values?).unwrap_or(Thresholds::ZERO))
    }

    /// `gc.set_threshold(..)`; a first threshold of 0 means no automatic collections.
    pub fn set_thresholds(&self, thresholds: &Thresholds) -> Result<(), PyErr> {
        let values: Result<Vec<_>, _> = thresholds
            .values()
            .iter()
            .map(|&value| self.module.gil().int(value))
            .collect();
        let values = values?;
        let arguments: Vec<_> = values.iter().collect();
        gc_guard::as_pycow(|| self.module.call_method(c"set_threshold", &arguments)).map(drop)
    }

    /// `gc.unfreeze()`: what an application froze is tracked like the rest again.
    pub fn unfreeze(&self) -> Result<(), PyErr> {
        gc_guard::as_pycow(|| self.module.call_method(c"unfreeze", &[])).map(drop)
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
