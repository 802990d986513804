//! How much the programs of one sandbox may report: each report takes room in the log, which belongs to everyone.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How many units come back in a second.
const PER_SECOND: f64 = 500.0;

/// How many units there are at most.
const BURST: f64 = 5_000.0;

/// How many bytes a unit is; a report takes one unit and those of its bytes.
const BYTES_PER_UNIT: usize = 4 << 10;

/// What one sandbox may still report. By the machine's own time: how fast the log fills does not follow a test's clock.
#[derive(Debug)]
pub struct Allowance {
    left: Mutex<(f64, Instant)>,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { left: Mutex::new((BURST, Instant::now())) }
    }
}

impl Allowance {
    /// Takes a report of so many bytes, or says after how long there will be enough again.
    pub fn take(&self, bytes: usize) -> Result<(), Duration> {
        self.take_at(bytes, Instant::now())
    }

    fn take_at(&self, bytes: usize, now: Instant) -> Result<(), Duration> {
        let wanted = 1.0 + (bytes / BYTES_PER_UNIT) as f64;
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, at) = *left;
        let available = (before + now.saturating_duration_since(at).as_secs_f64() * PER_SECOND).min(BURST);
        *left = (available, now);
        if available < wanted {
            return Err(Duration::from_secs_f64((wanted - available) / PER_SECOND));
        }
        left.0 = available - wanted;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_up_comes_back_with_time_and_never_more_than_the_burst() {
        let (allowance, start) = (Allowance::default(), Instant::now());
        let taken_at = |millis| {
            let now = start + Duration::from_millis(millis);
            (0..100_000).take_while(|_| allowance.take_at(100, now).is_ok()).count()
        };

        assert_eq!(taken_at(1_000), 5_000);
        assert_eq!(taken_at(2_000), 500);
        assert_eq!(taken_at(60_000), 5_000);
        let wait = allowance.take_at(4 << 20, start + Duration::from_secs(60)).expect_err("it is large");
        assert_eq!(wait, Duration::from_millis(2_050));
    }
}
