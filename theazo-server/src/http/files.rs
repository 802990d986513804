//! Files in sandboxes.

use theazo_api::files::{ListFiles, ReadFile, WriteFile};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<WriteFile>| async move { call.context.write_file(call.path.agent_id, call.body).await });
    routes
        .unary(|call: Call<ReadFile>| async move { call.context.read_file(call.path.agent_id, call.path.path).await });
    routes.unary(|call: Call<ListFiles>| async move { call.context.list_files(call.path.agent_id, call.query).await });
}
