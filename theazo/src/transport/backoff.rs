//! How long to pause before the next attempt: a pure decision.

use std::time::Duration;

/// The pause before the first retry is at most this long.
const FIRST_CAP: Duration = Duration::from_millis(500);

/// No pause of our own choice is longer.
const LAST_CAP: Duration = Duration::from_secs(8);

/// A server that asks for a longer pause gets no retry at all: whoever called should hear of it now.
pub(crate) const LONGEST_OBEYED: Duration = Duration::from_secs(60);

/// The pause before retry number `retry`, counted from 0; `random` is from 0 to 1.
///
/// Without a word from the server it is anything from nothing to a cap that doubles (full jitter, which spreads a crowd
/// best). A pause that the server asks for is never cut short; a little is added so that a crowd does not come back in
/// the same instant.
pub(crate) fn pause(retry: u32, asked: Option<Duration>, random: f64) -> Duration {
    match asked {
        Some(asked) => asked + asked.mul_f64(0.1 * random),
        None => FIRST_CAP.saturating_mul(2_u32.saturating_pow(retry)).min(LAST_CAP).mul_f64(random),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_doubles_from_half_a_second_to_eight() {
        let longest = [0, 1, 2, 3, 4, 5, 40].map(|retry| pause(retry, None, 1.0).as_millis());

        assert_eq!(longest, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
    }

    #[test]
    fn jitter_is_full() {
        let pauses = [0.0, 0.25, 0.5, 1.0].map(|random| pause(1, None, random).as_millis());

        assert_eq!(pauses, [0, 250, 500, 1000]);
    }

    #[test]
    fn a_pause_that_the_server_asks_for_is_never_cut_short() {
        let asked = Some(Duration::from_secs(20));

        assert_eq!(pause(0, asked, 0.0), Duration::from_secs(20));
        assert_eq!(pause(0, asked, 1.0), Duration::from_secs(22));
    }
}
