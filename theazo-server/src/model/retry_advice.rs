//! What a provider says about trying again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// A day, so that a senseless number cannot overflow a sum.
const LONGEST: f64 = 86_400.0;

/// How long to wait, where the headers say so, and whether they forbid to try again.
pub fn retry_advice(headers: &HeaderMap) -> (Option<Duration>, bool) {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let sensible = |seconds: &f64| seconds.is_finite() && *seconds >= 0.0;
    let millis = text("retry-after-ms").and_then(|text| text.parse().ok()).map(|millis: f64| millis / 1000.0);
    let seconds = millis.filter(sensible).or_else(|| {
        let text = text(RETRY_AFTER.as_str())?;
        text.parse().ok().or_else(|| until(text)).filter(sensible)
    });
    let pause = seconds.map(|seconds| Duration::from_secs_f64(seconds.min(LONGEST)));
    (pause, text("x-should-retry") == Some("false"))
}

fn until(date: &str) -> Option<f64> {
    let at = rfc2822::parse(date).ok()?.timestamp();
    let now =
        Timestamp::try_from(SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| UNIX_EPOCH + since)?).ok()?;
    Some(at.duration_since(now).as_secs_f64().max(0.0).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(headers: &[(&'static str, &str)]) -> (Option<Duration>, bool) {
        retry_advice(&headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect())
    }

    #[test]
    fn every_spelling_is_understood() {
        let millis = |millis| (Some(Duration::from_millis(millis)), false);

        assert_eq!(advice(&[("retry-after", "7")]), millis(7_000));
        assert_eq!(advice(&[("retry-after", "1.5")]), millis(1_500));
        assert_eq!(advice(&[("retry-after", "7"), ("retry-after-ms", "250")]), millis(250));
        assert_eq!(advice(&[("retry-after", "Tue, 24 Nov 2020 09:00:30 GMT")]), millis(0));
        assert_eq!(advice(&[("retry-after", "1e300")]), millis(86_400_000));
        assert_eq!(advice(&[("retry-after", "soon"), ("x-should-retry", "false")]), (None, true));
    }
}
