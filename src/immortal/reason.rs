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
    /// The end of such an object matters: whoever holds it stays mortal, too.
    pub fn has_owners(self) -> bool {
        self <= Self::Owner
    }
}
