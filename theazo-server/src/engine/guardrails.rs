//! The guardrails of a run, as they are at each step, and what is written down where one holds something back.

use theazo_api::{
    GuardrailAction, GuardrailConfig, GuardrailSeverity, GuardrailViolation, GuardrailViolationType, ViolationId,
};

use super::Engine;
use crate::{
    app::{App, guardrails_of},
    error::{AppError, AppResult},
    event::Event,
    guardrail_records::ViolationRecord,
    outbound::DomainRules,
    random,
    records::{AgentRecord, RunRecord},
    store::{EventScope, Tenant},
};

/// Something that a guardrail held back.
pub(super) struct Violation {
    pub kind: GuardrailViolationType,
    pub severity: GuardrailSeverity,
    pub action: GuardrailAction,
    /// What happened, without what was found.
    pub message: String,
}

impl Engine {
    /// The guardrails that hold for an agent now.
    pub(super) fn guardrails(&self, tenant: &Tenant, agent: &AgentRecord) -> AppResult<GuardrailConfig> {
        self.app.store.read(|view| guardrails_of(view, tenant, agent))
    }

    /// Writes down what a guardrail held back, where it can be listed and where logs show it.
    pub(super) async fn report_violation(
        &self,
        tenant: &Tenant,
        scope: &EventScope,
        violation: Violation,
    ) -> AppResult<()> {
        record_violation(&self.app, tenant, scope, violation).await
    }

    /// Writes down that something was replaced in what a model wrote.
    pub(super) async fn report_redactions(&self, tenant: &Tenant, run: &RunRecord, count: usize) -> AppResult<()> {
        if count == 0 {
            return Ok(());
        }
        let violation = Violation {
            kind: GuardrailViolationType::PiiDetected,
            severity: GuardrailSeverity::High,
            action: GuardrailAction::Redacted,
            message: format!("{count} pieces of personal data, keys or tokens were replaced in an answer"),
        };
        self.report_violation(tenant, &run.scope(), violation).await
    }
}

/// Writes down what a guardrail held back.
pub(super) async fn record_violation(
    app: &App,
    tenant: &Tenant,
    scope: &EventScope,
    violation: Violation,
) -> AppResult<()> {
    let now = app.clock.now();
    let data = GuardrailViolation {
        id: ViolationId::from_suffix(random::id_suffix(now)),
        agent_id: scope.agent_id.as_str().into(),
        session_id: Some(scope.session_id.as_str().into()),
        run_id: (!scope.run_id.is_empty()).then(|| scope.run_id.as_str().into()),
        r#type: violation.kind,
        severity: Some(violation.severity),
        action: Some(violation.action),
        message: violation.message,
        timestamp: now,
    };
    let (tenant, scope) = (tenant.clone(), scope.clone());
    app.store
        .write(move |tx| {
            let record = ViolationRecord { data: data.clone(), user_id: scope.user_id.clone() };
            tx.insert(&tenant, &record)?;
            tx.append(&tenant, now, &scope, &Event::GuardrailViolated { violation: data })?;
            Ok::<_, AppError>(())
        })
        .await
}

/// What is written down of a domain that guardrails do not allow.
pub(super) fn blocked_domain(domain: &str) -> Violation {
    Violation {
        kind: GuardrailViolationType::DomainBlocked,
        severity: GuardrailSeverity::Medium,
        action: GuardrailAction::Blocked,
        message: format!("the domain `{domain}` was not called: the guardrails do not allow it"),
    }
}

/// Which domains an agent may call.
pub(super) fn domain_rules(config: &GuardrailConfig) -> DomainRules {
    DomainRules { allowed: config.allowed_domains.clone(), blocked: config.blocked_domains.clone().unwrap_or_default() }
}

/// Whether one more tool may be called in a run where so many were.
pub(super) fn allows_calls(config: &GuardrailConfig, called: usize) -> bool {
    config.max_tool_calls.is_none_or(|most| i64::try_from(called).is_ok_and(|called| called < most))
}
