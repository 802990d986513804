//! Points in time and durations, in the spellings that the API accepts.
//!
//! ```
//! use std::time::Duration;
//! use theazo_api::{DurationInput, Timestamp, time::human_duration};
//!
//! let nine: Timestamp = "2026-11-24T09:00:00Z".parse()?;
//! let ten = nine.plus(Duration::from_secs(3600));
//! assert_eq!(ten.to_string(), "2026-11-24T10:00:00.000Z");
//! assert_eq!(ten.since(nine), Duration::from_secs(3600));
//! assert_eq!(ten.minus(Duration::from_secs(3600)), nine);
//! assert_eq!((nine.day(), nine.month()), ("2026-11-24".to_owned(), "2026-11".to_owned()));
//! assert_eq!(Timestamp::from_millis(nine.as_millis()), nine);
//!
//! let DurationInput(duration) = "1h 30m".parse()?;
//! assert_eq!(duration, Duration::from_secs(5400));
//! assert_eq!(human_duration(duration), "1h 30m");
//! # Ok::<(), String>(())
//! ```

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time. On the wire it is ISO 8601 in UTC with milliseconds: `2026-11-24T09:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The start of 1970, UTC.
    pub const EPOCH: Self = Self(jiff::Timestamp::UNIX_EPOCH);

    /// A time from milliseconds since the start of 1970; out of range it is clamped.
    pub fn from_millis(millis: i64) -> Self {
        Self(jiff::Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        }))
    }

    /// Milliseconds since the start of 1970.
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// This time and a duration later.
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_add(millis))
    }

    /// This time and a duration earlier.
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_sub(millis))
    }

    /// How long it is from `earlier` to this time; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.as_millis() - earlier.as_millis()).unwrap_or(0))
    }

    /// The day in UTC, `2026-11-24`.
    pub fn day(self) -> String {
        self.0.strftime("%Y-%m-%d").to_string()
    }

    /// The month in UTC, `2026-11`.
    pub fn month(self) -> String {
        self.0.strftime("%Y-%m").to_string()
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl std::str::FromStr for Timestamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("`{text}` is not a time such as `2026-11-24T09:00:00Z`"))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "format": "date-time", "x-theazo-type": "timestamp",
            "description": "ISO 8601 in UTC.", "examples": ["2026-11-24T09:00:00.000Z"],
        })
    }
}

/// A duration in a request: text (`"90s"`, `"1h 30m"`, `"7d"`), an object (`{"minutes": 10}`) or milliseconds (`90000`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurationInput(
    /// The duration itself.
    pub Duration,
);

impl From<Duration> for DurationInput {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl std::str::FromStr for DurationInput {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_duration(text)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a duration such as `90s`, `10m`, `1h 30m` or `7d`"))
    }
}

impl Serialize for DurationInput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}ms", self.0.as_millis()))
    }
}

impl<'de> Deserialize<'de> for DurationInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const FORMS: &str = "a duration: text such as `90s`, an object such as {\"minutes\": 10}, or milliseconds";
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text.parse().map_err(de::Error::custom),
            serde_json::Value::Number(millis) => millis
                .as_f64()
                .and_then(|millis| Duration::try_from_secs_f64(millis / 1000.0).ok())
                .map(Self)
                .ok_or_else(|| de::Error::custom(format!("{millis} is not a number of milliseconds"))),
            serde_json::Value::Object(parts) => {
                let mut seconds = 0.0;
                for (name, value) in &parts {
                    let unit = match name.as_str() {
                        "hours" => 3600.0,
                        "minutes" => 60.0,
                        "seconds" => 1.0,
                        _ => return Err(de::Error::custom(format!("unknown member `{name}` in a duration"))),
                    };
                    let count = value.as_f64().ok_or_else(|| de::Error::custom(format!("`{name}` is not a number")))?;
                    seconds += count * unit;
                }
                Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| de::Error::custom("is not a duration"))
            }
            _ => Err(de::Error::custom(format!("expected {FORMS}"))),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for DurationInput {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DurationInput".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A duration: text such as `90s`, an object such as `{\"minutes\": 10}`, or milliseconds.",
            "anyOf": [
                { "type": "string" },
                { "type": "number" },
                { "type": "object", "properties": {
                    "hours": { "type": "number" }, "minutes": { "type": "number" }, "seconds": { "type": "number" }
                } },
            ],
            "x-theazo-type": "duration",
            "examples": ["90s", 90_000, { "minutes": 10 }],
        })
    }
}

/// Reads `90s`, `1h 30m`, `1.5s`, `500ms`, `7d`; nothing else.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let count: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        seconds += count
            * match &rest[..letters] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = rest[letters..].trim_start();
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// A duration for people, as the API answers it: `57ms`, `4.2s`, `3m 12s`, `2h 5m`, `3d 4h`.
pub fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => {
            let tenths = duration.as_millis() / 100;
            if tenths.is_multiple_of(10) {
                format!("{}s", tenths / 10)
            } else {
                format!("{}.{}s", tenths / 10, tenths % 10)
            }
        }
        60..3600 => two_units(seconds / 60, "m", seconds % 60, "s"),
        3600..86_400 => two_units(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => two_units(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

fn two_units(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit} {small}{small_unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<u128> {
        serde_json::from_str::<DurationInput>(json).ok().map(|duration| duration.0.as_millis())
    }

    #[test]
    fn durations_are_read_in_every_accepted_spelling() {
        assert_eq!(read(r#""90s""#), Some(90_000));
        assert_eq!(read(r#""1h 30m""#), Some(5_400_000));
        assert_eq!(read(r#""1.5s""#), Some(1_500));
        assert_eq!(read(r#""250ms""#), Some(250));
        assert_eq!(read("1500"), Some(1_500));
        assert_eq!(read(r#"{"minutes": 10, "seconds": 1}"#), Some(601_000));
    }

    #[test]
    fn nonsense_is_not_a_duration() {
        for nonsense in [r#""""#, r#""10""#, r#""m""#, r#""-5s""#, "-5", r#"{"days": 1}"#, "true", r#""1..2s""#] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn durations_are_written_for_people() {
        let human = |millis| human_duration(Duration::from_millis(millis));
        assert_eq!(human(57), "57ms");
        assert_eq!(human(3_000), "3s");
        assert_eq!(human(4_250), "4.2s");
        assert_eq!(human(192_000), "3m 12s");
        assert_eq!(human(300_000), "5m");
        assert_eq!(human(7_500_000), "2h 5m");
    }

    #[test]
    fn times_are_iso_8601_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_795_510_800_250).to_string(), "2026-11-24T09:00:00.250Z");
        assert_eq!(Timestamp::from_millis(1_795_510_800_250).day(), "2026-11-24");
    }
}
