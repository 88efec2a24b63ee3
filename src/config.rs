//! The options: names, help, values and what is allowed; from text to one immutable [`Config`].

use std::{ffi::CStr, fmt};

/// What is done about the garbage collector (`pycow-gc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcPolicy {
    /// The collector is left alone.
    Keep,
    /// Threshold 0 from the start, in the master and in the workers.
    Off,
    /// Threshold 0 while applications load, `gc.freeze()` before the fork, collections in workers.
    Freeze,
    /// The same, and every preloaded object made immortal (CPython 3.12 and later).
    Immortal,
}

impl GcPolicy {
    /// Preloaded objects leave the collector's sight, and workers collect what they make.
    pub fn freezes(self) -> bool {
        matches!(self, Self::Freeze | Self::Immortal)
    }
}

impl GcPolicy {
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

/// The options in force. Built while uWSGI reads its configuration, not changed after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `pycow-gc`
    pub gc: GcPolicy,
    /// `pycow-gc-threshold`; `None`: CPython's own, or what the application set.
    pub thresholds: Option<Thresholds>,
    /// `pycow-gc-guard`; `None`: by policy, see [`Config::guarded`].
    guard: Option<bool>,
    /// `pycow-exit`
    pub exit: ExitPolicy,
    /// `pycow-exit-timeout`, in seconds; 0: no bound.
    pub exit_timeout: u32,
    /// `pycow-ksm`
    pub ksm: bool,
    /// `pycow-sample`, in seconds; 0: none.
    pub sample: u32,
    /// `pycow-textfile`, an absolute path.
    pub textfile: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            gc: GcPolicy::Freeze,
            thresholds: None,
            guard: None,
            exit: ExitPolicy::Fast,
            exit_timeout: 30,
            ksm: false,
            sample: 10,
            textfile: None,
        }
    }
}

impl Config {
    /// Code that changes the collector's policy is overruled.
    pub fn guarded(&self) -> bool {
        self.gc != GcPolicy::Keep && self.guard.unwrap_or(self.gc == GcPolicy::Off)
    }

    /// An option that the policy in force leaves without effect.
    pub fn without_effect(&self) -> Option<&'static str> {
        match self.gc {
            GcPolicy::Keep if self.guard == Some(true) => Some("pycow-gc-guard"),
            GcPolicy::Keep | GcPolicy::Off if self.thresholds.is_some() => {
                Some("pycow-gc-threshold")
            }
            _ => None,
        }
    }

    /// There is a text file to be written, and nothing ever writes it.
    pub fn idle_textfile(&self) -> bool {
        self.textfile.is_some() && self.sample == 0
    }
}

/// A value that an option does not take.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    option: &'static CStr,
    value: String,
    allowed: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            option,
            value,
            allowed,
        } = self;
        let option = option.to_string_lossy();
        write!(
            f,
            "invalid value \"{value}\" for option {option}, allowed: {allowed}"
        )
    }
}

/// One option: what uWSGI shows in `--help`, and what a value does to the configuration.
#[derive(Debug)]
pub struct Opt {
    /// The ini key; `--name` on the command line.
    pub name: &'static CStr,
    /// A line for `--help`.
    pub help: &'static CStr,
    /// `--name` alone means `true`.
    pub is_switch: bool,
    /// What is allowed, for the line that refuses a value.
    allowed: &'static str,
    apply: fn(&mut Config, &str) -> Option<()>,
}

impl Opt {
    /// Puts a value into the configuration; a later one replaces an earlier one.
    pub fn apply(&self, config: &mut Config, value: &str) -> Result<(), Refused> {
        (self.apply)(config, value.trim()).ok_or_else(|| Refused {
            option: self.name,
            value: value.into(),
            allowed: self.allowed,
        })
    }
}

/// Every option, in the order of `--help`.
pub const OPTIONS: [Opt; 8] = [
    Opt {
        name: c"pycow-gc",
        help:
            c"set the policy of Python's garbage collector: keep, off, freeze (default) or immortal",
        is_switch: false,
        allowed: "keep, off, freeze or immortal",
        apply: |config, value| {
            config.gc = match value {
                "keep" => GcPolicy::Keep,
                "off" => GcPolicy::Off,
                "freeze" => GcPolicy::Freeze,
                "immortal" => GcPolicy::Immortal,
                _ => return None,
            };
            Some(())
        },
    },
    Opt {
        name: c"pycow-gc-threshold",
        help: c"set the collector's thresholds in workers under freeze and immortal (A[,B[,C]])",
        is_switch: false,
        allowed: "one to three whole numbers, A[,B[,C]], the first above 0",
        apply: |config, value| {
            config.thresholds = Some(thresholds(value)?);
            Some(())
        },
    },
    Opt {
        name: c"pycow-gc-guard",
        help: c"overrule code that changes the collector's policy, and name it in the log",
        is_switch: true,
        allowed: SWITCH,
        apply: |config, value| {
            config.guard = Some(switch(value)?);
            Some(())
        },
    },
    Opt {
        name: c"pycow-exit",
        help: c"set how workers leave: fast (every hook, no teardown, default) or full",
        is_switch: false,
        allowed: "fast or full",
        apply: |config, value| {
            config.exit = match value {
                "fast" => ExitPolicy::Fast,
                "full" => ExitPolicy::Full,
                _ => return None,
            };
            Some(())
        },
    },
    Opt {
        name: c"pycow-exit-timeout",
        help: c"set how many seconds the exit hooks may take (default 30, 0: no bound)",
        is_switch: false,
        allowed: "a whole number of seconds, 0 to 86400 (0: no bound)",
        apply: |config, value| {
            config.exit_timeout = whole(value).filter(|seconds| *seconds <= 86_400)?;
            Some(())
        },
    },
    Opt {
        name: c"pycow-ksm",
        help: c"ask the kernel to merge equal pages of the workers (Linux 6.4 and newer)",
        is_switch: true,
        allowed: SWITCH,
        apply: |config, value| {
            config.ksm = switch(value)?;
            Some(())
        },
    },
    Opt {
        name: c"pycow-sample",
        help:
            c"set the seconds between two samples of every process's memory (default 10, 0: none)",
        is_switch: false,
        allowed: "a whole number of seconds, 0 to 86400 (0: none)",
        apply: |config, value| {
            config.sample = whole(value).filter(|seconds| *seconds <= 86_400)?;
            Some(())
        },
    },
    Opt {
        name: c"pycow-textfile",
        help: c"write a Prometheus text file after every sample of the master",
        is_switch: false,
        allowed: TEXTFILE,
        apply: |config, value| {
            // uWSGI and applications change the working directory as they start.
            let is_file = value.starts_with('/') && !value.ends_with('/') && !value.contains('\0');
            config.textfile = is_file.then(|| Some(value.to_owned()))?;
            Some(())
        },
    },
];

const SWITCH: &str = "true or false";
const TEXTFILE: &str = "the absolute path of a file in a directory that uWSGI may write to";

/// The value of `pycow-textfile` is a path that cannot be written.
pub fn refused_textfile(path: &str) -> Refused {
    Refused {
        option: c"pycow-textfile",
        value: path.into(),
        allowed: TEXTFILE,
    }
}

/// As uWSGI reads a switch (`uwsgi_opt_true`), but what is neither is refused.
fn switch(value: &str) -> Option<bool> {
    let is = |word: &&str| value.eq_ignore_ascii_case(word);
    if ["true", "on", "yes", "1"].iter().any(is) {
        Some(true)
    } else if ["false", "off", "no", "0"].iter().any(is) {
        Some(false)
    } else {
        None
    }
}

/// Digits only: no sign, no blank.
fn whole<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|c| c.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn thresholds(value: &str) -> Option<Thresholds> {
    let values: Option<Vec<i32>> = value.split(',').map(|part| whole(part.trim())).collect();
    let thresholds = Thresholds::new(&values?)?;
    // 0 would switch collections off: that is the policy `off`, not a threshold.
    (thresholds.values()[0] > 0).then_some(thresholds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(pairs: &[(&str, &str)]) -> Result<Config, Refused> {
        let mut config = Config::default();
        for (name, value) in pairs {
            let option = OPTIONS
                .iter()
                .find(|option| option.name.to_str() == Ok(name))
                .unwrap();
            option.apply(&mut config, value)?;
        }
        Ok(config)
    }

    #[test]
    fn the_last_value_wins() {
        let config = configured(&[("pycow-gc", "off"), ("pycow-gc", "keep")]).unwrap();
        assert_eq!(config.gc, GcPolicy::Keep);
    }

    #[test]
    fn thresholds_are_one_to_three_numbers() {
        let set = |value| configured(&[("pycow-gc-threshold", value)]).map(|c| c.thresholds);
        assert_eq!(set("50000,20").unwrap(), Thresholds::new(&[50000, 20]));
        assert_eq!(set(" 1, 2, 3 ").unwrap(), Thresholds::new(&[1, 2, 3]));
        for wrong in [
            "",
            "0",
            "-1",
            "+1",
            "1,",
            "1,2,3,4",
            "1;2",
            "x",
            "3000000000",
        ] {
            assert!(set(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_option_refuses_nonsense_by_name() {
        for option in &OPTIONS {
            let error = option
                .apply(&mut Config::default(), "nonsense")
                .unwrap_err();
            let line = error.to_string();
            assert!(
                line.contains(option.name.to_str().unwrap()) && line.contains("\"nonsense\""),
                "{line}"
            );
            assert!(line.contains(option.allowed), "{line}");
        }
    }

    #[test]
    fn the_guard_follows_the_policy_unless_told() {
        let guarded = |pairs: &[_]| configured(pairs).unwrap().guarded();
        assert!(!guarded(&[]));
        assert!(guarded(&[("pycow-gc", "off")]));
        assert!(!guarded(&[("pycow-gc", "off"), ("pycow-gc-guard", "no")]));
        assert!(guarded(&[("pycow-gc-guard", "true")]));
        assert!(!guarded(&[
            ("pycow-gc", "keep"),
            ("pycow-gc-guard", "true")
        ]));
    }

    #[test]
    fn what_has_no_effect_is_told() {
        let idle = |pairs: &[_]| configured(pairs).unwrap().without_effect();
        assert_eq!(idle(&[("pycow-gc-threshold", "9")]), None);
        assert_eq!(
            idle(&[("pycow-gc-threshold", "9"), ("pycow-gc", "off")]),
            Some("pycow-gc-threshold")
        );
        assert_eq!(
            idle(&[("pycow-gc-guard", "1"), ("pycow-gc", "keep")]),
            Some("pycow-gc-guard")
        );
    }
}
