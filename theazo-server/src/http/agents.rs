//! Agents.

use theazo_api::{
    agents::{
        CreateAgent, GetAgent, GetAgentProgress, GetAgentStatus, ListAgents, ListSessionAgents, PauseAgent,
        ResumeAgent, RetryAgent, RunAgent, SendToAgent, TerminateAgent, WatchAgent,
    },
    runs::RunResult,
};

use super::{
    mount::{Call, Routes},
    runs::{show_run_event, tell_in_run},
    stream::EventSource,
};
use crate::{error::AppResult, store::EventFilter};

pub fn mount(routes: &mut Routes) {
    routes.unary(
        |call: Call<CreateAgent>| async move { call.context.create_agent(call.path.session_id, call.body).await },
    );
    routes.unary(|call: Call<ListSessionAgents>| async move {
        call.context.list_session_agents(&call.path.session_id, call.query)
    });
    routes.unary(|call: Call<GetAgent>| async move { call.context.get_agent(&call.path.agent_id) });
    routes.unary(|call: Call<ListAgents>| async move { call.context.list_agents(call.query) });
    routes.unary(run_agent);
    routes.events(|call: Call<WatchAgent>| async move { watch_agent(&call) });
    routes.unary(|call: Call<GetAgentStatus>| async move { call.context.agent_status(&call.path.agent_id) });
    routes.unary(|call: Call<GetAgentProgress>| async move { call.context.agent_progress(&call.path.agent_id) });
    routes.unary(|call: Call<SendToAgent>| async move { call.context.send_input(call.path.agent_id, call.body).await });
    routes.unary(|call: Call<PauseAgent>| async move { call.context.pause_agent(call.path.agent_id).await });
    routes
        .unary(|call: Call<ResumeAgent>| async move { call.context.resume_agent(call.path.agent_id, call.body).await });
    routes.unary(|call: Call<RetryAgent>| async move { call.context.retry_agent(call.path.agent_id).await });
    routes.unary(|call: Call<TerminateAgent>| async move { call.context.terminate_agent(call.path.agent_id).await });
}

async fn run_agent(call: Call<RunAgent>) -> AppResult<RunResult> {
    let context = call.context;
    if call.body.stream != Some(true) {
        return context.run_agent(call.path.agent_id, call.body.task, call.body.max_cost).await;
    }
    // The published client reads the agent's stream and ignores this answer, so it must come at once.
    let run_id = context.start_agent_run(call.path.agent_id, call.body.task, call.body.max_cost).await?;
    let run = context.get_run(&run_id)?;
    let agent = context.get_agent(&run.agent_id)?;
    Ok(RunResult {
        run_id,
        output: String::new(),
        artifacts: Vec::new(),
        files: None,
        cost: run.cost,
        duration: "0s".to_owned(),
        duration_ms: 0,
        provider: agent.provider,
        tool_calls: Vec::new(),
    })
}

fn watch_agent(call: &Call<WatchAgent>) -> AppResult<EventSource> {
    let context = &call.context;
    let agent_id = &call.path.agent_id;
    context.get_agent(agent_id)?;
    let filter = EventFilter { agent_id: Some(agent_id.to_string()), ..EventFilter::default() };
    let filter = context.follow_from(call.last_event_id, filter)?;
    Ok(EventSource::new(filter, show_run_event).telling(tell_in_run))
}
