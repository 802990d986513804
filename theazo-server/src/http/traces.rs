//! Traces.

use theazo_api::traces::{GetTrace, ListTraces};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<ListTraces>| async move { call.context.list_traces(call.query).await });
    routes.unary(|call: Call<GetTrace>| async move { call.context.get_trace(call.path.trace_id).await });
}
