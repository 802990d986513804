//! The limits of a session: what it may use, how they change, and how far they are used.

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    money::CostLimit,
    patch::Patch,
    time::DurationInput,
};

/// What a session may use. What is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionLimits {
    /// What the user may spend in a period. It is held per user, so that a new session does not reset it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<CostLimit>,
    /// How many agents may exist at once that are neither paused nor ended, one-shot ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_agents: Option<i64>,
    /// How many minutes sandboxes of the session may run in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_compute_minutes: Option<f64>,
    /// How long the session may live; then it is terminated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<DurationInput>,
}

impl Check for SessionLimits {
    fn check(&self, problems: &mut Problems) {
        if let Some(max_cost) = &self.max_cost {
            problems.within("maxCost", max_cost);
        }
        if let Some(max_agents) = self.max_agents {
            problems.require(
                (0..=1_000_000).contains(&max_agents),
                "maxAgents",
                "must be a whole number from 0 to 1000000",
            );
        }
        if let Some(minutes) = self.max_compute_minutes {
            problems.require(
                minutes.is_finite() && (0.0..=1e9).contains(&minutes),
                "maxComputeMinutes",
                "must be a number of minutes that is not negative",
            );
        }
        if let Some(duration) = self.max_duration {
            problems.require(!duration.0.is_zero(), "maxDuration", "must be longer than nothing");
        }
    }
}

/// A change to the limits of a session: what is absent stays, what is null is not limited any more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionLimitsUpdate {
    /// What the user may spend in a period. It is held per user, so that a new session does not reset it.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub max_cost: Patch<CostLimit>,
    /// How many agents may exist at once that are neither paused nor ended, one-shot ones included.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub max_agents: Patch<i64>,
    /// How many minutes sandboxes of the session may run in all.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub max_compute_minutes: Patch<f64>,
    /// How long the session may live; then it is terminated.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub max_duration: Patch<DurationInput>,
}

impl SessionLimitsUpdate {
    /// What the limits are afterwards, if they were `before`.
    ///
    /// ```
    /// use theazo_api::{Patch, SessionLimits, SessionLimitsUpdate};
    ///
    /// let before = SessionLimits { max_agents: Some(3), max_compute_minutes: Some(90.0), ..Default::default() };
    /// let update = SessionLimitsUpdate { max_agents: Patch::Set(5), ..Default::default() };
    /// let after = update.apply(&before);
    /// assert_eq!((after.max_agents, after.max_compute_minutes), (Some(5), Some(90.0)));
    /// ```
    pub fn apply(&self, before: &SessionLimits) -> SessionLimits {
        SessionLimits {
            max_cost: self.max_cost.clone().apply(before.max_cost.clone()),
            max_agents: self.max_agents.apply(before.max_agents),
            max_compute_minutes: self.max_compute_minutes.apply(before.max_compute_minutes),
            max_duration: self.max_duration.apply(before.max_duration),
        }
    }
}

impl Check for SessionLimitsUpdate {
    fn check(&self, problems: &mut Problems) {
        self.apply(&SessionLimits::default()).check(problems);
    }
}

/// The limits that are given are set, and the others stay.
impl From<SessionLimits> for SessionLimitsUpdate {
    fn from(limits: SessionLimits) -> Self {
        Self {
            max_cost: limits.max_cost.map_or(Patch::Keep, Patch::Set),
            max_agents: limits.max_agents.map_or(Patch::Keep, Patch::Set),
            max_compute_minutes: limits.max_compute_minutes.map_or(Patch::Keep, Patch::Set),
            max_duration: limits.max_duration.map_or(Patch::Keep, Patch::Set),
        }
    }
}

/// A cap on spending and how far it is used, in cents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CostLimitStatus {
    /// Cents that may be spent in the period.
    pub limit: i64,
    /// Cents that were spent in the period, rounded half up.
    pub used: i64,
    /// Cents that are left.
    pub remaining: i64,
    /// How much of the limit is used, 0 to 100.
    pub percentage: f64,
    /// The currency, `usd`.
    pub currency: String,
    /// What was spent, exactly, in millionths of a cent.
    #[serde(default)]
    pub used_micro_cents: i64,
    /// What steps in flight have reserved, in millionths of a cent.
    #[serde(default)]
    pub reserved_micro_cents: i64,
}

/// A count and how far it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LimitStatus {
    /// How many there may be.
    pub limit: i64,
    /// How many there are.
    pub used: i64,
    /// How many more there may be.
    pub remaining: i64,
    /// How much of the limit is used, 0 to 100.
    pub percentage: f64,
}

/// Compute minutes and how far they are used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MinutesLimitStatus {
    /// Minutes that sandboxes may run.
    pub limit: f64,
    /// Minutes that sandboxes ran.
    pub used: f64,
    /// Minutes that are left.
    pub remaining: f64,
    /// How much of the limit is used, 0 to 100.
    pub percentage: f64,
}

/// How long a session may be there and how long it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DurationLimitStatus {
    /// Milliseconds that the session may be there.
    pub limit_ms: i64,
    /// Milliseconds since it was created.
    pub used_ms: i64,
    /// Milliseconds that are left.
    pub remaining_ms: i64,
    /// How much of the limit is used, 0 to 100.
    pub percentage: f64,
}

/// The limits of a session and how far they are used; a limit that is not set is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LimitsStatus {
    /// Spending of the user in the present period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<CostLimitStatus>,
    /// Agents that are neither paused nor ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_agents: Option<LimitStatus>,
    /// Minutes that sandboxes of the session ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_compute_minutes: Option<MinutesLimitStatus>,
    /// Time since the session was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<DurationLimitStatus>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::money::Period;

    #[test]
    fn a_limit_is_kept_removed_or_set() {
        let before = SessionLimits {
            max_cost: Some(CostLimit::cents(500, Period::Day)),
            max_agents: Some(3),
            max_compute_minutes: Some(10.5),
            max_duration: None,
        };
        let update: SessionLimitsUpdate =
            serde_json::from_value(json!({ "maxCost": null, "maxAgents": 5, "maxDuration": { "hours": 1 } })).unwrap();

        let after = serde_json::to_value(update.apply(&before)).unwrap();

        assert_eq!(after, json!({ "maxAgents": 5, "maxComputeMinutes": 10.5, "maxDuration": "3600000ms" }));
        assert_eq!(SessionLimitsUpdate::from(before.clone()).apply(&SessionLimits::default()), before);
    }

    #[test]
    fn a_limit_that_is_set_is_checked_and_one_that_is_removed_is_not() {
        let fields = |json| {
            let update: SessionLimitsUpdate = serde_json::from_value(json).unwrap();
            Problems::of(&update).into_iter().map(|problem| problem.field).collect::<Vec<_>>()
        };

        assert_eq!(fields(json!({ "maxCost": { "amount": -1, "period": "day" } })), ["maxCost.amount"]);
        assert_eq!(fields(json!({ "maxCost": null, "maxAgents": null, "maxComputeMinutes": null })), [""; 0]);
    }
}
