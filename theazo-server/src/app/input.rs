//! Input: what is said to an agent while it works, or when it has nothing to do.

use theazo_api::{AgentId, SendInputOpts};

use super::{
    Context,
    agents::{check_alive, check_session, check_usable, find_agent, wake},
    runs::{NewRun, add_run, find_run},
    sessions::find_session,
};
use crate::{
    error::AppResult,
    event::{DEFAULT_INPUT, Event, worded_input},
};

impl Context {
    /// Says something to an agent: its run reads it before its next step. An agent without one wakes, and it is its task.
    pub async fn send_input(&self, agent_id: AgentId, opts: SendInputOpts) -> AppResult<()> {
        self.wait_until_free(&agent_id).await?;
        let context = self.clone();
        let sent = self
            .app
            .store
            .write(move |tx| {
                let now = context.app.clock.now();
                tx.once(&context.tenant, context.claim.as_ref(), now, || {
                    let mut agent = find_agent(tx, &context.tenant, &agent_id)?;
                    check_alive(&agent)?;
                    let run = match &agent.current_run {
                        Some(run_id) => Some(find_run(tx, &context.tenant, run_id)?),
                        None => None,
                    };
                    let SendInputOpts { content, r#type, metadata } = opts;
                    let kind = r#type.unwrap_or_else(|| DEFAULT_INPUT.to_owned());
                    if let Some(run) = run {
                        let event = Event::InputReceived { content, kind, metadata };
                        tx.append(&context.tenant, now, &run.scope(), &event)?;
                        return Ok(());
                    }
                    check_usable(&agent)?;
                    check_session(&find_session(tx, &context.tenant, &agent.data.session_id)?)?;
                    wake(tx, &context.tenant, &mut agent, now)?;
                    let task = worded_input(&content, &kind, metadata.as_ref());
                    let new = NewRun { task, max_cost: None, task_id: None, trace: context.trace.clone() };
                    add_run(tx, &context.tenant, &mut agent, new, now).map(drop)
                })
            })
            .await?;
        self.replayable(sent);
        Ok(())
    }
}
