//! A call of a tool: who calls, with what, and what the tool may use.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use theazo_api::{AgentId, ErrorCode};

use crate::{
    compute::{ComputeError, Sandbox},
    engine::{Engine, guardrails::blocked_domain, places::without_place},
    error::AppError,
    outbound::{Answer, DomainRules, Limits, OutboundClient, OutboundError, Outgoing, Refusal},
    store::{EventScope, Tenant},
};

/// A call of a tool.
pub struct Call<'a> {
    /// The worker, for its sandboxes.
    pub engine: &'a Engine,
    /// Whose agent calls.
    pub tenant: &'a Tenant,
    /// Which run of which agent calls.
    pub scope: &'a EventScope,
    /// What the model gave.
    pub input: &'a Map<String, Value>,
    /// Which domains the agent may call.
    pub domains: &'a DomainRules,
}

/// Why a tool returned nothing.
#[derive(Debug)]
pub enum Failure {
    /// Something that the model is told and may do something about.
    Told(String),
    /// The agent stands still or has ended. Nothing was done, so it can be done when the agent goes on.
    Postponed,
    /// The sandbox is gone, with what was done in it.
    Lost(String),
}

impl Failure {
    /// Tells the model something.
    pub fn told(message: impl Into<String>) -> Self {
        Self::Told(message.into())
    }
}

impl Call<'_> {
    /// The input as the tool reads it.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        read_input(self.input).map_err(Failure::Told)
    }

    /// The sandbox of the agent.
    pub async fn sandbox(&self) -> Result<Arc<dyn Sandbox>, Failure> {
        self.engine.ensure_sandbox(self.tenant, &self.agent_id()).await.map_err(|error| match error.detail.code {
            ErrorCode::SessionLimitExceeded | ErrorCode::Conflict => Failure::Postponed,
            _ => Failure::Told(error.detail.message),
        })
    }

    /// Reads a file of the sandbox.
    pub async fn read_file(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let sandbox = self.sandbox().await?;
        sandbox.read_file(path.to_owned()).await.map_err(|error| self.failed(&sandbox, error))
    }

    /// Writes a file of the sandbox.
    pub async fn write_file(&self, path: &str, content: Vec<u8>) -> Result<(), Failure> {
        let sandbox = self.sandbox().await?;
        sandbox.write_file(path.to_owned(), content).await.map_err(|error| self.failed(&sandbox, error))
    }

    /// Sends a request to a domain that the agent may call.
    pub async fn send(&self, client: &OutboundClient, request: Outgoing, limits: Limits) -> Result<Answer, Failure> {
        match without_place(client.send(request, self.domains, limits)).await {
            Err(OutboundError::Refused(refusal)) => self.checked(Err(refusal)).await,
            answer => answer.map_err(|error| Failure::told(error.to_string())),
        }
    }

    /// What was checked before it is called. What guardrails do not allow is written down.
    pub async fn checked<T>(&self, checked: Result<T, Refusal>) -> Result<T, Failure> {
        if let Err(Refusal::Domain(domain)) = &checked {
            let reported = self.engine.report_violation(self.tenant, self.scope, blocked_domain(domain)).await;
            reported.map_err(|error| Failure::Told(error.detail.message))?;
        }
        checked.map_err(|refusal| Failure::told(refusal.to_string()))
    }

    /// What the failure of a sandbox means for the call.
    pub fn failed(&self, sandbox: &Arc<dyn Sandbox>, error: ComputeError) -> Failure {
        self.engine.forget_if_gone(&self.agent_id(), sandbox, &error);
        match error {
            ComputeError::Paused => Failure::Postponed,
            ComputeError::Gone => Failure::Lost(AppError::from(error).into_detail().message),
            error => Failure::Told(AppError::from(error).into_detail().message),
        }
    }

    fn agent_id(&self) -> AgentId {
        AgentId::from(self.scope.agent_id.as_str())
    }
}

/// Reads an input, or says what is wrong with it so that a model can do better.
fn read_input<T: DeserializeOwned>(input: &Map<String, Value>) -> Result<T, String> {
    serde_path_to_error::deserialize(Value::Object(input.clone())).map_err(|error| {
        let reason = error.inner().to_string();
        match error.path().to_string().as_str() {
            "." => format!("the input is not right: {reason}"),
            path => format!("the input `{path}` is not right: {reason}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        #[expect(dead_code, reason = "only reading it matters")]
        path: String,
    }

    #[test]
    fn a_model_is_told_what_is_wrong_with_its_input() {
        let problem = |input: Value| read_input::<Input>(input.as_object().expect("it is an object")).unwrap_err();

        assert_eq!(problem(json!({})), "the input is not right: missing field `path`");
        assert_eq!(
            problem(json!({ "path": 7 })),
            "the input `path` is not right: invalid type: integer `7`, expected a string"
        );
        let unknown = problem(json!({ "path": "a", "file": "b" }));
        assert!(unknown.contains("unknown field `file`, expected `path`"), "{unknown}");
    }
}
