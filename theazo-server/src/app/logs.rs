//! Logs: the events, as people read them.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use theazo_api::{ActivityEvent, LogEntry, LogId, LogLevel, LogQueryFilters, LogSource, Page, round_to_cents};

use super::{Context, activity::activity_of, pages::parse_cursor, runs::retry_message, traces::trace_of};
use crate::{
    error::{AppError, AppResult},
    event::Event,
    model::StopReason,
    store::{EventFilter, StoredEvent, Tenant, View},
};

/// How many events a page reads at once, so that others wait for the store only shortly.
const BATCH: i64 = 500;

impl Context {
    /// Finds log entries.
    pub async fn query_logs(&self, filters: LogQueryFilters) -> AppResult<Page<LogEntry>> {
        let cursor = filters.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let mut after = cursor.map(parse_cursor).transpose()?.unwrap_or(0);
        let limit = usize::try_from(filters.limit.unwrap_or(100)).unwrap_or(usize::MAX);
        let mut page = Page { data: Vec::new(), has_more: false, cursor: String::new() };
        let filters = Arc::new(LogQueryFilters { search: filters.search.map(|text| text.to_lowercase()), ..filters });
        loop {
            let (tenant, filters) = (self.tenant.clone(), filters.clone());
            let found = self.app.store.scan(move |view| find_entries(view, &tenant, &filters, after)).await?;
            for (sequence, entry) in found.entries {
                if page.data.len() == limit {
                    // One more than asked for exists, so the page ends with the one before.
                    return Ok(Page { has_more: true, cursor: format!("c{}", sequence - 1), ..page });
                }
                page.data.push(entry);
            }
            match found.last {
                Some(last) => after = last,
                None => return Ok(page),
            }
        }
    }

    /// What the log shows of an event, if anything.
    pub fn log_entry(&self, stored: &StoredEvent) -> AppResult<Option<LogEntry>> {
        let Some(entry) = log_entry(stored) else { return Ok(None) };
        let trace_id = self.app.store.read(|view| Ok::<_, AppError>(trace_of(view, &self.tenant, &stored.scope)?))?;
        Ok(Some(LogEntry { trace_id, ..entry }))
    }

    /// Everything that an event means.
    pub fn activity_of(&self, stored: &StoredEvent) -> AppResult<Vec<ActivityEvent>> {
        self.app.store.read(|view| activity_of(view, &self.tenant, stored))
    }

    /// The filter of a stream that goes on after a place, or shows what happens from now on.
    pub fn follow_from(&self, after: Option<i64>, filter: EventFilter) -> AppResult<EventFilter> {
        let after = match after {
            Some(after) => after,
            None => self.app.store.read(|view| Ok::<_, AppError>(view.last_sequence_of(&self.tenant)?))?,
        };
        Ok(EventFilter { after, ..filter })
    }
}

/// What is in the next events of a log.
struct Found {
    /// The place of the last one; absent at the end of the log.
    last: Option<i64>,
    /// The entries that fit, with their places.
    entries: Vec<(i64, LogEntry)>,
}

/// Looks for entries in the next events after a place.
fn find_entries(view: &View<'_>, tenant: &Tenant, filters: &LogQueryFilters, after: i64) -> AppResult<Found> {
    let filter = EventFilter {
        after,
        session_id: filters.session_id.as_ref().map(ToString::to_string),
        agent_id: filters.agent_id.as_ref().map(ToString::to_string),
        since: filters.since,
        until: filters.until,
        except: vec!["model.text"],
        limit: Some(BATCH),
        ..EventFilter::default()
    };
    let batch = view.events(tenant, &filter)?;
    let fits = |entry: &LogEntry| {
        filters.level.as_ref().is_none_or(|level| entry.level == *level)
            && filters.search.as_ref().is_none_or(|text| entry.message.to_lowercase().contains(text))
    };
    let mut entries = Vec::new();
    for stored in &batch {
        if let Some(entry) = log_entry(stored).filter(fits) {
            let trace_id = trace_of(view, tenant, &stored.scope)?;
            entries.push((stored.sequence, LogEntry { trace_id, ..entry }));
        }
    }
    Ok(Found { last: batch.last().map(|stored| stored.sequence), entries })
}

/// What the log shows of an event, if anything. Pieces of text are left out: the model's whole answer follows them.
pub(super) fn log_entry(stored: &StoredEvent) -> Option<LogEntry> {
    use LogLevel::{Debug, Error, Info, Warn};
    use LogSource::{Agent, Model, Provider, System};
    let (level, source, message) = match &stored.event {
        Event::ModelText { .. } | Event::ExecRunning { .. } => return None,
        Event::SessionCreated {} => (Info, System, "session created".to_owned()),
        Event::LimitsUpdated { .. } => (Info, System, "limits changed".to_owned()),
        Event::SessionPaused {} => (Info, System, "session paused".to_owned()),
        Event::SessionResumed {} => (Info, System, "session resumed".to_owned()),
        Event::SessionTerminated { reason } => (Info, System, format!("session ended: {reason}")),
        Event::SessionLimitReached { error } => (Warn, System, error.message.clone()),
        Event::SecretsSet { names } => (Info, System, format!("secrets set: {}", names.join(", "))),
        Event::SecretRemoved { name } => (Info, System, format!("secret `{name}` removed")),
        Event::ProviderSet { name } => (Info, System, format!("provider `{name}` set")),
        Event::ProviderRemoved { name } => (Info, System, format!("provider `{name}` removed")),
        Event::ApiKeyCreated { key_id, name } => (Info, System, format!("API key `{key_id}` ({name}) created")),
        Event::ApiKeyRevoked { key_id } => (Info, System, format!("API key `{key_id}` revoked")),
        Event::AgentCreated { name, provider } => (Info, System, format!("agent `{name}` created on `{provider}`")),
        Event::AgentReady { isolation } => (Info, Provider, format!("sandbox ready, isolation: {}", isolation.level)),
        Event::AgentPaused { reason } => (Info, System, format!("agent paused: {reason}")),
        Event::AgentResumed {} => (Info, System, "agent resumed".to_owned()),
        Event::AgentTerminated {} => (Info, System, "agent ended, sandbox removed".to_owned()),
        Event::AgentFailed { error } => (Error, Provider, format!("agent failed: {}", error.message)),
        Event::SnapshotTaken { snapshot_id, bytes } => {
            (Info, System, format!("snapshot `{snapshot_id}` taken, {bytes} bytes"))
        }
        Event::CheckpointMade { checkpoint_id, progress, phase } => {
            let phase = phase.as_ref().map(|phase| format!(" of `{phase}`")).unwrap_or_default();
            (Info, System, format!("checkpoint `{checkpoint_id}`{phase} made at {progress} %"))
        }
        Event::CheckpointFailed { error } => (Warn, System, format!("no checkpoint was made: {}", error.message)),
        Event::AgentRestored { checkpoint_id } => {
            (Info, System, format!("went back to the checkpoint `{checkpoint_id}`"))
        }
        Event::AgentForked { agent_id, snapshot_id } => {
            (Info, System, format!("began with the snapshot `{snapshot_id}` of `{agent_id}`"))
        }
        Event::PortExposed { port, url } => (Info, System, format!("port {port} is reachable at {url}")),
        Event::PortClosed { port } => (Info, System, format!("port {port} is no longer reachable")),
        Event::RunQueued { agent, task } => (Info, System, format!("run of `{agent}` queued: {task}")),
        Event::RunStarted {} => (Info, System, "run started".to_owned()),
        Event::RunContinued { reason } => (Info, System, format!("run continued: {reason}")),
        Event::RunRetried { retry, error, .. } => (Warn, System, retry_message(*retry, error)),
        Event::RunPaused { error: None } => (Info, System, "run paused".to_owned()),
        Event::RunPaused { error: Some(error) } => (Warn, System, format!("run paused: {}", error.message)),
        Event::RunCompleted { result } => {
            (Info, System, format!("run completed in {} for {}", result.duration, result.cost))
        }
        Event::RunFailed { error } => (Error, System, format!("run failed: {}", error.message)),
        Event::RunCancelled { reason } => (Warn, System, reason.clone()),
        Event::InputReceived { content, kind, .. } => (Info, System, format!("{kind} received: {content}")),
        Event::ModelRequested { model, step, .. } => (Debug, Model, format!("step {step}: asking `{model}`")),
        Event::ModelResponded { step, stop: StopReason::MaxTokens, tokens, .. } => {
            let tokens = tokens.output;
            (Warn, Model, format!("step {step}: the answer was cut after {tokens} tokens, as many as it may have"))
        }
        Event::ModelResponded { step, tool_calls, tokens, .. } => (
            Info,
            Model,
            format!(
                "step {step}: answered with {} tool calls, {} tokens in, {} out",
                tool_calls.len(),
                tokens.input,
                tokens.output
            ),
        ),
        Event::ModelFailed { step, message, retry_at: None, .. } => {
            (Error, Model, format!("step {step}: model failed: {message}"))
        }
        Event::ModelFailed { step, message, .. } => {
            (Warn, Model, format!("step {step}: model failed and is asked again: {message}"))
        }
        Event::ToolStarted { tool, .. } => (Info, Agent, format!("tool `{tool}` called")),
        Event::ToolPostponed { .. } => (Debug, Agent, "a tool waits, because its agent stands still".to_owned()),
        Event::ToolFinished { call, failed: false, .. } => (Info, Agent, format!("tool `{}` returned", call.tool)),
        Event::ToolFinished { call, failed: true, .. } => {
            (Warn, Agent, format!("tool `{}` failed: {}", call.tool, call.output))
        }
        Event::GuardrailViolated { violation } => (Warn, System, format!("guardrail: {}", violation.message)),
        Event::ExecStarted { language, .. } => (Info, Agent, format!("program in {language} started")),
        Event::ExecFinished { exit_code: Some(code), duration_ms, .. } => {
            (Info, Agent, format!("program ended with exit code {code} after {duration_ms} ms"))
        }
        Event::ExecFinished { error, .. } => {
            let reason = error.as_ref().map_or("", |error| error.message.as_str());
            (Error, Agent, format!("program failed: {reason}"))
        }
        Event::Output { stream, text, .. } => {
            let level = if stream == "stderr" { Warn } else { Info };
            (level, Agent, text.trim_end().to_owned())
        }
        Event::ExecSignalled { signal, .. } => (Info, Agent, format!("program sent {signal}")),
        Event::FileRemoved { path } => (Debug, Agent, format!("`{path}` removed")),
        Event::FileMoved { source, target } => (Debug, Agent, format!("`{source}` moved to `{target}`")),
        Event::FolderMade { path } => (Debug, Agent, format!("folder `{path}` made")),
        Event::ProgramLogged { level, message, .. } => (level.clone(), Agent, message.clone()),
        Event::ProgramAskedModel { model, tokens, .. } => {
            (Info, Model, format!("program asked `{model}`, {} tokens in, {} out", tokens.input, tokens.output))
        }
        Event::ProgramDidSpan { span } => match &span.error {
            None => (Debug, Agent, format!("`{}` took {} ms", span.name, span.duration_ms)),
            Some(error) => (Warn, Agent, format!("`{}` failed after {} ms: {error}", span.name, span.duration_ms)),
        },
        Event::ProgramProgressed { percentage, message, .. } => (Info, Agent, format!("{percentage} %: {message}")),
        Event::ProgramCompleted { output, .. } => (Info, Agent, format!("program completed: {output}")),
        Event::FileWritten { path, bytes } => (Debug, Agent, format!("file `{path}` written, {bytes} bytes")),
        Event::Charged { charge, .. } => {
            let cents = round_to_cents(charge.cost.to_micro_cents());
            let exact = charge.cost.to_micro_cents();
            (Debug, System, format!("charged {cents} cents ({exact} micro-cents) for {}", charge.kind))
        }
        Event::BudgetChanged { of, config: Some(_) } => (Info, System, format!("budget of {of} set")),
        Event::BudgetChanged { of, config: None } => (Info, System, format!("budget of {of} removed")),
        Event::BudgetAlert { data } => {
            let percent = data.threshold * 100.0;
            (Warn, System, format!("{percent} percent of the budget of the {} are spent: {}", data.period, data.spent))
        }
        Event::CreditsGranted { cost, .. } => (Info, System, format!("credits granted: {cost}")),
    };
    let (mut metadata, timestamp, trace_id) = match &stored.event {
        Event::ProgramLogged { metadata, at, trace_id, .. } => {
            (metadata.clone().unwrap_or_default(), at.unwrap_or(stored.at), trace_id.clone())
        }
        _ => (Map::new(), stored.at, None),
    };
    // After what a program says, which must not pass for this.
    metadata.insert("event".to_owned(), json!(stored.event.kind()));
    if !stored.scope.run_id.is_empty() {
        metadata.insert("runId".to_owned(), Value::from(stored.scope.run_id.as_str()));
    }
    Some(LogEntry {
        trace_id,
        id: LogId::from_suffix(format!("{:012}", stored.sequence)),
        timestamp,
        level,
        source,
        message,
        agent_id: stored.scope.agent_id.clone(),
        session_id: stored.scope.session_id.clone(),
        user_id: stored.scope.user_id.clone(),
        provider: String::new(),
        metadata: Some(metadata),
    })
}
