//! What the programs of an agent may reach of the network: what was granted to the agent, as far as the guardrails that hold
//! at that moment allow it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use theazo_api::{AgentId, Timestamp};

use super::guardrails::{blocked_domain, domain_rules, record_violation};
use crate::{
    app::{App, find_agent, guardrails_of},
    error::AppResult,
    gateway::Reach,
    outbound::{DomainRules, Refusal},
    store::Tenant,
};

/// How long a domain that was reported is not reported again. A program may try it many times in a second.
const REPORT_AGAIN: Duration = Duration::from_secs(60);

/// How many domains are reported in that time.
const MOST_REPORTED: usize = 100;

/// What the programs of one sandbox may reach.
pub(super) struct AgentReach {
    app: Arc<App>,
    tenant: Tenant,
    agent_id: AgentId,
    /// What was granted to the agent.
    granted: DomainRules,
    reported: Mutex<Reported>,
}

/// The blocked domains that were reported since a moment.
struct Reported {
    since: Timestamp,
    domains: HashSet<String>,
}

impl AgentReach {
    /// What an agent to which this was granted may reach.
    pub fn new(app: Arc<App>, tenant: Tenant, agent_id: AgentId, granted: DomainRules) -> Self {
        let reported = Mutex::new(Reported { since: app.clock.now(), domains: HashSet::new() });
        Self { app, tenant, agent_id, granted, reported }
    }

    async fn check(&self, host: &str) -> AppResult<bool> {
        let (agent, guardrails) = self.app.store.read(|view| {
            let agent = find_agent(view, &self.tenant, &self.agent_id)?;
            let guardrails = guardrails_of(view, &self.tenant, &agent)?;
            Ok::<_, crate::error::AppError>((agent, guardrails))
        })?;
        if domain_rules(&guardrails).allow(host) {
            return Ok(true);
        }
        if self.is_news(host) {
            let mut scope = agent.scope();
            scope.run_id = agent.current_run.map(|run| run.to_string()).unwrap_or_default();
            record_violation(&self.app, &self.tenant, &scope, blocked_domain(host)).await?;
        }
        Ok(false)
    }

    /// Whether a blocked domain is to be reported.
    fn is_news(&self, host: &str) -> bool {
        let now = self.app.clock.now();
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(reported.since) >= REPORT_AGAIN {
            *reported = Reported { since: now, domains: HashSet::new() };
        }
        reported.domains.len() < MOST_REPORTED && reported.domains.insert(host.to_owned())
    }
}

impl Reach for AgentReach {
    fn admit<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let refusal = || Refusal::Domain(host.to_owned());
            if !self.granted.allow(host) {
                return Err(refusal());
            }
            match self.check(host).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(refusal()),
                Err(error) => {
                    // Guardrails that cannot be read hold.
                    tracing::error!(agent = %self.agent_id, %error, "the guardrails of an agent cannot be read");
                    Err(refusal())
                }
            }
        })
    }
}
