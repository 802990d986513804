//! Tasks.

use theazo_api::tasks::{
    CancelSessionTask, CancelTask, GetSessionTask, GetTask, ListTasks, SubmitTask, WaitForSessionTask, WaitForTask,
};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes
        .unary(|call: Call<SubmitTask>| async move { call.context.submit_task(call.path.session_id, call.body).await });
    routes.unary(|call: Call<ListTasks>| async move { call.context.list_tasks(&call.path.session_id, &call.query) });
    routes.unary(|call: Call<GetTask>| async move { call.context.get_task(&call.path.task_id, None) });
    routes.unary(|call: Call<GetSessionTask>| async move {
        call.context.get_task(&call.path.task_id, Some(&call.path.session_id))
    });
    routes.unary(|call: Call<WaitForTask>| async move {
        call.context.wait_for_task(&call.path.task_id, None, &call.query, call.hold).await
    });
    routes.unary(|call: Call<WaitForSessionTask>| async move {
        let session_id = Some(&call.path.session_id);
        call.context.wait_for_task(&call.path.task_id, session_id, &call.query, call.hold).await
    });
    routes.unary(|call: Call<CancelTask>| async move { call.context.cancel_task(call.path.task_id, None).await });
    routes.unary(|call: Call<CancelSessionTask>| async move {
        call.context.cancel_task(call.path.task_id, Some(call.path.session_id)).await
    });
}
