//! The tool calls of one answer of a model. They run side by side, and each is journaled as it returns.

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use theazo_api::{ErrorCode, GuardrailAction, GuardrailConfig, GuardrailSeverity, GuardrailViolationType, ToolCall};

use super::{
    Engine,
    guardrails::{Violation, allows_calls, domain_rules},
    journal::{Journal, PendingCall},
    step::Step,
    tools::{Call, Failure, Outcome},
};
use crate::{
    error::{AppError, AppResult},
    event::Event,
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
        let guardrails = self.guardrails(tenant, agent)?;
        let called = journal.calls_before_step();
        if let Some(most) = guardrails.max_tool_calls.filter(|most| i64::try_from(called).is_ok_and(|n| n > *most)) {
            // It was told already that it may call no more.
            let message = format!("the model goes on calling tools after the {most} calls that a run may make");
            return Err(AppError::new(ErrorCode::GuardrailBlocked, message).with("limit", "maxToolCalls"));
        }
        let turn = Turn { tenant, run, agent, step: journal.tool_step, called, guardrails: &guardrails };
        let call = |pending| self.call_tool(turn, pending).boxed();
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

    async fn call_tool(&self, turn: Turn<'_>, pending: &PendingCall) -> AppResult<Step> {
        let Turn { tenant, run, agent, step, called, guardrails } = turn;
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
            let domains = domain_rules(guardrails);
            let context = Call { engine: self, tenant, scope: &scope, input: &call.input, domains: &domains };
            match tool {
                _ if !allows_calls(guardrails, called + index as usize) => self.refuse_call(turn, &call.tool).await?,
                Some(tool) => tool.call(&context).await,
                None => Err(Failure::told(format!("there is no tool `{}`", call.tool))),
            }
        } else {
            Err(Failure::told("interrupted: the process that did this died; whether it took effect is not known"))
        };
        let outcome = match outcome {
            Ok(output) => Ok(output),
            Err(Failure::Told(reason)) => Err(reason),
            // The agent goes back to before this call.
            Err(Failure::Lost(_)) if self.ask_to_recover(tenant, &agent.data.id).await? => return Ok(Step::Stopped),
            Err(Failure::Lost(reason)) => Err(reason),
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

    async fn refuse_call(&self, turn: Turn<'_>, tool: &str) -> AppResult<Outcome> {
        let most = turn.guardrails.max_tool_calls.unwrap_or_default();
        let violation = Violation {
            kind: GuardrailViolationType::ToolLimit,
            severity: GuardrailSeverity::Medium,
            action: GuardrailAction::Blocked,
            message: format!("`{tool}` was not called: a run may make {most} calls of tools"),
        };
        self.report_violation(turn.tenant, &turn.run.scope(), violation).await?;
        Ok(Err(Failure::told(format!(
            "this run may make no more than {most} calls of tools; answer with what you have"
        ))))
    }
}

/// The calls of one answer of a model.
#[derive(Clone, Copy)]
struct Turn<'a> {
    tenant: &'a Tenant,
    run: &'a RunRecord,
    agent: &'a AgentRecord,
    step: u32,
    /// How many tools were called before.
    called: usize,
    guardrails: &'a GuardrailConfig,
}
