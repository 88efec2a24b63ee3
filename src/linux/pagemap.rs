//! What `/proc/PID/pagemap` says of one page (Documentation/admin-guide/mm/pagemap.rst).

/// The entry of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(pub u64);

impl Entry {
    /// The page has content of its process: in memory, or swapped out.
    pub fn is_there(self) -> bool {
        self.0 & (1 << 63 | 1 << 62) != 0
    }

    /// The page is in memory, and nobody else maps it. (Linux 4.2; no privilege is needed.)
    pub fn is_private(self) -> bool {
        self.0 & 1 << 63 != 0 && self.0 & 1 << 56 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::Entry;

    #[test]
    fn recorded_entries() {
        // Linux 6.1, without CAP_SYS_ADMIN: a shared page, an own one, one of a file, a hole, one in swap.
        let recorded = [
            (0x8080_0000_0000_0000, true, false),
            (0x8180_0000_0000_0000, true, true),
            (0xa000_0000_0000_0000, true, false),
            (0x0000_0000_0000_0000, false, false),
            (0x4000_0000_0000_0c02, true, false),
        ];
        for (entry, there, private) in recorded {
            let entry = Entry(entry);
            assert_eq!((entry.is_there(), entry.is_private()), (there, private));
        }
    }
}
