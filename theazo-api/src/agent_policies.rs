//! What an agent does by itself: what it asks for, when it pauses, what happens when it fails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    compatible::compatible,
    open_enum::open_enum,
    time::DurationInput,
};

/// What an agent must ask for before it does it.
///
/// The agent waits, without its sandbox, until somebody decides.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ApprovalConfig {
    /// The names of the tools and actions that need an approval.
    pub require: Vec<String>,
    /// How people learn that an approval waits; by `webhook` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_via: Option<ApprovalChannel>,
    /// How long an approval waits before `defaultAction` applies; 24 hours by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
    /// What applies where nobody decides in time; `deny` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_action: Option<ApprovalDefaultAction>,
}

compatible!(ApprovalConfig, accepts { "tools" as "require" });

impl Check for ApprovalConfig {
    fn check(&self, problems: &mut Problems) {
        let names = !self.require.is_empty() && self.require.iter().all(|name| !name.trim().is_empty());
        problems.require(names, "require", "must name at least one tool or action");
        let is_channel = !matches!(self.notify_via, Some(ApprovalChannel::Other(_)));
        problems.require(is_channel, "notifyVia", "must be `webhook`");
        check_duration(self.timeout, "timeout", problems);
        let is_action = !matches!(self.default_action, Some(ApprovalDefaultAction::Other(_)));
        problems.require(is_action, "defaultAction", "must be `approve` or `deny`");
    }
}

fn check_duration(duration: Option<DurationInput>, field: &str, problems: &mut Problems) {
    let is_long = duration.is_none_or(|duration| !duration.0.is_zero());
    problems.require(is_long, field, "must be longer than nothing");
}

open_enum! {
    /// How people learn that an approval waits.
    ApprovalChannel {
        /// By the webhook event `approval.requested`.
        Webhook = "webhook",
    }
}

open_enum! {
    /// What applies where nobody decides on an approval in time.
    ApprovalDefaultAction {
        /// As if somebody had approved.
        Approve = "approve",
        /// As if somebody had denied.
        Deny = "deny",
    }
}

/// What is read out of an agent's answers, as metadata of its runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MetadataExtraction {
    /// What to read out of an answer, by name, for example `sentiment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extract: Option<Vec<String>>,
    /// What else to read out of it: by its name, what it is, in your own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<BTreeMap<String, String>>,
}

impl Check for MetadataExtraction {
    fn check(&self, problems: &mut Problems) {
        let is_named = self.extract.iter().flatten().all(|name| !name.trim().is_empty());
        problems.require(is_named, "extract", "must not have an empty name");
        let is_told = self.custom.iter().flatten().all(|(name, what)| {
            let is_blank = name.trim().is_empty() || what.trim().is_empty();
            !is_blank
        });
        problems.require(is_told, "custom", "must not have an empty name or description");
    }
}

/// When an agent pauses by itself, and what happens when a run fails.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LifecycleConfig {
    /// When the agent pauses by itself; never by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_pause: Option<AutoPause>,
    /// What happens when a run fails; by default nothing: the agent waits for another task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<AgentFailureAction>,
    /// How often a run is tried again where `onFailure` is `retry`; 2 by default, 100 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<i64>,
    /// How long to wait before a run is tried again; 30 seconds by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_delay: Option<DurationInput>,
}

impl Check for LifecycleConfig {
    fn check(&self, problems: &mut Problems) {
        if let Some(auto_pause) = &self.auto_pause {
            problems.within("autoPause", auto_pause);
        }
        let is_action = !matches!(self.on_failure, Some(AgentFailureAction::Other(_)));
        problems.require(is_action, "onFailure", "must be `retry`, `pause` or `terminate`");
        if let Some(max_retries) = self.max_retries {
            let is_count = (0..=100).contains(&max_retries);
            problems.require(is_count, "maxRetries", "must be a whole number from 0 to 100");
        }
    }
}

/// When an agent pauses by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AutoPause {
    /// How long it had nothing to do.
    pub after_idle: DurationInput,
}

impl Check for AutoPause {
    fn check(&self, problems: &mut Problems) {
        check_duration(Some(self.after_idle), "afterIdle", problems);
    }
}

open_enum! {
    /// What happens when a run of an agent fails.
    AgentFailureAction {
        /// The run is tried again.
        Retry = "retry",
        /// The agent is paused.
        Pause = "pause",
        /// The agent is ended.
        Terminate = "terminate",
    }
}

/// How an agent works for hours or days.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LongRunningOpts {
    /// Whether the agent works for that long; true by default, and false leaves the other options without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_running: Option<bool>,
    /// How often a checkpoint is made by itself, if the agent did anything since the last; never by default. The newest ten are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_interval: Option<DurationInput>,
    /// How long the agent may live; then it is ended. No limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<DurationInput>,
    /// How long it must have had nothing to do to hibernate: a snapshot is made and the sandbox goes. Never by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hibernate_after_idle: Option<DurationInput>,
    /// Whether a run goes on from the last checkpoint by itself when its sandbox is lost under it; true by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_resume: Option<bool>,
}

impl Check for LongRunningOpts {
    fn check(&self, problems: &mut Problems) {
        check_duration(self.checkpoint_interval, "checkpointInterval", problems);
        check_duration(self.max_duration, "maxDuration", problems);
        check_duration(self.hibernate_after_idle, "hibernateAfterIdle", problems);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tools_that_need_an_approval_are_accepted_under_both_names() {
        let theirs: ApprovalConfig = serde_json::from_value(json!({ "tools": ["http_request"] })).unwrap();

        assert_eq!(theirs, serde_json::from_value(json!({ "require": ["http_request"] })).unwrap());
        assert_eq!(serde_json::to_value(&theirs).unwrap(), json!({ "require": ["http_request"] }));
    }
}
