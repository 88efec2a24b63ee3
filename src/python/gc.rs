//! The garbage collector of one interpreter, as the module `gc` gives it.

use super::{
    gc_guard,
    interpreter::Gil,
    object::{Object, Raised},
};
use crate::config::Thresholds;

/// The collector of the interpreter whose state is current.
pub struct Collector<'a> {
    module: Object<'a>,
}

impl<'a> Collector<'a> {
    /// Imports `gc`.
    pub fn current(gil: &Gil<'a>) -> Result<Self, Raised> {
        Ok(Self {
            module: gil.import(c"gc")?,
        })
    }

    /// `gc.get_threshold()`: 700,10,10 up to 3.12, 2000,10,10 or 2000,10,0 after.
    pub fn thresholds(&self) -> Result<Thresholds, Raised> {
        let tuple = self.module.call_method(c"get_threshold", &[])?;
        let values: Result<Vec<i32>, Raised> = tuple
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
    pub fn set_thresholds(&self, thresholds: &Thresholds) -> Result<(), Raised> {
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
    pub(super) fn unfreeze(&self) -> Result<(), Raised> {
        gc_guard::as_pycow(|| self.module.call_method(c"unfreeze", &[])).map(drop)
    }

    /// `gc.freeze()`: what is tracked now is never looked at again, hence never written to.
    ///
    /// Returns how many objects that are. No collection goes before it: that would leave holes,
    /// which the children's new objects would fill, which copies the pages around them.
    pub fn freeze(&self) -> Result<i64, Raised> {
        self.module.call_method(c"freeze", &[])?;
        self.module.call_method(c"get_freeze_count", &[])?.as_i64()
    }
}
