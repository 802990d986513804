//! Input: what is said to an agent while it works.

use theazo_api::{AgentId, SendInputOpts};

use super::{
    Context,
    agents::{check_alive, find_agent},
    runs::find_run,
};
use crate::{
    error::{AppError, AppResult},
    event::{DEFAULT_INPUT, Event},
};

impl Context {
    /// Says something to an agent: its run reads it before its next step.
    pub async fn send_input(&self, agent_id: AgentId, opts: SendInputOpts) -> AppResult<()> {
        let context = self.clone();
        let sent = self
            .app
            .store
            .write(move |tx| {
                let now = context.app.clock.now();
                tx.once(&context.tenant, context.claim.as_ref(), now, || {
                    let agent = find_agent(tx, &context.tenant, &agent_id)?;
                    check_alive(&agent)?;
                    let run = match &agent.current_run {
                        Some(run_id) => Some(find_run(tx, &context.tenant, run_id)?),
                        None => None,
                    };
                    let Some(run) = run.filter(|run| !run.data.status.is_terminal()) else {
                        let message =
                            format!("the agent `{agent_id}` works on nothing; give it a task with `agent.run`");
                        return Err(AppError::conflict(message));
                    };
                    let SendInputOpts { content, r#type, metadata } = opts;
                    let kind = r#type.unwrap_or_else(|| DEFAULT_INPUT.to_owned());
                    tx.append(&context.tenant, now, &run.scope(), &Event::InputReceived { content, kind, metadata })?;
                    Ok(())
                })
            })
            .await?;
        self.replayable(sent);
        Ok(())
    }
}
