//! What can be known to be wrong with a step of a workflow taken alone.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    approvals::ApprovalDefault,
    check::{Check, Problems},
    events::check_event,
    sessions::check_agent_name,
    time::DurationInput,
    workflow_policies::{PlannerPolicy, unknown_kind},
    workflow_step_parts::{
        BranchOpts, BranchTarget, ItemFailurePolicy, StepAuth, StepEnvValue, StepFailurePolicy, StepHttpMethod,
        ValidationFailurePolicy,
    },
    workflow_steps::WorkflowStep,
};

/// The step alone: neither the steps inside of it, nor those that it names.
impl Check for WorkflowStep {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            !matches!(self.failure_policy(), Some(StepFailurePolicy::Other(_))),
            "onStepFailure.action",
            "must be `goto`, `retry`, `skip`, `pause` or `abort`",
        );
        problems.require(
            !matches!(self.validation_failure_policy(), Some(ValidationFailurePolicy::Other(_))),
            "onValidationFailure",
            "must be `retry`, `fail`, `warn` or `coerce`",
        );
        check_fields(self, problems);
    }
}

/// What is wrong with the fields of the step's kind.
fn check_fields(step: &WorkflowStep, problems: &mut Problems) {
    match step {
        WorkflowStep::Agent { agent, timeout, env, state_writes, state_reads, .. } => {
            check_agent_name(agent, problems);
            check_length(*timeout, "timeout", problems);
            check_env(env.as_ref(), problems);
            for (field, names) in [("stateWrites", state_writes), ("stateReads", state_reads)] {
                let are_names = names.iter().flatten().all(|name| !name.is_empty());
                problems.require(are_names, field, "must not have an empty name");
            }
        }
        WorkflowStep::Parallel { branches, .. } => {
            problems.require(!branches.is_empty(), "branches", "must have at least one step");
        }
        WorkflowStep::Condition { expression, then, otherwise, .. } => {
            problems.require(!expression.trim().is_empty(), "expression", "must say what is decided");
            problems.require(
                then.is_some() || otherwise.is_some(),
                "then",
                "must say how it goes on, or else `otherwise` must",
            );
            for (field, target) in [("then", then), ("otherwise", otherwise)] {
                if let Some(target) = target {
                    problems.within(field, target);
                }
            }
        }
        WorkflowStep::Transform { expression, .. } => {
            problems.require(!expression.is_empty(), "expression", "must compute at least one value");
            for (name, _) in expression.iter().filter(|(_, value)| value.trim().is_empty()) {
                problems.add(&format!("expression.{name}"), "must not be empty");
            }
        }
        WorkflowStep::Map { over, step, concurrency, on_item_failure, .. } => {
            problems.require(over.starts_with("$."), "over", "must be a reference such as `$.fetch.output.tickets`");
            problems.require(matches!(**step, WorkflowStep::Agent { .. }), "step", "must be an agent step");
            problems.require(step.depends_on().is_empty(), "step.dependsOn", "must be absent: the map is what depends");
            problems.require(
                concurrency.is_none_or(|count| (1..=1000).contains(&count)),
                "concurrency",
                "must be a whole number from 1 to 1000",
            );
            problems.require(
                !matches!(on_item_failure, Some(ItemFailurePolicy::Other(_))),
                "onItemFailure",
                "must be `skip`, `abort` or `retry`",
            );
        }
        WorkflowStep::Delay { duration, .. } => check_length(Some(*duration), "duration", problems),
        WorkflowStep::Approval { action, timeout, default_action, .. } => {
            let is_name = !action.trim().is_empty() && action.len() <= 256;
            problems.require(is_name, "action", "must be 1 to 256 bytes of text");
            check_length(*timeout, "timeout", problems);
            problems.require(
                !matches!(default_action, Some(ApprovalDefault::Other(_))),
                "defaultAction",
                "must be `approve` or `deny`",
            );
        }
        WorkflowStep::Webhook { url, method, headers, auth, timeout, .. } => {
            let is_http = url.starts_with("https://") || url.starts_with("http://");
            problems.require(is_http && url.len() <= 2048, "url", "must be an `https` address of at most 2048 bytes");
            problems.require(!matches!(method, Some(StepHttpMethod::Other(_))), "method", "must be `GET` or `POST`");
            let are_names = headers.iter().flatten().all(|(name, _)| is_header_name(name));
            problems.require(are_names, "headers", "has a name that no header can have");
            match auth {
                Some(StepAuth::Bearer { secret_ref }) => {
                    problems.require(!secret_ref.is_empty(), "auth.secretRef", "must name a secret");
                }
                Some(StepAuth::Other(_)) => problems.add("auth.type", "must be `bearer`"),
                None => {}
            }
            check_length(*timeout, "timeout", problems);
        }
        WorkflowStep::Planner {
            agent,
            max_steps,
            allowed_step_types,
            require_approval,
            require_approval_after_steps,
            max_spawned_cost,
            ..
        } => {
            check_agent_name(agent, problems);
            let own = PlannerPolicy {
                max_steps: *max_steps,
                allowed_step_types: allowed_step_types.clone(),
                require_approval: *require_approval,
                require_approval_after_steps: *require_approval_after_steps,
                max_spawned_cost: max_spawned_cost.clone(),
            };
            own.check(problems);
        }
        WorkflowStep::Wait { event, timeout, on_timeout, .. } => {
            check_event(event, "event", problems);
            check_length(*timeout, "timeout", problems);
            problems.require(
                timeout.is_some() || on_timeout.is_none(),
                "onTimeout",
                "has no effect without a `timeout`",
            );
        }
        WorkflowStep::Other(members) => {
            let kind = members.get("type").and_then(Value::as_str).unwrap_or_default();
            problems.add("type", unknown_kind(kind));
        }
    }
}

fn check_length(duration: Option<DurationInput>, field: &str, problems: &mut Problems) {
    problems.require(duration.is_none_or(|duration| !duration.0.is_zero()), field, "must be longer than nothing");
}

fn check_env(env: Option<&BTreeMap<String, StepEnvValue>>, problems: &mut Problems) {
    for (name, value) in env.into_iter().flatten() {
        let is_name = name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
            && !name.starts_with(|letter: char| letter.is_ascii_digit());
        problems.require(is_name && !name.is_empty(), "env", "must be named by letters, digits and `_`");
        if let StepEnvValue::Reference(reference) = value {
            problems.require(!reference.secret_ref.is_empty(), &format!("env.{name}.secretRef"), "must name a secret");
        }
    }
}

impl Check for BranchTarget {
    fn check(&self, problems: &mut Problems) {
        if let Self::Inline(opts) = self {
            opts.check(problems);
        }
    }
}

impl Check for BranchOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            self.agent.is_some() || self.delay.is_some() || self.next.is_some(),
            "",
            "must have an `agent`, a `delay` or a `next`",
        );
        if let Some(agent) = &self.agent {
            check_agent_name(agent, problems);
        }
        check_length(self.delay, "delay", problems);
    }
}

/// Whether a header can have this name: a token of RFC 9110.
fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&letter))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_has_what_it_needs() {
        let wrong = |kind: &str, fields: Value| {
            let mut step = json!({ "id": "it", "type": kind });
            step.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let step: WorkflowStep = serde_json::from_value(step).unwrap();
            let found = Problems::of(&step).into_iter();
            found.map(|problem| format!("{}: {}", problem.field, problem.message)).collect::<Vec<_>>()
        };

        assert_eq!(
            wrong(
                "agent",
                json!({
                    "agent": " ", "timeout": "0s", "stateReads": [""], "onValidationFailure": "guess",
                    "onStepFailure": { "action": "cry" }, "env": { "1A": "x", "B": { "secretRef": "" } },
                })
            ),
            [
                "onStepFailure.action: must be `goto`, `retry`, `skip`, `pause` or `abort`",
                "onValidationFailure: must be `retry`, `fail`, `warn` or `coerce`",
                "agent: must be 1 to 128 bytes of text",
                "timeout: must be longer than nothing",
                "env: must be named by letters, digits and `_`",
                "env.B.secretRef: must name a secret",
                "stateReads: must not have an empty name",
            ]
        );
        assert_eq!(wrong("parallel", json!({ "branches": [] })), ["branches: must have at least one step"]);
        assert_eq!(
            wrong("condition", json!({ "if": " ", "then": "" })),
            ["expression: must say what is decided", "then: must say how it goes on, or else `otherwise` must"]
        );
        assert_eq!(
            wrong("condition", json!({ "if": "1 > 0", "then": {}, "else": { "agent": "", "delay": 0 } })),
            [
                "then: must have an `agent`, a `delay` or a `next`",
                "otherwise.agent: must be 1 to 128 bytes of text",
                "otherwise.delay: must be longer than nothing",
            ]
        );
        assert_eq!(wrong("transform", json!({ "expression": {} })), ["expression: must compute at least one value"]);
        assert_eq!(wrong("transform", json!({ "expression": { "n": "" } })), ["expression.n: must not be empty"]);
        assert_eq!(
            wrong(
                "map",
                json!({
                    "over": "tickets", "concurrency": 0, "onItemFailure": "weep",
                    "step": { "type": "delay", "duration": "1s", "dependsOn": ["first"] },
                })
            ),
            [
                "over: must be a reference such as `$.fetch.output.tickets`",
                "step: must be an agent step",
                "step.dependsOn: must be absent: the map is what depends",
                "concurrency: must be a whole number from 1 to 1000",
                "onItemFailure: must be `skip`, `abort` or `retry`",
            ]
        );
        assert_eq!(wrong("delay", json!({ "duration": "0s" })), ["duration: must be longer than nothing"]);
        assert_eq!(
            wrong("approval", json!({ "action": "", "timeout": 0, "defaultAction": "shrug" })),
            [
                "action: must be 1 to 256 bytes of text",
                "timeout: must be longer than nothing",
                "defaultAction: must be `approve` or `deny`",
            ]
        );
        assert_eq!(
            wrong(
                "webhook",
                json!({
                    "url": "ftp://example.com", "method": "PUT", "headers": { "a b": "c" }, "auth": { "type": "basic" },
                })
            ),
            [
                "url: must be an `https` address of at most 2048 bytes",
                "method: must be `GET` or `POST`",
                "headers: has a name that no header can have",
                "auth.type: must be `bearer`",
            ]
        );
        assert_eq!(
            wrong(
                "planner",
                json!({
                    "agent": "p", "maxSteps": 0, "allowedStepTypes": [],
                    "maxSpawnedCost": { "amount": -1, "currency": "usd" },
                })
            ),
            [
                "maxSteps: must be a whole number from 1 to 1000000",
                "allowedStepTypes: must name at least one kind of step",
                "maxSpawnedCost.amount: must not be negative: it is an integer number of cents",
            ]
        );
        assert_eq!(
            wrong("wait", json!({ "event": "order paid", "onTimeout": "skip" })),
            [
                "event: must be a name such as `order.paid`: 1 to 128 bytes without spaces",
                "onTimeout: has no effect without a `timeout`",
            ]
        );
        assert_eq!(
            wrong("teleport", json!({})),
            ["type: `teleport` is no kind of step; there are `agent`, `parallel`, `condition`, `transform`, `map`, \
              `delay`, `approval`, `webhook`, `planner`, `wait`"]
        );
    }
}
