//! What the steps of a workflow are made of: where a condition goes, what happens on failure, how a call says who it is.

use serde::{Deserialize, Serialize};

use crate::{choice::choice, open_enum::open_enum, secret::Secret, tagged_union::tagged_union, time::DurationInput};

tagged_union! {
    /// What happens when a step fails and is not tried again.
    StepFailurePolicy by "action" {
        /// The workflow goes on with another step.
        Goto = "goto" {
            /// The id of that step.
            target: String,
        },
        /// The step is tried again, as the workflow's `retries` say; when that fails too, the run fails.
        Retry = "retry" {},
        /// The step counts as skipped, and what depends on it goes on.
        Skip = "skip" {},
        /// The run is paused until it is retried or resumed.
        Pause = "pause" {},
        /// The run fails.
        Abort = "abort" {},
    }
}

open_enum! {
    /// What happens when the output of a step does not fit its schema.
    ValidationFailurePolicy {
        /// The step is tried again and told what was wrong.
        Retry = "retry",
        /// The step fails.
        Fail = "fail",
        /// The output is kept, and a warning is logged.
        Warn = "warn",
        /// The output is made to fit where that is possible; otherwise the step fails.
        Coerce = "coerce",
    }
}

choice! {
    /// The value of an environment variable of a step.
    StepEnvValue {
        /// The value itself.
        text Literal(Secret),
        /// The name of a secret that has the value.
        object Reference(SecretReference),
    }
}

impl From<&str> for StepEnvValue {
    fn from(text: &str) -> Self {
        Self::Literal(text.into())
    }
}

/// The name of a secret, in the place of its value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// The name of a secret of the session or of the account.
    pub secret_ref: String,
}

choice! {
    /// How a condition goes on.
    BranchTarget {
        /// With the step of this id.
        text Step(String),
        /// With an agent, after a while, or both.
        object Inline(BranchOpts),
    }
}

impl From<&str> for BranchTarget {
    fn from(id: &str) -> Self {
        Self::Step(id.to_owned())
    }
}

impl BranchTarget {
    /// The id of the step that it goes on with, if it names one.
    ///
    /// ```
    /// use theazo_api::BranchTarget;
    ///
    /// assert_eq!(BranchTarget::from("publish").step(), Some("publish"));
    /// ```
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::Step(id) => Some(id),
            Self::Inline(opts) => opts.next.as_deref(),
        }
    }
}

/// How a condition goes on where it does not only name a step. What is given happens in this order: delay, agent, next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BranchOpts {
    /// The agent that is given the run's input as its task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// How long it waits first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<DurationInput>,
    /// The id of the step that it goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

open_enum! {
    /// What happens when an item of a map fails.
    ItemFailurePolicy {
        /// The item's output is null, and the others go on.
        Skip = "skip",
        /// The step fails, and items that have not begun do not.
        Abort = "abort",
        /// The item is tried again, as the workflow's `retries` say; when that fails too, the step fails.
        Retry = "retry",
    }
}

open_enum! {
    /// The HTTP method of a step that calls an address.
    StepHttpMethod {
        /// Reads.
        Get = "GET",
        /// Sends the body.
        Post = "POST",
    }
}

tagged_union! {
    /// How the call of a step says who it is.
    StepAuth by "type" {
        /// By a token in the header `Authorization`.
        Bearer = "bearer" {
            /// The name of a secret that has the token.
            secret_ref: String,
        },
    }
}

open_enum! {
    /// What happens when an event did not come in time: one of these, or the id of the step to go on with.
    WaitTimeout {
        /// The step fails.
        Fail = "fail",
        /// The step counts as skipped, and what depends on it goes on.
        Skip = "skip",
    }
}
