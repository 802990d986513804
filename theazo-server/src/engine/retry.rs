//! Whether and when a model that failed is asked again.

use std::time::Duration;

use theazo_api::Timestamp;

use crate::{model::ModelError, random};

/// How often a model is asked for one answer.
const MAX_ATTEMPTS: u32 = 5;

/// The longest pause before the second attempt; it doubles from attempt to attempt.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause that a provider did not ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The longest pause that a provider may ask for; with a longer one the run fails and says so.
const LONGEST_ADVICE: Duration = Duration::from_secs(5 * 60);

/// When a model that failed for the `failures`th time is asked again, if it is.
pub(super) fn next_attempt(error: &ModelError, failures: u32, now: Timestamp) -> Option<Timestamp> {
    let asked = error.retry_after.unwrap_or_default();
    if !error.kind.is_retryable() || failures >= MAX_ATTEMPTS || asked > LONGEST_ADVICE {
        return None;
    }
    let pause = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1)).min(LONGEST_PAUSE);
    // Half of it is left to chance, so that runs that failed together do not come back together.
    let pause = pause.mul_f64(0.5 + random::fraction() / 2.0);
    Some(now.plus(asked.max(pause)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelErrorKind;

    fn pause(kind: ModelErrorKind, failures: u32, advice: Option<u64>) -> Option<u64> {
        let error = ModelError { retry_after: advice.map(Duration::from_secs), ..ModelError::new(kind, "no") };
        let now = Timestamp::from_millis(1_000_000);
        next_attempt(&error, failures, now).map(|time| u64::try_from(time.since(now).as_millis()).unwrap())
    }

    #[test]
    fn pauses_double_and_end_after_five_attempts() {
        for (failures, longest) in [(1, 1_000), (2, 2_000), (3, 4_000), (4, 8_000)] {
            let pause = pause(ModelErrorKind::Overloaded, failures, None).expect("it is tried again");
            assert!((longest / 2..=longest).contains(&pause), "{failures}: {pause}");
        }
        assert_eq!(pause(ModelErrorKind::Overloaded, 5, None), None);
    }

    #[test]
    fn what_the_provider_asks_for_is_obeyed_unless_it_is_too_long() {
        assert_eq!(pause(ModelErrorKind::RateLimited, 1, Some(42)), Some(42_000));
        assert_eq!(pause(ModelErrorKind::RateLimited, 1, Some(301)), None);
    }

    #[test]
    fn what_cannot_pass_is_not_tried_again() {
        assert_eq!(pause(ModelErrorKind::InvalidKey, 1, None), None);
        assert_eq!(pause(ModelErrorKind::ContextTooLong, 1, Some(1)), None);
    }
}
