//! What an agent remembers: its runs, without what it went back over, and, if it began as a fork, what the agent that it was
//! forked from did until then.

use super::journal::Journal;
use crate::{
    app::find_agent,
    error::AppResult,
    model::Message,
    records::{AgentRecord, RunRecord},
    snapshots::{ForkOrigin, Rewind},
    store::{Filter, Tenant, View},
};

/// The parts of the log that an agent remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Memory {
    /// Each from after one place up to another.
    parts: Vec<(i64, i64)>,
}

impl Default for Memory {
    /// Everything.
    fn default() -> Self {
        Self::of(&[], i64::MAX)
    }
}

impl Memory {
    /// What an agent that went back now and then remembers at a place in the log: what happened since it last went back,
    /// and what it remembered at the place that it went back to.
    pub fn of(rewinds: &[Rewind], mut place: i64) -> Self {
        let mut parts = Vec::new();
        loop {
            let last = rewinds.iter().filter(|rewind| rewind.from <= place).max_by_key(|rewind| rewind.from);
            parts.push((last.map_or(0, |rewind| rewind.from), place));
            match last {
                Some(rewind) => place = rewind.to,
                None => return Self { parts },
            }
        }
    }

    /// Whether it holds what happened at a place in the log.
    pub fn holds(&self, sequence: i64) -> bool {
        self.parts.iter().any(|(after, up_to)| *after < sequence && sequence <= *up_to)
    }
}

/// What was said in the earlier runs of an agent, and the task of this one.
pub(super) fn history_of(
    view: &View<'_>,
    tenant: &Tenant,
    agent: &AgentRecord,
    run: &RunRecord,
) -> AppResult<Vec<Message>> {
    let mut messages = before_fork(view, tenant, agent.origin.as_ref())?;
    // A one-shot agent has no other run.
    if !agent.one_shot {
        messages.extend(conversation(view, tenant, agent, i64::MAX, Some(run))?);
    }
    messages.push(Message::User(run.data.task.clone()));
    Ok(messages)
}

/// The conversation of the agent that a fork is of, and of those before it.
fn before_fork(view: &View<'_>, tenant: &Tenant, origin: Option<&ForkOrigin>) -> AppResult<Vec<Message>> {
    let mut earlier: Vec<Vec<Message>> = Vec::new();
    let mut next = origin.cloned();
    while let Some(origin) = next {
        let agent = find_agent(view, tenant, &origin.agent_id)?;
        earlier.push(conversation(view, tenant, &agent, origin.sequence, None)?);
        next = agent.origin;
    }
    Ok(earlier.into_iter().rev().flatten().collect())
}

/// What an agent remembers at a place in the log of its runs, or of those before one.
fn conversation(
    view: &View<'_>,
    tenant: &Tenant,
    agent: &AgentRecord,
    place: i64,
    before: Option<&RunRecord>,
) -> AppResult<Vec<Message>> {
    let memory = Memory::of(&agent.rewinds, place);
    let mut messages = Vec::new();
    let filter = Filter { agent_id: Some(agent.data.id.to_string()), ..Filter::default() };
    for (_, run) in view.list::<RunRecord>(tenant, &filter)?.into_iter().rev() {
        if before.is_some_and(|before| before.data.id == run.data.id) {
            break;
        }
        let Some(journal) = Journal::remembered(view, tenant, &run.data.id, memory.clone())? else { continue };
        messages.push(Message::User(run.data.task));
        messages.extend(journal.into_history());
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(rewinds: &[(i64, i64)], place: i64) -> Vec<i64> {
        let rewinds: Vec<Rewind> = rewinds.iter().map(|(to, from)| Rewind { to: *to, from: *from }).collect();
        let memory = Memory::of(&rewinds, place);
        (1..=12).filter(|sequence| memory.holds(*sequence)).collect()
    }

    #[test]
    fn what_was_gone_back_over_is_not_remembered() {
        assert_eq!(held(&[], 3), [1, 2, 3]);
        assert_eq!(held(&[(2, 5)], 8), [1, 2, 6, 7, 8]);
        // A second time, to a place between.
        assert_eq!(held(&[(2, 5), (7, 9)], 10), [1, 2, 6, 7, 10]);
        // A second time, to a place that was gone back over the first time.
        assert_eq!(held(&[(2, 5), (4, 9)], 10), [1, 2, 3, 4, 10]);
        // As it was before it went back.
        assert_eq!(held(&[(2, 5)], 4), [1, 2, 3, 4]);
    }
}
