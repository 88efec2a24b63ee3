//! What does not change while an instance runs: versions, and the policy in force.

/// Versions and policy.
#[derive(Clone, Copy, Debug)]
pub struct InstanceInfo<'a> {
    /// pycow's version.
    pub pycow: &'a str,
    /// uWSGI's.
    pub uwsgi: &'a str,
    /// CPython's.
    pub python: &'a str,
    /// `pycow-gc` in force: `freeze` where `immortal` was asked for and cannot be.
    pub gc: &'a str,
    /// `pycow-gc-guard`
    pub guarded: bool,
    /// `pycow-exit`
    pub exit: &'a str,
    /// `pycow-exit-timeout`, in seconds; 0: no bound, as where `pycow-exit` is `full`.
    pub exit_timeout: u32,
    /// `pycow-ksm`
    pub ksm: bool,
    /// `pycow-sample`, in seconds; 0: none.
    pub sample: u32,
    /// Objects that left the collector's sight.
    pub frozen: u64,
    /// Objects made immortal.
    pub immortal: u64,
}

#[cfg(test)]
pub(super) const EXAMPLE: InstanceInfo<'static> = InstanceInfo {
    pycow: "0.1.0",
    uwsgi: "2.0.31",
    python: "3.11.2 (\"odd\\\n)",
    gc: "freeze",
    guarded: false,
    exit: "fast",
    exit_timeout: 30,
    ksm: true,
    sample: 10,
    frozen: 12_345,
    immortal: 0,
};
