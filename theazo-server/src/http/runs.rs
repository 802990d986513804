//! Runs.

use theazo_api::{
    RunId,
    runs::{CancelRun, GetRun, ListRuns, StartRun, StreamAgentRun, StreamRun, WaitForRun},
};

use super::{
    mount::{Call, Routes},
    stream::{EventSource, Shown},
};
use crate::{
    app::{Context, run_event},
    store::{EventFilter, StoredEvent},
};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<StartRun>| async move { call.context.start_run(call.path.session_id, call.body).await });
    routes.unary(|call: Call<ListRuns>| async move { call.context.list_runs(&call.path.session_id, &call.query) });
    routes.events(|call: Call<StreamAgentRun>| async move {
        let (context, body) = (call.context, call.body);
        let run_id = context.start_agent_run(call.path.agent_id, body.task, body.max_cost).await?;
        Ok(follow_run(&context, &run_id, call.last_event_id))
    });
    routes.unary(|call: Call<GetRun>| async move { call.context.get_run(&call.path.run_id) });
    routes.unary(|call: Call<WaitForRun>| async move { call.context.wait_for_run(&call.path.run_id).await });
    routes.events(|call: Call<StreamRun>| async move {
        call.context.get_run(&call.path.run_id)?;
        Ok(follow_run(&call.context, &call.path.run_id, call.last_event_id))
    });
    routes.unary(|call: Call<CancelRun>| async move { call.context.cancel_run(call.path.run_id).await });
}

fn follow_run(context: &Context, run_id: &RunId, last_event_id: Option<i64>) -> EventSource {
    let filter =
        EventFilter { after: last_event_id.unwrap_or(0), run_id: Some(run_id.to_string()), ..EventFilter::default() };
    EventSource { tenant: context.tenant.clone(), filter, show: show_run_event }
}

/// What a stream of a run shows of an event.
pub fn show_run_event(stored: &StoredEvent) -> Option<Shown> {
    let event = run_event(stored)?;
    Shown::new(&event, event.is_terminal())
}
