//! The locks that uWSGI's threads share, told from others that are locked in the same object: those of
//! what was linked into it, CPython's GIL where that was a static libpython.

use std::ops::Range;

use crate::symbols::Symbols;

/// Where `struct uwsgi_server uwsgi` lies, whatever its layout: uWSGI keeps the locks of its threads there.
pub struct Locks(Range<usize>);

impl Locks {
    /// Empty where this uWSGI does not say.
    pub fn of(symbols: Symbols) -> Self {
        let state = symbols.variable(c"uwsgi");
        Self(state.map_or(0..0, |(start, size)| {
            let start = start.addr().get();
            start..start.saturating_add(size)
        }))
    }

    /// It is known where they are.
    pub fn are_known(&self) -> bool {
        !self.0.is_empty()
    }

    /// A lock at that address is one of them. Async-signal-safe.
    pub fn have(&self, lock: usize) -> bool {
        self.0.contains(&lock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_the_variable_is_one_of_them() {
        let locks = Locks(0x1000..0x1400);
        assert!(locks.are_known());
        assert!(locks.have(0x1000) && locks.have(0x13d8));
        assert!(!locks.have(0xfff) && !locks.have(0x1400));
    }

    #[test]
    fn without_the_variable_none_is() {
        let locks = Locks::of(Symbols::NONE);
        assert!(!locks.are_known() && !locks.have(0));
    }
}
