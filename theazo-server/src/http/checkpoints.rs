//! Checkpoints.

use theazo_api::checkpoints::{CreateCheckpoint, ListCheckpoints};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<ListCheckpoints>| async move {
        call.context.list_checkpoints(&call.path.agent_id, &call.query)
    });
    routes.unary(|call: Call<CreateCheckpoint>| async move {
        call.context.create_checkpoint(call.path.agent_id, call.body).await
    });
}
