//! The bridge: what programs in a sandbox report of themselves, by the token of their sandbox.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use theazo_api::{
    AgentId, BridgeCompletion, BridgeLog, BridgeModelCall, BridgeProgress, BridgeSpan, ErrorCode, SessionId, Timestamp,
    testing::ChargeKind, usage::TokenUsage,
};

use super::{Context, agents::find_agent, runs::find_run};
use crate::{
    error::{AppError, AppResult},
    event::{Event, ProgramSpan},
    random,
    records::{AgentRecord, ProgramProgress, ProgramResult},
    spending::{NewCharge, is_charged, record_charge},
    store::{Document, Filter, Owner, Tenant, Tx, View},
};

/// The token of one sandbox, by its hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BridgeRecord {
    id: String,
    agent_id: AgentId,
    session_id: SessionId,
    user_id: String,
    created_at: Timestamp,
}

impl BridgeRecord {
    /// The status of all of them: one that is revoked is removed.
    pub const OPEN: &'static str = "open";

    /// The record of a new token.
    pub fn new(token: &str, agent: &AgentRecord, now: Timestamp) -> Self {
        Self {
            id: id_of(token),
            agent_id: agent.data.id.clone(),
            session_id: agent.data.session_id.clone(),
            user_id: agent.data.user_id.clone(),
            created_at: now,
        }
    }
}

impl Document for BridgeRecord {
    const KIND: &'static str = "bridge";

    fn id(&self) -> &str {
        &self.id
    }

    fn owner(&self) -> Owner<'_> {
        Owner { user_id: &self.user_id, session_id: self.session_id.as_str(), agent_id: self.agent_id.as_str() }
    }

    fn status(&self) -> &str {
        Self::OPEN
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

/// The token itself is told to the sandbox alone.
fn id_of(token: &str) -> String {
    let hash = format!("{:x}", Sha256::digest(token));
    format!("bridge/{hash}")
}

/// The agent whose programs have a token, with its tenant.
pub fn authenticate_program(view: &View<'_>, token: &str) -> AppResult<(Tenant, AgentId)> {
    let found = view.find_by_secret::<BridgeRecord>(&id_of(token))?;
    let (tenant, record) = found.ok_or_else(|| {
        AppError::new(
            ErrorCode::Unauthorized,
            "the token of this sandbox is not valid here; the sandbox may have ended",
        )
    })?;
    Ok((tenant, record.agent_id))
}

/// Takes the tokens of an agent's sandboxes away.
pub fn revoke_bridges(tx: &Tx<'_>, tenant: &Tenant, agent_id: &AgentId) -> AppResult<()> {
    let filter = Filter { agent_id: Some(agent_id.to_string()), ..Filter::default() };
    for (_, record) in tx.list::<BridgeRecord>(tenant, &filter)? {
        tx.remove::<BridgeRecord>(tenant, &record.id)?;
    }
    Ok(())
}

impl Context {
    /// Writes a log entry of a program.
    pub async fn log_from_sandbox(&self, report: BridgeLog) -> AppResult<()> {
        let BridgeLog { agent_id, session_id, level, message, metadata, timestamp, trace_id, span_id } = report;
        let event = Event::ProgramLogged { level, message, metadata, at: timestamp, trace_id, span_id };
        self.report(agent_id, session_id, move |tx, tenant, agent, now| {
            tx.append(tenant, now, &scope_of(agent), &event)?;
            Ok(())
        })
        .await
    }

    /// Counts a model call that a program made itself. It pays its provider, so nothing is charged.
    pub async fn track_model_from_sandbox(&self, report: BridgeModelCall) -> AppResult<()> {
        self.report(report.agent_id.clone(), report.session_id.clone(), move |tx, tenant, agent, now| {
            let scope = scope_of(agent);
            let tokens = TokenUsage { input: report.input_tokens, output: report.output_tokens };
            if is_charged(tenant) {
                let charge = NewCharge {
                    id: format!("program-{}", random::id_suffix(now)),
                    kind: ChargeKind::Model,
                    micro_cents: 0,
                    scope: &scope,
                    provider: "program",
                    model: &report.model,
                    tokens,
                    milliseconds: 0,
                    byte_hours: 0,
                    reservation: None,
                };
                record_charge(tx, tenant, now, charge)?;
            }
            let event = Event::ProgramAskedModel {
                model: report.model.clone(),
                tokens,
                cost: report.cost,
                at: report.timestamp,
                trace_id: report.trace_id,
                span_id: report.span_id,
                parent_span_id: report.parent_span_id,
            };
            tx.append(tenant, now, &scope, &event)?;
            Ok(())
        })
        .await
    }

    /// Adds a span of a program to the trace.
    pub async fn add_span_from_sandbox(&self, report: BridgeSpan) -> AppResult<()> {
        let span = ProgramSpan {
            name: report.name,
            start_time: report.start_time,
            end_time: report.end_time,
            duration_ms: report.duration_ms,
            status: report.status,
            error: report.error,
            attributes: report.attributes,
            trace_id: report.trace_id,
            span_id: report.span_id,
            parent_span_id: report.parent_span_id,
        };
        self.report(report.agent_id, report.session_id, move |tx, tenant, agent, now| {
            tx.append(tenant, now, &scope_of(agent), &Event::ProgramDidSpan { span: Box::new(span) })?;
            Ok(())
        })
        .await
    }

    /// Notes how far a program is.
    pub async fn report_progress_from_sandbox(&self, report: BridgeProgress) -> AppResult<()> {
        let BridgeProgress { agent_id, session_id, percentage, message, timestamp } = report;
        let percentage = percentage.clamp(0.0, 100.0);
        self.report(agent_id, session_id, move |tx, tenant, agent, now| {
            agent.progress = Some(ProgramProgress { percentage, message: message.clone() });
            tx.update(tenant, agent)?;
            let event = Event::ProgramProgressed { percentage, message, at: timestamp };
            tx.append(tenant, now, &scope_of(agent), &event)?;
            Ok(())
        })
        .await
    }

    /// Notes what a program came to: it becomes the output of the run that is under way.
    pub async fn complete_from_sandbox(&self, report: BridgeCompletion) -> AppResult<()> {
        let BridgeCompletion { agent_id, session_id, output, artifacts, timestamp } = report;
        self.report(agent_id, session_id, move |tx, tenant, agent, now| {
            if let Some(run_id) = &agent.current_run {
                let mut run = find_run(tx, tenant, run_id)?;
                if !run.data.status.is_terminal() {
                    run.reported = Some(ProgramResult { output: output.clone(), artifacts: artifacts.clone() });
                    tx.update(tenant, &run)?;
                }
            }
            let event = Event::ProgramCompleted { output, artifacts, at: timestamp };
            tx.append(tenant, now, &scope_of(agent), &event)?;
            Ok(())
        })
        .await
    }

    /// Takes a report of the program that asks, if it is about its own agent.
    async fn report(
        &self,
        agent_id: AgentId,
        session_id: SessionId,
        take: impl FnOnce(&Tx<'_>, &Tenant, &mut AgentRecord, Timestamp) -> AppResult<()> + Send + 'static,
    ) -> AppResult<()> {
        if self.program.as_ref() != Some(&agent_id) {
            return Err(AppError::not_found("agent", agent_id.as_str(), AgentId::PREFIX));
        }
        let context = self.clone();
        self.app
            .store
            .write(move |tx| {
                let mut agent = find_agent(tx, &context.tenant, &agent_id)?;
                if agent.data.session_id != session_id {
                    return Err(AppError::not_found("session", session_id.as_str(), SessionId::PREFIX));
                }
                take(tx, &context.tenant, &mut agent, context.app.clock.now())
            })
            .await
    }
}

/// What a program does belongs to the run that is under way.
fn scope_of(agent: &AgentRecord) -> crate::store::EventScope {
    let mut scope = agent.scope();
    scope.run_id = agent.current_run.as_ref().map(ToString::to_string).unwrap_or_default();
    scope
}
