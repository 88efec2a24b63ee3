//! How each CPython marks an immortal object (PEP 683).

/// The first word of an object, on a 64-bit build with the GIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefcountLayout {
    /// The low half of the word is all ones (3.12: Include/object.h, `_Py_IMMORTAL_REFCNT`).
    Saturated,
    /// The low half is 3 << 30 and the lowest flag, at bit 48, is set (3.14: Include/refcount.h and
    /// Include/object.h, `_Py_IMMORTAL_FLAGS`). Without the flag the interpreter takes references on
    /// its stack for counted ones, and the count creeps down.
    Flagged,
}

/// Versions whose layout is known.
///
/// Those that pycow's tests have run, no others: a version that is not here gets `freeze`.
const TABLE: [(&str, RefcountLayout); 3] = [
    ("3.12.", RefcountLayout::Saturated),
    ("3.13.", RefcountLayout::Saturated),
    ("3.14.", RefcountLayout::Flagged),
];

impl RefcountLayout {
    /// The layout of a version such as `3.12.1`.
    pub fn of(version: &str) -> Option<Self> {
        let known = TABLE.iter().find(|(start, _)| version.starts_with(start));
        known.map(|(_, layout)| *layout)
    }

    /// The first word of an object that is to be immortal from now on.
    pub fn marked(self, word: u64) -> u64 {
        const FLAGS: u64 = 0xffff << 48;
        const IMMORTAL: u64 = 1 << 48;
        match self {
            Self::Saturated => 0xffff_ffff,
            Self::Flagged => word & FLAGS | IMMORTAL | 3 << 30,
        }
    }

    /// A mark is where it was put.
    pub fn is_in_place(self, word: u64) -> bool {
        self.marked(word) == word
    }

    /// By how much the count differs from where a mark is put.
    pub fn distance(self, word: u64) -> i32 {
        (word as u32).wrapping_sub(self.marked(word) as u32) as i32
    }

    /// The word is that of an immortal object: the sign of its low half, in every version.
    pub fn is_marked(word: u64) -> bool {
        (word as u32 as i32) < 0
    }
}

#[cfg(test)]
mod tests {
    use super::RefcountLayout;

    #[test]
    fn versions_have_their_layout() {
        assert_eq!(
            RefcountLayout::of("3.12.1"),
            Some(RefcountLayout::Saturated)
        );
        assert_eq!(
            RefcountLayout::of("3.13.0"),
            Some(RefcountLayout::Saturated)
        );
        assert_eq!(RefcountLayout::of("3.14.10"), Some(RefcountLayout::Flagged));
        assert_eq!(RefcountLayout::of("3.11.7"), None);
        assert_eq!(RefcountLayout::of("3.15.0"), None);
        assert_eq!(RefcountLayout::of("3.120.0"), None);
    }

    #[test]
    fn a_marked_word_is_marked() {
        for layout in [RefcountLayout::Saturated, RefcountLayout::Flagged] {
            assert!(!RefcountLayout::is_marked(7));
            assert!(RefcountLayout::is_marked(layout.marked(7)));
        }
        for layout in [RefcountLayout::Saturated, RefcountLayout::Flagged] {
            let mark = layout.marked(1);
            assert!(layout.is_in_place(mark));
            assert!(!layout.is_in_place(mark - 3) && !layout.is_in_place(mark + 3));
            assert_eq!(layout.distance(mark - 3), -3);
            assert_eq!(layout.distance(mark + 3), 3);
        }
        let other_flag = 1 << 50;
        assert_eq!(
            RefcountLayout::Flagged.marked(other_flag | 5),
            0x0005_0000_c000_0000
        );
    }
}
