//! Options that were given, and that others leave without effect.

use super::{Config, ExitPolicy, GcPolicy};

impl Config {
    /// A line for each of them.
    pub fn without_effect(&self) -> Vec<String> {
        let cold = self.warmup.is_empty();
        let rows = [
            (
                c"pycow-gc-guard",
                self.gc == GcPolicy::Keep && self.guard == Some(true),
                format!("with pycow-gc = {}", self.gc),
            ),
            (
                c"pycow-gc-threshold",
                !self.gc.freezes(),
                format!("with pycow-gc = {}", self.gc),
            ),
            (
                c"pycow-mortal",
                self.gc != GcPolicy::Immortal,
                format!("with pycow-gc = {}", self.gc),
            ),
            (
                c"pycow-exit-timeout",
                self.exit == ExitPolicy::Full && self.exit_timeout > 0,
                format!("with pycow-exit = {}", self.exit),
            ),
            (
                c"pycow-warmup-rounds",
                cold,
                "without pycow-warmup".to_owned(),
            ),
            (
                c"pycow-warmup-timeout",
                cold,
                "without pycow-warmup".to_owned(),
            ),
            (
                c"pycow-textfile",
                self.sample == 0,
                "with pycow-sample = 0".to_owned(),
            ),
        ];
        let idle = rows
            .into_iter()
            .filter(|(option, is_idle, _)| *is_idle && self.given.contains(option));
        idle.map(|(option, _, beside)| {
            format!("{} has no effect {beside}", option.to_string_lossy())
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::options::configured;

    fn told(pairs: &[(&str, &str)]) -> Vec<String> {
        configured(pairs).unwrap().without_effect()
    }

    #[test]
    fn each_option_without_effect_is_told() {
        let all = told(&[
            ("pycow-gc", "keep"),
            ("pycow-gc-guard", "1"),
            ("pycow-gc-threshold", "9"),
            ("pycow-mortal", "a.B"),
            ("pycow-exit", "full"),
            ("pycow-exit-timeout", "3"),
            ("pycow-warmup-rounds", "2"),
            ("pycow-warmup-timeout", "2"),
            ("pycow-textfile", "/a"),
            ("pycow-sample", "0"),
        ]);
        assert_eq!(
            all,
            [
                "pycow-gc-guard has no effect with pycow-gc = keep",
                "pycow-gc-threshold has no effect with pycow-gc = keep",
                "pycow-mortal has no effect with pycow-gc = keep",
                "pycow-exit-timeout has no effect with pycow-exit = full",
                "pycow-warmup-rounds has no effect without pycow-warmup",
                "pycow-warmup-timeout has no effect without pycow-warmup",
                "pycow-textfile has no effect with pycow-sample = 0",
            ]
        );
    }

    #[test]
    fn what_has_an_effect_or_was_not_given_is_not() {
        let none: [&[(&str, &str)]; 5] = [
            &[],
            &[
                ("pycow-gc-threshold", "9"),
                ("pycow-warmup", "/"),
                ("pycow-warmup-rounds", "3"),
            ],
            &[("pycow-gc", "keep"), ("pycow-gc-guard", "no")],
            &[("pycow-gc", "immortal"), ("pycow-mortal", "a.B")],
            &[
                ("pycow-exit", "full"),
                ("pycow-exit-timeout", "0"),
                ("pycow-sample", "0"),
            ],
        ];
        for pairs in none {
            assert_eq!(told(pairs), [""; 0], "{pairs:?}");
        }
    }
}
