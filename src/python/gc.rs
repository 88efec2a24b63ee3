//! The garbage collector of one interpreter, as the module `gc` gives it.

use super::{
    gc_methods,
    interpreter::Gil,
    reference::{PyErr, PyRef},
};

/// The collector of that version (such as `3.14.2`) is incremental: it collects part of the old
/// objects with the young ones, by the second threshold, and ignores the third. (CPython 3.14.0 to
/// 3.14.4; 3.14.5 went back to generations.)
pub fn is_incremental(version: &str) -> bool {
    let patch = version.strip_prefix("3.14.").map(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse()
    });
    matches!(patch, Some(Ok(0..=4u8)))
}

/// CPython's generations.
pub const GENERATIONS: usize = 3;

/// The collections of one generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// How many there were.
    pub collections: u64,
    /// CPU time that they took, in nanoseconds.
    pub nanoseconds: u64,
    /// Objects that they found unreachable.
    pub found: u64,
}

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

    /// The module as it was imported, without running what replaces `__import__`.
    pub fn at_hand(gil: &Gil<'a>) -> Option<Self> {
        gil.imported(c"gc").map(|module| Self { module })
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

    /// Objects that came since the last collection, less those that went: the first of
    /// `gc.get_count()`.
    pub fn young(&self) -> Result<u64, PyErr> {
        let counts = self.module.call_method(c"get_count", &[])?;
        let first = counts.items().first().map_or(Ok(0), PyRef::as_i64)?;
        Ok(u64::try_from(first).unwrap_or(0))
    }

    /// Collections of a generation so far: `gc.get_stats()`.
    pub fn collections(&self, generation: i32) -> Result<u64, PyErr> {
        let gil = self.module.gil();
        let stats = self.module.call_method(c"get_stats", &[])?;
        let oldest = stats.call_method(c"__getitem__", &[&gil.int(generation)?])?;
        let count = oldest
            .item(c"collections")
            .map_or(Ok(0), |it| it.as_i64())?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// `gc.isenabled()`: it was not switched off by `gc.disable`.
    pub fn is_enabled(&self) -> Result<bool, PyErr> {
        let is = self.module.call_method(c"isenabled", &[])?.as_i64()?;
        Ok(is != 0)
    }

    /// How many objects are frozen: `gc.get_freeze_count()`.
    pub fn frozen(&self) -> Result<i64, PyErr> {
        self.module.call_method(c"get_freeze_count", &[])?.as_i64()
    }

    /// A full collection, unless the application switched the collector off (`gc.disable`).
    pub fn collect(&self) {
        // SAFETY: the GIL is held; it keeps the exception that is set, if one is.
        unsafe { (self.module.gil().api.PyGC_Collect)() };
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
        self.frozen()
    }
}

#[cfg(test)]
mod tests {
    use super::is_incremental;

    #[test]
    fn five_versions_are_incremental() {
        for version in ["3.14.0", "3.14.4", "3.14.0rc2"] {
            assert!(is_incremental(version), "{version}");
        }
        for version in ["3.14.5", "3.14.10", "3.13.0", "3.15.0", "3.1"] {
            assert!(!is_incremental(version), "{version}");
        }
    }
}
