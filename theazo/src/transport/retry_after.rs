//! How long a server asks to wait, in the spellings of the field.

use std::time::Duration;

use http::{HeaderMap, header::RETRY_AFTER};
use jiff::{Timestamp, fmt::rfc2822};

/// A year, so that a senseless number cannot overflow a sum.
const LONGEST: f64 = 365.0 * 86_400.0;

/// What the headers ask for: `retry-after-ms`, then `Retry-After` as seconds or as a date; `None` where they say nothing
/// that can be understood. A date that has passed asks for no wait.
pub(crate) fn asked_pause(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let millis = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()).map(|millis| millis / 1000.0);
    let seconds = millis.filter(is_sensible).or_else(|| {
        let text = text(RETRY_AFTER.as_str())?;
        text.parse::<f64>().ok().or_else(|| until(text, now)).filter(is_sensible)
    })?;
    Some(Duration::from_secs_f64(seconds.min(LONGEST)))
}

fn is_sensible(seconds: &f64) -> bool {
    seconds.is_finite() && *seconds >= 0.0
}

fn until(date: &str, now: Timestamp) -> Option<f64> {
    let at = rfc2822::parse(date).ok()?.timestamp();
    // HTTP dates have whole seconds, so an exact difference could end up to a second before the server's own tick.
    Some(at.duration_since(now).as_secs_f64().max(0.0).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &str)]) -> Option<u128> {
        let map = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let now = "2026-11-24T09:00:00Z".parse().unwrap();
        asked_pause(&map, now).map(|pause| pause.as_millis())
    }

    #[test]
    fn every_spelling_is_understood() {
        assert_eq!(asked(&[("retry-after", "7")]), Some(7_000));
        assert_eq!(asked(&[("retry-after", "0")]), Some(0));
        assert_eq!(asked(&[("retry-after", " 1.5 ")]), Some(1_500));
        assert_eq!(asked(&[("retry-after-ms", "250")]), Some(250));
        assert_eq!(asked(&[("retry-after", "Tue, 24 Nov 2026 09:00:30 GMT")]), Some(30_000));
    }

    #[test]
    fn milliseconds_go_before_seconds() {
        assert_eq!(asked(&[("retry-after", "7"), ("retry-after-ms", "1200")]), Some(1_200));
        assert_eq!(asked(&[("retry-after", "7"), ("retry-after-ms", "soon")]), Some(7_000));
    }

    #[test]
    fn a_date_that_has_passed_asks_for_no_wait() {
        assert_eq!(asked(&[("retry-after", "Tue, 24 Nov 2026 08:00:00 GMT")]), Some(0));
    }

    #[test]
    fn nonsense_says_nothing() {
        for nonsense in ["", "soon", "-3", "NaN", "inf", "24 Nov"] {
            assert_eq!(asked(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn a_senseless_number_is_cut_to_a_year() {
        assert_eq!(asked(&[("retry-after", "99999999999999999999")]), Some(31_536_000_000));
    }
}
