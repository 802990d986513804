//! What the operations do: authenticated, checked input in, changes of the primitives and answers out.
//!
//! Nothing here waits for a worker by calling it: work is a job, and what came of it is read from the store.

mod activity;
mod agents;
mod billing;
mod blueprint;
mod bridge;
mod budgets;
mod checkpoints;
mod commands;
mod credentials;
mod credits;
mod definitions;
mod execs;
mod file_links;
mod files;
mod guardrails;
mod input;
mod keys;
mod ledger;
mod logs;
mod measures;
mod metrics;
mod models;
mod new_files;
mod pages;
mod ports;
mod progress;
mod provider_choice;
mod providers;
mod recorded;
mod runs;
mod secrets;
mod session_providers;
mod sessions;
mod snapshots;
mod spans;
mod stored_files;
mod tags;
mod task_queue;
mod tasks;
mod traces;
mod usage;
mod usage_export;

use std::sync::{Arc, OnceLock};

use theazo_api::{AgentId, ComputeCapabilities, ExecId, Isolation, ProviderHealth, RunId};

use crate::{
    clock::Clock,
    feed::Feed,
    model::Models,
    payments::Stripe,
    records::CallerTrace,
    spending::RateCard,
    store::{Claim, Retention, Store, Tenant},
    vault::Vault,
};

pub use agents::{check_room, check_session, find_agent};
pub use bridge::{BridgeRecord, authenticate_program, revoke_bridges};
pub use checkpoints::{checkpoint_job, find_checkpoint, last_checkpoint};
pub use commands::{AgentCommand, FileCommand, PortCommand};
pub use credits::{begin_with_credits, grant_credits};
pub use execs::{exec_id_of, job_id_of, show_exec};
pub use guardrails::guardrails_of;
pub use keys::{AccountRecord, FirstKeys, NewKey, revoke_key, shown as shown_key};
pub use new_files::{NewFile, add_file};
pub use ports::not_exposed;
pub use runs::{RunEnd, continue_run, end_run, find_run, run_event, run_job};
pub use sessions::{change_session, expiry_job, find_session, resume_after_limit};
pub use snapshots::{find_snapshot, remove_snapshots_job};
pub use stored_files::{Download, Files};
pub use task_queue::{finish_task, look_at_tasks, start_tasks};

/// What every operation needs.
pub struct App {
    /// The primitives.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Where secrets are sealed.
    pub vault: Vault,
    /// Where streams follow the log.
    pub feed: Feed,
    /// How long the details of what happened are kept.
    pub retention: Retention,
    /// Where sandboxes can be had.
    pub providers: Vec<ProviderInfo>,
    /// The provider that is used where none is asked for.
    pub default_provider: String,
    /// The models that can be asked.
    pub models: Models,
    /// What the plane asks for what it does.
    pub rates: RateCard,
    /// Where plans are paid for, if anywhere.
    pub payments: Option<Stripe>,
    /// Whether an agent that is named must be defined.
    pub require_definitions: bool,
    /// The content of stored files.
    pub files: Files,
}

/// A compute provider, as the operations know it.
#[derive(Debug, Clone)]
pub struct ProviderInfo {
    /// The name.
    pub name: &'static str,
    /// How far its sandboxes are kept apart from the host, or why there are none.
    pub availability: Result<Isolation, String>,
    /// What its sandboxes can do.
    pub capabilities: ComputeCapabilities,
}

impl ProviderInfo {
    /// What `GET /healthz` shows.
    pub fn health(&self) -> ProviderHealth {
        let detail = match &self.availability {
            Ok(isolation) if isolation.enforced.is_empty() => isolation.level.to_string(),
            Ok(isolation) => format!("{} with limits on {}", isolation.level, isolation.enforced.join(", ")),
            Err(reason) => reason.clone(),
        };
        let capabilities = self.availability.is_ok().then(|| self.capabilities.clone());
        ProviderHealth { name: self.name.to_owned(), available: self.availability.is_ok(), detail, capabilities }
    }
}

/// Who asks for an operation, and how.
#[derive(Clone)]
pub struct Context {
    /// What every operation needs.
    pub app: Arc<App>,
    /// Whose things it may see.
    pub tenant: Tenant,
    /// The idempotency key, if there is one.
    pub claim: Option<Claim>,
    /// The trace that the caller is in, if it says so.
    pub trace: Option<CallerTrace>,
    /// The agent whose program asks, if one does.
    pub program: Option<AgentId>,
    /// Where the operation says which run it is about, and whether it replays an earlier request.
    pub report: Arc<Report>,
}

/// What an operation says about itself while it works.
#[derive(Debug, Default)]
pub struct Report {
    /// The run that it is about.
    pub run_id: OnceLock<RunId>,
    /// The program that it is about.
    pub exec_id: OnceLock<ExecId>,
    /// Set when the request took effect before.
    pub replayed: OnceLock<()>,
    /// Set when the caller was answered before what it waits for has happened, and may ask again.
    pub goes_on: OnceLock<()>,
}

impl Context {
    /// A caller of whom nothing else is known.
    #[cfg(test)]
    pub fn of(app: &Arc<App>, tenant: &Tenant) -> Self {
        let (app, tenant) = (app.clone(), tenant.clone());
        Self { app, tenant, claim: None, trace: None, program: None, report: Arc::default() }
    }

    /// Notes whether a request took effect before, and returns what came of it.
    fn replayable<T>(&self, once: crate::store::Once<T>) -> T {
        if matches!(once, crate::store::Once::Replayed(_)) {
            let _ = self.report.replayed.set(());
        }
        once.into_inner()
    }
}
