//! What an agent remembers that began as a fork: what the agent that it was forked from did until then.

use super::journal::Journal;
use crate::{
    app::find_agent,
    error::AppResult,
    model::Message,
    records::RunRecord,
    snapshots::ForkOrigin,
    store::{Filter, Tenant, View},
};

/// The conversation of the agent that a fork is of, and of those before it.
pub(super) fn remembered(view: &View<'_>, tenant: &Tenant, origin: Option<&ForkOrigin>) -> AppResult<Vec<Message>> {
    let mut earlier: Vec<Vec<Message>> = Vec::new();
    let mut next = origin.cloned();
    while let Some(origin) = next {
        let agent = find_agent(view, tenant, &origin.agent_id)?;
        earlier.push(conversation(view, tenant, &origin)?);
        next = agent.origin;
    }
    Ok(earlier.into_iter().rev().flatten().collect())
}

fn conversation(view: &View<'_>, tenant: &Tenant, origin: &ForkOrigin) -> AppResult<Vec<Message>> {
    let mut messages = Vec::new();
    let filter = Filter { agent_id: Some(origin.agent_id.to_string()), ..Filter::default() };
    for (_, run) in view.list::<RunRecord>(tenant, &filter)?.into_iter().rev() {
        let Some(journal) = Journal::up_to(view, tenant, &run.data.id, origin.sequence)? else { break };
        messages.push(Message::User(run.data.task));
        messages.extend(journal.into_history());
    }
    Ok(messages)
}
