//! Why an object stays mortal.

/// Why an object stays mortal. Of several reasons the first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its class has a finalizer (`tp_finalize` or `tp_del`), or frees something of the system when
    /// it goes: files, sockets, generators, classes with `__del__`, mmaps.
    Finalizer,
    /// The operator named its class.
    Named,
    /// A weak reference with a callback waits for its end.
    Awaited,
    /// It is one of few objects of a C class that pycow does not know: nothing is to be won, and the
    /// end of a client or a handle may matter.
    Foreign,
    /// It holds one of those: dropping it may be what ends that.
    Owner,
    /// A link of a linked structure: what is appended later would last as long as the link.
    Linked,
    /// A lock.
    Lock,
    /// A frame holds it: that of a suspended generator, coroutine or greenlet, or of a thread.
    Frame,
}

impl Reason {
    const ALL: [Self; 8] = [
        Self::Finalizer,
        Self::Named,
        Self::Awaited,
        Self::Foreign,
        Self::Owner,
        Self::Linked,
        Self::Lock,
        Self::Frame,
    ];

    /// That of a number below 8 which was made of one (`as u8`).
    pub fn of_tag(tag: u8) -> Self {
        Self::ALL[usize::from(tag)]
    }

    /// The end of such an object matters: whoever holds it stays mortal, too.
    pub fn has_owners(self) -> bool {
        self <= Self::Owner
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn a_reason_comes_back() {
        for (number, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
            assert_eq!(Reason::of_tag(reason as u8), reason);
        }
    }
}
