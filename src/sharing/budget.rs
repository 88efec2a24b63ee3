//! How much of a processor reading may cost.

use std::time::Duration;

/// A share of a core, and what is left of it. What one thing cost is known only after it was done: it may
/// leave a debt, which is paid before the next.
#[derive(Debug)]
pub struct Budget {
    /// Nanoseconds that are earned in a millisecond.
    share: i64,
    /// Nanoseconds that are there at most.
    most: i64,
    left: i64,
    /// When something was last earned, in milliseconds.
    at: i64,
}

impl Budget {
    /// So many nanoseconds a millisecond, and `most` of them at one time, which are there from the beginning.
    pub fn new(share: i64, most: i64, now: i64) -> Self {
        Self {
            share,
            most,
            left: most,
            at: now,
        }
    }

    /// Something may be spent by now.
    pub fn allows(&mut self, now: i64) -> bool {
        let earned = now.saturating_sub(self.at).saturating_mul(self.share);
        self.at = now;
        self.left = self.left.saturating_add(earned).min(self.most);
        self.left > 0
    }

    /// So much was.
    pub fn spend(&mut self, cost: Duration) {
        let cost = i64::try_from(cost.as_nanos()).unwrap_or(i64::MAX);
        self.left = self.left.saturating_sub(cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debt_is_paid_first() {
        let mut budget = Budget::new(4_000, 15_000_000, 100);
        assert!(budget.allows(100));
        budget.spend(Duration::from_millis(14));
        assert!(budget.allows(100));
        budget.spend(Duration::from_millis(5));
        // 4 ms are missing, which takes 1000 times 4 us.
        assert!(!budget.allows(1_100) && budget.allows(1_101));
        // There is never more than that.
        assert!(budget.allows(i64::MAX));
        budget.spend(Duration::from_millis(15));
        assert!(!budget.allows(i64::MAX));
    }
}
