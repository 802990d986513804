//! Runs.

use bytes::Bytes;
use theazo_api::{
    RunId, StreamEvent,
    runs::{CancelRun, GetRun, ListRuns, StartRun, StreamAgentRun, StreamInSession, StreamRun, WaitForRun},
};

use super::{
    encode,
    mount::{Call, Routes},
    stream::{EventSource, Notice, Shown},
};
use crate::{
    app::{Context, run_event},
    error::{AppError, AppResult},
    event::Event,
    store::{EventFilter, StoredEvent},
};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<StartRun>| async move { call.context.start_run(call.path.session_id, call.body).await });
    routes.unary(|call: Call<ListRuns>| async move { call.context.list_runs(&call.path.session_id, &call.query) });
    routes.events(|call: Call<StreamInSession>| async move {
        let run_id = call.context.start_one_shot_run(call.path.session_id, call.body).await?;
        follow_run(&call.context, &run_id, call.last_event_id)
    });
    routes.events(|call: Call<StreamAgentRun>| async move {
        let (context, body) = (call.context, call.body);
        let run_id = context.start_agent_run(call.path.agent_id, body.task, body.max_cost).await?;
        follow_run(&context, &run_id, call.last_event_id)
    });
    routes.unary(|call: Call<GetRun>| async move { call.context.get_run(&call.path.run_id) });
    routes.unary(|call: Call<WaitForRun>| async move { call.context.wait_for_run(&call.path.run_id).await });
    routes.events(|call: Call<StreamRun>| async move {
        call.context.get_run(&call.path.run_id)?;
        follow_run(&call.context, &call.path.run_id, call.last_event_id)
    });
    routes.unary(|call: Call<CancelRun>| async move { call.context.cancel_run(call.path.run_id).await });
}

fn follow_run(context: &Context, run_id: &RunId, last_event_id: Option<i64>) -> AppResult<EventSource> {
    let mut filter = EventFilter { run_id: Some(run_id.to_string()), ..EventFilter::default() };
    let endings = EventFilter { kinds: vec!["run.completed", "run.failed", "run.cancelled"], ..filter.clone() };
    let endings = context.app.store.read(|view| Ok::<_, AppError>(view.events(&context.tenant, &endings)?))?;
    // Who has seen the end of a run is shown it once more, or the stream would wait for what never comes.
    let last_shown = endings.last().map_or(i64::MAX, |stored| stored.sequence - 1);
    filter.after = last_event_id.unwrap_or(0).min(last_shown);
    let continued = EventFilter { kinds: vec!["run.continued"], ..filter.clone() };
    let continued = context.app.store.read(|view| Ok::<_, AppError>(view.events(&context.tenant, &continued)?))?;
    let goes_on_at = continued.last().map_or(0, |stored| stored.sequence);
    // A limit ends a stream for whoever watches when it is reached, but not for who comes after the run went on.
    let show = move |stored: &StoredEvent| {
        let is_over = matches!(stored.event, Event::RunPaused { error: Some(_) }) && stored.sequence < goes_on_at;
        if is_over { None } else { show_run_event(stored) }
    };
    Ok(EventSource::new(filter, show).telling(tell_in_run))
}

/// What a stream of a run shows of an event.
pub fn show_run_event(stored: &StoredEvent) -> Option<Shown> {
    let event = run_event(stored)?;
    Shown::new(&event, event.is_terminal())
}

/// What a stream says of itself, in the words of a run.
pub fn tell_in_run(notice: &Notice) -> Option<Bytes> {
    let event = StreamEvent::Progress { message: notice.message.clone(), percentage: None };
    encode::json(&event).ok().map(Bytes::from)
}
