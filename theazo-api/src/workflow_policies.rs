//! What holds for the steps of a workflow together: what they may do and cost, and what happens when one fails.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use crate::{
    check::{Check, Problems},
    money::Cost,
    open_enum::open_enum,
    time::DurationInput,
    workflow_steps::WorkflowStepType,
};

open_enum! {
    /// What happens to a run when a step fails and is not tried again.
    WorkflowFailurePolicy {
        /// The run is paused until it is retried, resumed or cancelled.
        Pause = "pause",
        /// The step is tried again, as `retries` say or 3 times in all; when that fails too, the run fails.
        Retry = "retry",
        /// The step counts as skipped, what depends on it goes on, and the run ends as `partial`.
        Skip = "skip",
        /// The run fails. Steps that are under way are cancelled.
        Abort = "abort",
    }
}

/// What the steps of a workflow may do, and what they may cost. What is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkflowPolicy {
    /// The only tools that agents may use; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_tools: Option<Vec<String>>,
    /// Tools that agents may not use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny_tools: Option<Vec<String>>,
    /// Tools that agents may use only when somebody approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval_for: Option<Vec<String>>,
    /// What each step may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost_per_step: Option<Cost>,
    /// What a run may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_total_cost: Option<Cost>,
    /// How many steps a run may have, with those that planners add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps_total: Option<i64>,
    /// How many steps of a run work at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<i64>,
}

impl Check for WorkflowPolicy {
    fn check(&self, problems: &mut Problems) {
        for tool in self.deny_tools.iter().flatten() {
            if self.allow_tools.iter().flatten().any(|allowed| allowed == tool) {
                problems.add("denyTools", format!("denies `{tool}`, which `allowTools` allows"));
            }
            if self.require_approval_for.iter().flatten().any(|asked| asked == tool) {
                problems.add("denyTools", format!("denies `{tool}`, which `requireApprovalFor` allows when approved"));
            }
        }
        if let Some(max_cost) = &self.max_cost_per_step {
            problems.within("maxCostPerStep", max_cost);
        }
        if let Some(max_cost) = &self.max_total_cost {
            problems.within("maxTotalCost", max_cost);
        }
        check_count(self.max_steps_total, "maxStepsTotal", problems);
        check_count(self.max_parallel, "maxParallel", problems);
    }
}

/// Checks a count of which there must be one at least.
pub(crate) fn check_count(count: Option<i64>, field: &str, problems: &mut Problems) {
    if let Some(count) = count {
        problems.require((1..=1_000_000).contains(&count), field, "must be a whole number from 1 to 1000000");
    }
}

/// How often a failed step is tried again, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RetryConfig {
    /// How often a step is tried in all, the first time included: 1 to 100.
    pub max_attempts: i64,
    /// How long it waits before it is tried again; a second by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<DurationInput>,
    /// How the delay grows; `fixed` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<RetryBackoff>,
}

impl Check for RetryConfig {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            (1..=100).contains(&self.max_attempts),
            "maxAttempts",
            "must be a whole number from 1 to 100; the first try counts",
        );
        if let Some(backoff) = &self.backoff {
            problems.require(!matches!(backoff, RetryBackoff::Other(_)), "backoff", "must be `fixed` or `exponential`");
        }
    }
}

open_enum! {
    /// How the delay between tries grows.
    RetryBackoff {
        /// It stays the same.
        Fixed = "fixed",
        /// It doubles each time.
        Exponential = "exponential",
    }
}

/// What planner steps may do at most. What is absent is not limited here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlannerPolicy {
    /// How many steps a planner may add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<i64>,
    /// The kinds of steps that a planner may add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_step_types: Option<Vec<WorkflowStepType>>,
    /// Whether somebody must approve each plan; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval: Option<bool>,
    /// After how many of a planner's steps somebody must approve that it goes on; never by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_approval_after_steps: Option<i64>,
    /// What the steps of a planner may cost together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_spawned_cost: Option<Cost>,
}

impl Check for PlannerPolicy {
    fn check(&self, problems: &mut Problems) {
        check_count(self.max_steps, "maxSteps", problems);
        check_count(self.require_approval_after_steps, "requireApprovalAfterSteps", problems);
        if let (Some(max), Some(after)) = (self.max_steps, self.require_approval_after_steps) {
            problems.require(
                after <= max,
                "requireApprovalAfterSteps",
                "is larger than `maxSteps`, so that nobody would ever be asked",
            );
        }
        if let Some(types) = &self.allowed_step_types {
            problems.require(!types.is_empty(), "allowedStepTypes", "must name at least one kind of step");
            for unknown in types.iter().filter(|kind| matches!(kind, WorkflowStepType::Other(_))) {
                problems.add("allowedStepTypes", unknown_kind(unknown.as_str()));
            }
        }
        if let Some(max_cost) = &self.max_spawned_cost {
            problems.within("maxSpawnedCost", max_cost);
        }
    }
}

/// What is wrong with a kind of step that this version does not know.
pub(crate) fn unknown_kind(kind: &str) -> String {
    format!("`{kind}` is no kind of step; there are `{}`", WorkflowStepType::KNOWN.join("`, `"))
}

/// Reads what happens on failure, also in the words of the documentation's first revision.
pub(crate) fn failure_policy<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<WorkflowFailurePolicy>, D::Error> {
    let policy = Option::<String>::deserialize(deserializer)?;
    Ok(policy.map(|policy| match policy.as_str() {
        "stop" => WorkflowFailurePolicy::Abort,
        "continue" => WorkflowFailurePolicy::Skip,
        text => WorkflowFailurePolicy::from(text),
    }))
}

/// Reads retries, also as the number that the documentation's first revision has: so many tries after the first.
pub(crate) fn retries<'de, D: Deserializer<'de>, T: From<Option<RetryConfig>>>(deserializer: D) -> Result<T, D::Error> {
    let retries = match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::Number(count) => {
            let tries = count.as_i64().and_then(|count| count.checked_add(1));
            let max_attempts = tries.ok_or_else(|| D::Error::custom("must be a whole number or an object"))?;
            Some(RetryConfig { max_attempts, delay: None, backoff: None })
        }
        object => Some(serde_json::from_value(object).map_err(D::Error::custom)?),
    };
    Ok(retries.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::workflows::{WorkflowCreateOpts, WorkflowUpdateOpts};

    #[test]
    fn failure_and_retries_are_read_in_the_words_of_every_version() {
        let create = |json: Value| serde_json::from_value::<WorkflowCreateOpts>(json).unwrap();
        let clean = json!({ "steps": [], "onFailure": "abort", "retries": { "maxAttempts": 3 } });

        assert_eq!(create(json!({ "steps": [], "onFailure": "stop", "retries": 2 })), create(clean.clone()));
        assert_eq!(serde_json::to_value(create(clean.clone())).unwrap(), clean);
        assert_eq!(
            create(json!({ "steps": [], "onFailure": "continue" })).on_failure,
            Some(WorkflowFailurePolicy::Skip)
        );
        assert_eq!(create(json!({ "steps": [], "retries": null, "onFailure": null })), WorkflowCreateOpts::default());
        assert_eq!(
            create(json!({ "steps": [], "retries": { "maxAttempts": 4, "delay": "5s", "backoff": "exponential" } }))
                .retries,
            Some(RetryConfig {
                max_attempts: 4,
                delay: Some(Duration::from_secs(5).into()),
                backoff: Some(RetryBackoff::Exponential)
            })
        );
    }

    #[test]
    fn an_update_reads_the_same_words_and_null_clears() {
        let update = |json: Value| serde_json::from_value::<WorkflowUpdateOpts>(json).unwrap();

        assert_eq!(update(json!({ "retries": 1 })), update(json!({ "retries": { "maxAttempts": 2 } })));
        assert!(update(json!({})).retries.is_keep());
        assert_eq!(serde_json::to_value(update(json!({ "retries": null }))).unwrap(), json!({ "retries": null }));
        assert_eq!(
            serde_json::to_value(update(json!({ "onFailure": "stop", "policy": null }))).unwrap(),
            json!({ "onFailure": "abort", "policy": null })
        );
    }

    #[test]
    fn retries_of_another_kind_are_refused() {
        let problem = |json: Value| serde_json::from_value::<WorkflowCreateOpts>(json).unwrap_err().to_string();

        assert_eq!(problem(json!({ "steps": [], "retries": 1.5 })), "must be a whole number or an object");
        assert_eq!(problem(json!({ "steps": [], "retries": {} })), "missing field `maxAttempts`");
    }

    #[test]
    fn a_policy_does_not_contradict_itself() {
        let policy = WorkflowPolicy {
            allow_tools: Some(vec!["read_file".to_owned(), "run_code".to_owned()]),
            deny_tools: Some(vec!["run_code".to_owned(), "deploy".to_owned()]),
            require_approval_for: Some(vec!["deploy".to_owned()]),
            max_total_cost: Some(Cost::cents(-5)),
            max_parallel: Some(0),
            ..WorkflowPolicy::default()
        };

        assert_eq!(
            problems(&policy),
            [
                "denyTools: denies `run_code`, which `allowTools` allows",
                "denyTools: denies `deploy`, which `requireApprovalFor` allows when approved",
                "maxTotalCost.amount: must not be negative: it is an integer number of cents",
                "maxParallel: must be a whole number from 1 to 1000000",
            ]
        );
    }

    #[test]
    fn a_planner_policy_can_be_kept() {
        let policy = PlannerPolicy {
            max_steps: Some(3),
            allowed_step_types: Some(vec!["agent".into(), "teleport".into()]),
            require_approval_after_steps: Some(5),
            ..PlannerPolicy::default()
        };

        assert_eq!(
            problems(&policy),
            [
                "requireApprovalAfterSteps: is larger than `maxSteps`, so that nobody would ever be asked",
                "allowedStepTypes: `teleport` is no kind of step; there are `agent`, `parallel`, `condition`, \
                 `transform`, `map`, `delay`, `approval`, `webhook`, `planner`, `wait`",
            ]
        );
    }

    #[test]
    fn retries_are_counted() {
        let retries = RetryConfig { max_attempts: 0, delay: None, backoff: Some("linear".into()) };

        assert_eq!(
            problems(&retries),
            [
                "maxAttempts: must be a whole number from 1 to 100; the first try counts",
                "backoff: must be `fixed` or `exponential`",
            ]
        );
    }

    fn problems(value: &impl Check) -> Vec<String> {
        Problems::of(value).into_iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect()
    }
}
