//! A budget for retries that all calls of a client share, so that an outage is not answered with a storm.

use std::sync::atomic::{AtomicU32, Ordering};

/// A full bucket is worth a hundred retries.
const CAPACITY: u32 = 500;

/// What a retry takes.
const RETRY_COST: u32 = 5;

/// What a call that succeeds at its first attempt gives back.
const SUCCESS_REWARD: u32 = 1;

/// A bucket of tokens: retries take from it, success fills it.
///
/// While most calls succeed it stays full. When nearly all fail, it runs dry, and from then on calls fail at once
/// instead of multiplying the load.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    tokens: AtomicU32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { tokens: AtomicU32::new(CAPACITY) }
    }
}

impl RetryBudget {
    /// Takes the cost of one retry; `false` if there is not enough.
    pub fn take(&self) -> bool {
        self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| tokens.checked_sub(RETRY_COST)).is_ok()
    }

    /// Gives back what a success after a retry had taken, or the small reward of a success at once.
    pub fn reward(&self, retried: bool) {
        let amount = if retried { RETRY_COST } else { SUCCESS_REWARD };
        // A full bucket, the usual case, is only read, so that calls do not fight over a cache line.
        if self.tokens.load(Ordering::Relaxed) < CAPACITY {
            let fill = |tokens: u32| Some((tokens + amount).min(CAPACITY));
            let _ = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fill);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_dry_after_a_hundred_retries_and_success_fills_it() {
        let budget = RetryBudget::default();

        let taken = (0..150).filter(|_| budget.take()).count();
        assert_eq!(taken, 100);

        for _ in 0..4 {
            budget.reward(false);
        }
        assert!(!budget.take());

        budget.reward(false);
        assert!(budget.take());

        budget.reward(true);
        assert!(budget.take());
    }

    #[test]
    fn it_never_holds_more_than_its_capacity() {
        let budget = RetryBudget::default();
        assert!(budget.take());

        for _ in 0..1000 {
            budget.reward(true);
        }

        assert_eq!((0..150).filter(|_| budget.take()).count(), 100);
    }
}
