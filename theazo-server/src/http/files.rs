//! Files in sandboxes.

use theazo_api::files::{DeleteFile, ListFiles, MakeFolder, MoveFile, ReadFile, WriteFile};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<WriteFile>| async move { call.context.write_file(call.path.agent_id, call.body).await });
    routes
        .unary(|call: Call<ReadFile>| async move { call.context.read_file(call.path.agent_id, call.path.path).await });
    routes.unary(|call: Call<ListFiles>| async move { call.context.list_files(call.path.agent_id, call.query).await });
    routes.unary(|call: Call<DeleteFile>| async move {
        call.context.delete_file(call.path.agent_id, call.path.path, call.query).await
    });
    routes.unary(|call: Call<MoveFile>| async move { call.context.move_file(call.path.agent_id, call.body).await });
    routes.unary(|call: Call<MakeFolder>| async move { call.context.make_folder(call.path.agent_id, call.body).await });
}
