//! The options: names, help, values and what is allowed; from text into a [`Config`](super::Config).

use super::{
    option::{Opt, OptionError},
    values::{class, switch, thresholds, whole},
    warmup,
    watching::{INSTANCE, RELOAD_ON_PRIVATE},
    ExitPolicy, ForkPolicy, GcPolicy, Pacing,
};

/// Every option, in the order of `--help`.
pub const OPTIONS: [Opt; 17] = [
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
        help: c"pace the collector in workers under freeze and immortal: auto (default), cpython or A[,B[,C]]",
        is_switch: false,
        allowed: "auto, cpython, or one to three whole numbers, A[,B[,C]], the first above 0",
        apply: |config, value| {
            config.pacing = Some(match value {
                "auto" => Pacing::Auto,
                "cpython" => Pacing::Cpython,
                _ => Pacing::Fixed(thresholds(value)?),
            });
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
        name: c"pycow-mortal",
        help: c"never make objects of a class (module.Class) immortal, may be repeated",
        is_switch: false,
        allowed: "the name of a class with its module, such as package.module.Class",
        apply: |config, value| {
            config.mortal.push(class(value)?);
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
        name: c"pycow-fork",
        help: c"set how workers are forked: cpython (the interpreter is told, default) or host",
        is_switch: false,
        allowed: "cpython or host",
        apply: |config, value| {
            config.fork = match value {
                "cpython" => ForkPolicy::Cpython,
                "host" => ForkPolicy::Host,
                _ => return None,
            };
            Some(())
        },
    },
    Opt {
        name: c"pycow-exit-grace",
        help: c"set how many seconds a worker told to end may go on with its request (default 5)",
        is_switch: false,
        allowed: "a whole number of seconds, 0 to 86400 (0: none)",
        apply: |config, value| {
            config.exit_grace = whole(value).filter(|seconds| *seconds <= 86_400)?;
            Some(())
        },
    },
    Opt {
        name: c"pycow-exit-timeout",
        help: c"set how many seconds the exit hooks may take (default 30, 0: no limit)",
        is_switch: false,
        allowed: "a whole number of seconds, 0 to 86400 (0: no limit)",
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
    Opt {
        name: c"pycow-warmup",
        help: c"serve a path, a URL or module:function before the fork (@file: one a line; repeatable)",
        is_switch: false,
        allowed: warmup::ALLOWED,
        apply: |config, value| {
            config.warmup.extend(warmup::targets(value)?);
            Some(())
        },
    },
    Opt {
        name: c"pycow-warmup-rounds",
        help: c"set how often each pycow-warmup is served (default 2)",
        is_switch: false,
        allowed: "a whole number, 1 to 1000",
        apply: |config, value| {
            config.warmup_rounds = whole(value).filter(|rounds| (1..=1000).contains(rounds))?;
            Some(())
        },
    },
    Opt {
        name: c"pycow-warmup-timeout",
        help: c"set the seconds after which a request of the warm-up is given up (default 30)",
        is_switch: false,
        allowed: "a whole number of seconds, 1 to 86400",
        apply: |config, value| {
            config.warmup_timeout = whole(value).filter(|s| (1..=86_400).contains(s))?;
            Some(())
        },
    },
    Opt {
        name: c"pycow-fork-check",
        help: c"name what is not safe to inherit, before the fork (on by default, except with lazy-apps)",
        is_switch: true,
        allowed: SWITCH,
        apply: |config, value| {
            config.fork_check = Some(switch(value)?);
            Some(())
        },
    },
    RELOAD_ON_PRIVATE,
    INSTANCE,
];

const SWITCH: &str = "true or false";
const TEXTFILE: &str = "the absolute path of a file in a directory that uWSGI may write to";

/// The value of `pycow-textfile` is a path that cannot be written.
pub fn textfile_error(path: &std::path::Path) -> OptionError {
    OptionError {
        option: c"pycow-textfile",
        value: path.display().to_string(),
        allowed: TEXTFILE,
    }
}

/// The configuration that these options make.
#[cfg(test)]
pub(super) fn configured(pairs: &[(&str, &str)]) -> Result<super::Config, OptionError> {
    let mut config = super::Config::default();
    for (name, value) in pairs {
        let option = OPTIONS
            .iter()
            .find(|option| option.name.to_str() == Ok(name))
            .unwrap();
        option.apply(&mut config, value)?;
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Thresholds};

    #[test]
    fn the_last_value_wins() {
        let config = configured(&[("pycow-gc", "off"), ("pycow-gc", "keep")]).unwrap();
        assert_eq!(config.gc, GcPolicy::Keep);
    }

    #[test]
    fn thresholds_are_one_to_three_numbers() {
        let set = |value| configured(&[("pycow-gc-threshold", value)]).map(|c| c.pacing);
        let fixed = |values: &[i32]| Pacing::Fixed(Thresholds::new(values).unwrap());
        assert_eq!(set("50000,20"), Ok(Some(fixed(&[50000, 20]))));
        assert_eq!(set(" 1, 2, 3 "), Ok(Some(fixed(&[1, 2, 3]))));
        assert_eq!(set("auto"), Ok(Some(Pacing::Auto)));
        assert_eq!(set("cpython"), Ok(Some(Pacing::Cpython)));
        for wrong in "|0|-1|+1|1,|1,2,3,4|1;2|x|3000000000|AUTO|auto,10|cpython,10".split('|') {
            assert!(set(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mortal_classes_add_up() {
        let pairs = [("pycow-mortal", "a.B"), ("pycow-mortal", " c.d.E ")];
        assert_eq!(configured(&pairs).unwrap().mortal, ["a.B", "c.d.E"]);
        for wrong in ["", "B", "a.", ".B", "a..B", "a.1", "a b.C", "a.B,c.D"] {
            assert!(configured(&[("pycow-mortal", wrong)]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_switch_is_read_as_uwsgi_reads_it() {
        let ksm = |value| configured(&[("pycow-ksm", value)]).map(|config| config.ksm);
        for on in ["", "true", "on", "yes", "1", "True"] {
            assert_eq!(ksm(on), Ok(true), "{on}");
        }
        for off in ["false", "off", "no", "0"] {
            assert_eq!(ksm(off), Ok(false), "{off}");
        }
        assert!(ksm("2").is_err());
    }

    #[test]
    fn every_option_refuses_nonsense_by_name() {
        // An instance may have that name.
        for option in OPTIONS.iter().filter(|it| it.name != c"pycow-instance") {
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
}
