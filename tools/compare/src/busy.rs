//! What other programs take of the processors while something is measured.

use std::fs;

/// Time of the processors, in ticks of /proc.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    /// Of all processors, idle or not.
    all: u64,
    /// Spent by any program, the kernel, or another machine on the same host.
    busy: u64,
    /// Spent by this program and by all that it started and that has ended.
    own: u64,
}

impl Watch {
    /// Begins. Without /proc nobody else is ever seen.
    pub fn start() -> Self {
        Self::now().unwrap_or_default()
    }

    /// What others took since then, of all processors, from 0 to 1. What this program started has ended by now.
    pub fn others(&self) -> f64 {
        let Some(now) = Self::now().filter(|_| self.all > 0) else {
            return 0.0;
        };
        let others = (now.busy - self.busy).saturating_sub(now.own.saturating_sub(self.own));
        others as f64 / now.all.saturating_sub(self.all).max(1) as f64
    }

    fn now() -> Option<Self> {
        let machine = fs::read_to_string("/proc/stat").ok()?;
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        Self::parse(&machine, &own)
    }

    /// From the texts of /proc/stat and /proc/self/stat (proc(5)).
    fn parse(machine: &str, own: &str) -> Option<Self> {
        // user nice system idle iowait irq softirq steal; guests are in user already.
        let ticks: Vec<u64> = numbers(machine.lines().next()?.strip_prefix("cpu ")?);
        let all = ticks.get(..8)?.iter().sum();
        let idle = ticks[3] + ticks[4];
        // utime stime cutime cstime, counted from behind the name, which may have blanks.
        let own: Vec<u64> = numbers(own.rsplit_once(')')?.1);
        Some(Self {
            all,
            busy: all - idle,
            own: own.get(11..15)?.iter().sum(),
        })
    }
}

/// What is no number counts as 0.
fn numbers(text: &str) -> Vec<u64> {
    let words = text.split_whitespace();
    words.map(|word| word.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        let machine = "cpu  10 20 30 400 50 6 7 8 9 9\ncpu0 1 1\n";
        let own = "77 (a) name) S 1 77 77 0 -1 4194304 100 200 0 0 5 6 70 80 20 0 1 0 99\n";
        let watch = Watch::parse(machine, own).unwrap();
        assert_eq!((watch.all, watch.busy, watch.own), (531, 81, 161));
        assert!(Watch::parse("cpu 1 2", own).is_none());
    }

    #[test]
    fn a_share_is_a_share() {
        let watch = Watch::start();
        assert!((0.0..=1.0).contains(&watch.others()));
        assert_eq!(Watch::default().others(), 0.0);
    }
}
