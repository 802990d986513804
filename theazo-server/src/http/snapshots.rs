//! Snapshots.

use theazo_api::snapshots::{ForkSnapshot, ListSnapshots};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(
        |call: Call<ListSnapshots>| async move { call.context.list_snapshots(&call.path.agent_id, &call.query) },
    );
    routes.unary(|call: Call<ForkSnapshot>| async move {
        call.context.fork_snapshot(call.path.agent_id, call.path.snapshot_id, call.body).await
    });
}
