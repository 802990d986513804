//! Metrics: numbers about the account, now and over time.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    endpoint::endpoints,
    money::Cost,
    open_enum::open_enum,
    time::{DurationInput, Timestamp},
};

endpoints! {
    /// Sums up how the account does right now.
    GetMetricsSummary: Get "/v1/metrics/summary" => "metrics.summary",
        response: MetricsSummary;

    /// Reports one metric over time, the oldest point first; intervals without a measurement are there too.
    QueryMetrics: Get "/v1/metrics" => "metrics.query",
        query: MetricQueryOpts, response: Vec<MetricDataPoint>,
        with { positional: &["metric"] };
}

/// How the account does right now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MetricsSummary {
    /// Agents that are neither paused nor ended.
    pub active_agents: i64,
    /// Sessions that are active.
    pub active_sessions: i64,
    /// Agents that were created since midnight, UTC.
    pub agents_created_today: i64,
    /// The part of the runs since midnight, UTC, that failed, 0 to 1.
    pub error_rate: f64,
    /// What was spent since midnight, UTC.
    pub cost_today: Cost,
}

open_enum! {
    /// What is measured.
    MetricName {
        /// Agents that are neither paused nor ended.
        AgentsActive = "agents.active",
        /// How long sandboxes take until they are ready, in milliseconds.
        AgentsBootTime = "agents.boot_time",
        /// What was spent, in cents, with fractions of a cent.
        CostTotal = "cost.total",
        /// The part of the runs that failed, 0 to 1.
        ErrorRate = "error_rate",
        /// How long runs take, in milliseconds.
        Latency = "latency",
    }
}

/// Which metric to report, and over which time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MetricQueryOpts {
    /// The metric.
    pub metric: MetricName,
    /// From when; a day before `until` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Until when; now by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How much time each point is of: a whole number of minutes, 1 hour by default. There are at most 10,000 points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<DurationInput>,
    /// Only what has these tags, as `name:value` with commas between them: `provider:local,agent:researcher`.
    ///
    /// The tags are `session`, `user`, `agent`, `model` and `provider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<String>,
}

impl Check for MetricQueryOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(!self.metric.as_str().trim().is_empty(), "metric", "must name a metric");
        let interval = self.interval.map(|interval| interval.0.as_millis());
        if let Some(interval) = interval {
            problems.require(
                interval >= 60_000 && interval.is_multiple_of(60_000),
                "interval",
                "must be a whole number of minutes, such as `1m`, `5m`, `1h` or `1d`",
            );
        }
        if let (Some(since), Some(until)) = (self.since, self.until) {
            problems.require(since < until, "until", "must be later than `since`");
            let points = until.since(since).as_millis() / interval.unwrap_or(3_600_000).max(1);
            problems.require(points <= 10_000, "interval", "makes more than 10000 points; choose a longer one");
        }
        if let Some(tags) = &self.tags {
            let is_tag = |tag: &str| {
                tag.split_once(':').is_some_and(|(name, value)| !name.trim().is_empty() && !value.trim().is_empty())
            };
            problems.require(tags.split(',').all(is_tag), "tags", "must be like `provider:local,agent:researcher`");
        }
    }
}

/// A metric in one interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MetricDataPoint {
    /// When the interval begins.
    pub timestamp: Timestamp,
    /// The value: of a duration the mean, of a count the last one, of an amount the sum; null if nothing was measured.
    #[serde(default)]
    pub value: Option<f64>,
    /// What half of the measurements were at most; null for what is no duration, and if nothing was measured.
    #[serde(default)]
    pub p50: Option<f64>,
    /// What 95 percent of the measurements were at most; null as `p50` is.
    #[serde(default)]
    pub p95: Option<f64>,
    /// What 99 percent of the measurements were at most; null as `p50` is.
    #[serde(default)]
    pub p99: Option<f64>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_query_has_whole_minutes_and_not_too_many_points() {
        let fields = |json: Value| {
            let opts: MetricQueryOpts = serde_json::from_value(json).unwrap();
            Problems::of(&opts).into_iter().map(|problem| problem.field).collect::<Vec<_>>()
        };
        let (since, until) = ("2026-11-01T00:00:00Z", "2026-11-24T00:00:00Z");

        assert_eq!(fields(json!({ "metric": "latency", "since": since, "until": until, "interval": "1d" })), [""; 0]);
        assert_eq!(fields(json!({ "metric": "latency", "tags": "agent:researcher,provider:local" })), [""; 0]);
        assert_eq!(fields(json!({ "metric": "latency", "interval": "90s", "tags": "agent" })), ["interval", "tags"]);
        assert_eq!(fields(json!({ "metric": "latency", "since": until, "until": since })), ["until"]);
        assert_eq!(
            fields(json!({ "metric": "latency", "since": since, "until": until, "interval": "1m" })),
            ["interval"]
        );
    }
}
