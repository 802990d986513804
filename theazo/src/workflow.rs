//! Building workflows: steps in the order in which they are to run.
//!
//! ```
//! use std::time::Duration;
//!
//! use theazo::workflow::{agent, approval, condition};
//!
//! # fn example() -> Result<(), theazo::Error> {
//! let definition = theazo::workflow("publish-article")
//!     .timeout(Duration::from_secs(3600))
//!     .step(agent("research", "researcher").task("Find sources about {{ input.topic }}"))
//!     .step(condition("check", "$.research.output.confidence > 0.8").then("write").otherwise("dig-deeper"))
//!     .step(agent("write", "writer").input_map([("facts", "$.research.output")]))
//!     .step(agent("dig-deeper", "researcher").input_map([("known", "$.research.output")]))
//!     .step(approval("sign-off", "publish_article"))
//!     .build()?;
//!
//! assert_eq!(definition.steps[4].depends_on(), ["write", "dig-deeper"]);
//! # Ok(()) }
//! # example().unwrap();
//! ```
//!
//! What is built is a plain [`WorkflowCreateOpts`] for [`workflows.create`](crate::Workflows::create).
//!
//! # Which step comes after which
//!
//! A step that does not say `depends_on` starts when everything before it is done. A step that a condition names starts
//! when that condition is done, so `write` and `dig-deeper` above both follow `check`, and `sign-off` follows them both.
//! To let steps run at the same time, say `depends_on`: with the same step for each of them, or with no step at all to
//! begin at once. [`chain_steps`] is the rule.
//!
//! # When a step fails
//!
//! ```
//! use serde_json::json;
//! use theazo::{
//!     types::{RetryConfig, StepFailurePolicy, ValidationFailurePolicy},
//!     workflow::agent,
//! };
//!
//! # fn example() -> Result<(), theazo::Error> {
//! let definition = theazo::workflow("triage")
//!     .retries(RetryConfig { max_attempts: 3, delay: None, backoff: None })
//!     .step(
//!         agent("classify", "triage")
//!             .output_schema([("type", json!("object")), ("required", json!(["severity"]))])
//!             .on_validation_failure(ValidationFailurePolicy::Retry)
//!             .on_step_failure(StepFailurePolicy::Goto { target: "ask-a-person".to_owned() }),
//!     )
//!     .step(agent("answer", "support"))
//!     .step(agent("ask-a-person", "dispatcher").depends_on(["classify"]))
//!     .build()?;
//! # Ok(()) }
//! # example().unwrap();
//! ```
//!
//! # References
//!
//! `$.input.topic` is a member of the run's input, `$.research.output.title` a part of what the step `research` returned,
//! and in the step of a [`map`] `$.item` is the item. In the task of an agent the input is `{{ input.topic }}`.

use std::collections::BTreeSet;

use theazo_api::{Check, Problems, WorkflowCreateOpts, WorkflowStep, chain_steps};

use crate::error::Error;
pub use crate::generated::workflow_steps::*;

/// Begins a workflow with this name.
///
/// See [the module](mod@crate::workflow) for an example.
pub fn workflow(name: impl Into<String>) -> WorkflowBuilder {
    WorkflowBuilder { definition: WorkflowCreateOpts { name: Some(name.into()), ..WorkflowCreateOpts::default() } }
}

/// A workflow that is being built; made by [`workflow()`].
///
/// Each method takes the builder and gives it back. A clone is a builder of its own, to which steps can be added without
/// changing the other.
///
/// ```
/// use theazo::{
///     types::{Cost, PlannerPolicy, RetryConfig, WorkflowFailurePolicy, WorkflowPolicy},
///     workflow::agent,
/// };
///
/// # fn example() -> Result<(), theazo::Error> {
/// let definition = theazo::workflow("nightly-report")
///     .description("Collects what happened and sends it")
///     .input_schema([("type", "object")])
///     .output_schema([("type", "object")])
///     .policy(WorkflowPolicy { max_total_cost: Some(Cost::cents(500)), ..WorkflowPolicy::default() })
///     .planner_policy(PlannerPolicy { max_steps: Some(10), ..PlannerPolicy::default() })
///     .concurrency(2)
///     .retries(RetryConfig { max_attempts: 3, delay: None, backoff: None })
///     .on_failure(WorkflowFailurePolicy::Pause)
///     .step(agent("collect", "reporter"))
///     .step(agent("send", "mailer"))
///     .build()?;
/// assert_eq!(definition.steps.len(), 2);
/// # Ok(()) }
/// # example().unwrap();
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a workflow is built by `build`"]
pub struct WorkflowBuilder {
    pub(crate) definition: WorkflowCreateOpts,
}

impl WorkflowBuilder {
    /// Adds a step: [`agent`], [`parallel`], [`condition`], [`transform`], [`map`], [`delay`], [`approval`], [`webhook`],
    /// [`planner`] or [`wait`].
    pub fn step(mut self, step: impl Into<WorkflowStep>) -> Self {
        self.definition.steps.push(step.into());
        self
    }

    /// The workflow, with what its steps depend on filled in, and checked as a whole.
    ///
    /// # Errors
    ///
    /// If anything is wrong that shows without running. [`kind`](Error::kind) names the first parameter, for example
    /// `steps.2.dependsOn`, and the message all of them. [`code`](Error::code) is `workflow_circular_dependency` where
    /// steps wait for one another in a circle, and `invalid_request` for the rest: no steps, an id that is there twice, a
    /// step or a reference that is not there, a condition that leads nowhere, a duration of nothing.
    pub fn build(self) -> Result<WorkflowCreateOpts, Error> {
        finish(self.definition)
    }
}

/// Fills in what the steps of a definition depend on where they do not say it, and checks it as a whole: what
/// [`WorkflowBuilder::build`] does, for a definition that comes from elsewhere, for example from a file.
///
/// ```
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let file = r#"{ "name": "daily", "steps": [
///     { "id": "collect", "agent": "reporter" },
///     { "id": "send", "type": "webhook", "url": "https://example.com/report" }
/// ] }"#;
///
/// let definition = theazo::workflow::finish(serde_json::from_str(file)?)?;
///
/// assert_eq!(definition.steps[1].depends_on(), ["collect"]);
/// # Ok(()) }
/// # example().unwrap();
/// ```
///
/// # Errors
///
/// As [`WorkflowBuilder::build`].
pub fn finish(mut definition: WorkflowCreateOpts) -> Result<WorkflowCreateOpts, Error> {
    chain_steps(&mut definition.steps);
    let problems = Problems::of(&definition);
    if problems.is_empty() {
        return Ok(definition);
    }
    // Whoever built the steps knows them by their ids, not by their numbers.
    let numbers: BTreeSet<usize> = problems
        .iter()
        .filter_map(|problem| problem.field.strip_prefix("steps.")?.split('.').next()?.parse().ok())
        .collect();
    let names: Vec<String> = numbers
        .iter()
        .filter_map(|&number| Some((number, definition.steps.get(number)?.id())))
        .filter(|(_, id)| !id.is_empty())
        .map(|(number, id)| format!("`steps.{number}` is `{id}`"))
        .collect();
    let error = Error::refused(definition.refusal(), problems);
    Err(if names.is_empty() { error } else { error.with_hint(names.join(", ")) })
}
