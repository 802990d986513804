//! Programs in sandboxes.

use theazo_api::exec::{ExecInAgent, KillExec, ListProcesses, StreamExec, WriteToExec};

use super::{
    mount::{Call, Routes},
    stream::{EventSource, Shown},
};
use crate::{app::show_exec, error::AppResult};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<ExecInAgent>| async move { call.context.exec(call.path.agent_id, call.body).await });
    routes.events(stream_exec);
    routes.unary(|call: Call<WriteToExec>| async move {
        call.context.write_to_exec(call.path.agent_id, call.path.exec_id, call.body).await
    });
    routes.unary(|call: Call<KillExec>| async move {
        call.context.kill_exec(call.path.agent_id, call.path.exec_id, call.body).await
    });
    routes
        .unary(|call: Call<ListProcesses>| async move { call.context.processes(call.path.agent_id, call.query).await });
}

async fn stream_exec(call: Call<StreamExec>) -> AppResult<EventSource> {
    let (exec_id, filter) = call.context.stream_exec(call.path.agent_id, call.body, call.last_event_id).await?;
    Ok(EventSource::new(filter, move |stored| {
        let event = show_exec(&exec_id, stored)?;
        Shown::new(&event, event.is_terminal())
    }))
}
