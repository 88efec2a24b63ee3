//! The policies in force: one immutable [`Config`], made from [`options`].

use std::{ffi::CStr, fmt};

#[cfg(test)]
mod documented;
mod option;
pub mod options;
pub mod unknown;
mod values;
mod warmup;
mod watching;
mod without_effect;

/// What is done about the garbage collector (`pycow-gc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcPolicy {
    /// The collector is left alone.
    Keep,
    /// Threshold 0 from the start, in the master and in the workers.
    Off,
    /// Threshold 0 while applications load, `gc.freeze()` before the fork, collections in workers.
    Freeze,
    /// The same, and preloaded objects made immortal where that wins pages (CPython 3.12 to 3.14).
    Immortal,
}

impl GcPolicy {
    /// Preloaded objects leave the collector's sight, and workers collect what they make.
    pub fn freezes(self) -> bool {
        matches!(self, Self::Freeze | Self::Immortal)
    }

    /// As the option spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Off => "off",
            Self::Freeze => "freeze",
            Self::Immortal => "immortal",
        }
    }
}

impl fmt::Display for GcPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a process leaves (`pycow-exit`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitPolicy {
    /// Every hook runs, the interpreter is not torn down.
    Fast,
    /// uWSGI's own way, `Py_Finalize` included.
    Full,
}

impl ExitPolicy {
    /// As the option spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for ExitPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How uWSGI's processes fork (`pycow-fork`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForkPolicy {
    /// The GIL is held and CPython is told.
    Cpython,
    /// uWSGI's own way.
    Host,
}

/// The collector's thresholds, as `gc.set_threshold` takes them; a generation that is not named
/// keeps CPython's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    values: [i32; 3],
    given: usize,
}

impl Thresholds {
    /// No automatic collections.
    pub const ZERO: Self = Self {
        values: [0; 3],
        given: 1,
    };

    /// The first `values`, at most three and at least one.
    pub fn new(values: &[i32]) -> Option<Self> {
        let given = values.len();
        let mut all = [0; 3];
        all.get_mut(..given)?.copy_from_slice(values);
        (given > 0).then_some(Self { values: all, given })
    }

    /// The values given here, over those of `base` where none was given.
    pub fn over(&self, base: &Self) -> Self {
        let mut all = *base;
        all.values[..self.given].copy_from_slice(self.values());
        all.given = all.given.max(self.given);
        all
    }

    /// The values that were given.
    pub fn values(&self) -> &[i32] {
        &self.values[..self.given]
    }
}

impl fmt::Display for Thresholds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, value) in self.values().iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{value}")?;
        }
        Ok(())
    }
}

/// How often workers collect (`pycow-gc-threshold`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pacing {
    /// By CPython's own thresholds, or those that the application set.
    Cpython,
    /// By these.
    Fixed(Thresholds),
    /// Where it pays, by what collections cost and find; thresholds that the application set win.
    Auto,
}

/// The options in force. Built while uWSGI reads its configuration, not changed after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `pycow-gc`
    pub gc: GcPolicy,
    /// `pycow-gc-threshold`, if it was given
    pub pacing: Option<Pacing>,
    /// `pycow-gc-guard`; `None`: by policy, see [`Config::guarded`].
    guard: Option<bool>,
    /// `pycow-mortal`: classes, as `module.Class`.
    pub mortal: Vec<String>,
    /// `pycow-exit`
    pub exit: ExitPolicy,
    /// `pycow-fork`
    pub fork: ForkPolicy,
    /// `pycow-exit-grace`, in seconds; 0: none.
    pub exit_grace: u32,
    /// `pycow-exit-timeout`, in seconds; 0: no limit.
    pub exit_timeout: u32,
    /// `pycow-ksm`
    pub ksm: bool,
    /// `pycow-sample`, in seconds; 0: none.
    pub sample: u32,
    /// `pycow-textfile`, an absolute path.
    pub textfile: Option<String>,
    /// `pycow-warmup`: paths (`/..`), URLs (`http..://..`) and functions (`module:name`), in their
    /// order, without blanks.
    pub warmup: Vec<String>,
    /// `pycow-warmup-rounds`: how often each is served, at least once.
    pub warmup_rounds: u32,
    /// `pycow-warmup-timeout`, in seconds, for one request.
    pub warmup_timeout: u32,
    /// `pycow-fork-check`; `None`: on, unless nothing is inherited, see [`Config::checks_fork`].
    fork_check: Option<bool>,
    /// `pycow-reload-on-private`, in megabytes.
    pub reload_on_private: Option<u32>,
    /// `pycow-instance`
    instance: Option<String>,
    /// The options that were given, by name, in their order.
    given: Vec<&'static CStr>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            gc: GcPolicy::Freeze,
            pacing: None,
            guard: None,
            mortal: Vec::new(),
            exit: ExitPolicy::Fast,
            fork: ForkPolicy::Cpython,
            exit_grace: 5,
            exit_timeout: 30,
            ksm: false,
            sample: 10,
            textfile: None,
            warmup: Vec::new(),
            warmup_rounds: 2,
            warmup_timeout: 30,
            fork_check: None,
            reload_on_private: None,
            instance: None,
            given: Vec::new(),
        }
    }
}

impl Config {
    /// How often workers collect, where the policy wants them to.
    pub fn pacing(&self) -> Pacing {
        self.pacing.unwrap_or(Pacing::Auto)
    }

    /// Code that changes the collector's policy is overruled.
    pub fn guarded(&self) -> bool {
        self.gc != GcPolicy::Keep && self.guard.unwrap_or(self.gc == GcPolicy::Off)
    }

    /// What is not safe to inherit is named. With `lazy-apps` workers inherit no application: then
    /// it is named only if that is asked for.
    pub fn checks_fork(&self, lazy_apps: bool) -> bool {
        self.fork_check.unwrap_or(!lazy_apps)
    }

    /// What tells this instance from others of one host: `pycow-instance`, or the text file's name.
    pub fn instance(&self) -> Option<&str> {
        let of_file = || {
            let name = self.textfile.as_deref()?.rsplit('/').next()?;
            Some(name.strip_suffix(".prom").unwrap_or(name))
        };
        self.instance.as_deref().or_else(of_file)
    }
}
