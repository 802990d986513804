//! The tool calls of one answer of a model. They run side by side, and each is journaled as it returns.

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use theazo_api::ToolCall;

use super::{
    Engine,
    journal::{Journal, PendingCall},
    step::Step,
    tools::{Call, Failure},
};
use crate::{
    error::AppResult,
    event::Event,
    outbound::DomainRules,
    records::{AgentRecord, RunRecord},
    store::Tenant,
};

/// How many tools of one answer run at once. The rest wait their turn.
const AT_ONCE: usize = 8;

impl Engine {
    /// Does what the model asked for and what is not done yet.
    pub(super) async fn call_tools(
        &self,
        tenant: &Tenant,
        run: &RunRecord,
        agent: &AgentRecord,
        journal: &Journal,
    ) -> AppResult<Step> {
        let step = journal.tool_step();
        let call = |pending| self.call_tool(tenant, run, agent, step, pending).boxed();
        let calls: Vec<BoxFuture<'_, AppResult<Step>>> = journal.pending.iter().map(call).collect();
        // A call that stops or fails lets the others come to their end, so that what they did is known.
        let outcomes: Vec<AppResult<Step>> = stream::iter(calls).buffer_unordered(AT_ONCE).collect().await;
        let mut all = Step::Done;
        for outcome in outcomes {
            if let Step::Stopped = outcome? {
                all = Step::Stopped;
            }
        }
        Ok(all)
    }

    async fn call_tool(
        &self,
        tenant: &Tenant,
        run: &RunRecord,
        agent: &AgentRecord,
        step: u32,
        pending: &PendingCall,
    ) -> AppResult<Step> {
        let (index, call) = (pending.index, &pending.call);
        let scope = run.scope();
        let tool = self.toolbox.find(&call.tool, agent.tools.as_deref());
        let may_begin = !pending.started || tool.is_some_and(|tool| tool.is_repeatable(&call.input));
        let outcome = if may_begin {
            let event = Event::ToolStarted { step, index, tool: call.tool.clone(), input: call.input.clone() };
            // What is done again began once, and is shown once.
            if !pending.started && !self.append_if_running(tenant, run, event).await? {
                return Ok(Step::Stopped);
            }
            let domains = DomainRules::default();
            let context = Call { engine: self, tenant, scope: &scope, input: &call.input, domains: &domains };
            match tool {
                Some(tool) => tool.call(&context).await,
                None => Err(Failure::told(format!("there is no tool `{}`", call.tool))),
            }
        } else {
            Err(Failure::told("interrupted: the process that did this died; whether it took effect is not known"))
        };
        let outcome = match outcome {
            Ok(output) => Ok(output),
            Err(Failure::Told(reason)) => Err(reason),
            Err(Failure::Postponed) => {
                self.append(tenant, run, Event::ToolPostponed { step, index }).await?;
                return Ok(Step::Stopped);
            }
        };
        let failed = outcome.is_err();
        let output = outcome.unwrap_or_else(|reason| format!("error: {reason}"));
        let call = ToolCall { tool: call.tool.clone(), input: call.input.clone(), output };
        self.append(tenant, run, Event::ToolFinished { step, index, call, failed }).await?;
        Ok(Step::Done)
    }
}
