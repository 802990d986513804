//! Sessions.

use theazo_api::sessions::{
    CreateSession, GetOrCreateUserSession, GetSession, GetSessionLimits, GetSessionUsage, ListSessions, PauseSession,
    ResumeSession, RunInSession, TerminateSession, UpdateSessionLimits,
};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<CreateSession>| async move { call.context.create_session(call.body).await });
    routes.unary(|call: Call<GetSession>| async move { call.context.get_session(&call.path.session_id) });
    routes.unary(|call: Call<GetOrCreateUserSession>| async move {
        call.context.session_for_user(call.path.user_id, call.body).await
    });
    routes.unary(|call: Call<ListSessions>| async move { call.context.list_sessions(&call.query) });
    routes.unary(|call: Call<RunInSession>| async move {
        call.context.run_in_session(call.path.session_id, call.body).await
    });
    routes.unary(|call: Call<GetSessionUsage>| async move { call.context.session_usage(&call.path.session_id) });
    routes.unary(|call: Call<GetSessionLimits>| async move { call.context.session_limits(&call.path.session_id) });
    routes.unary(|call: Call<UpdateSessionLimits>| async move {
        call.context.update_session_limits(call.path.session_id, call.body).await
    });
    routes.unary(|call: Call<PauseSession>| async move { call.context.pause_session(call.path.session_id).await });
    routes.unary(|call: Call<ResumeSession>| async move { call.context.resume_session(call.path.session_id).await });
    routes.unary(
        |call: Call<TerminateSession>| async move { call.context.terminate_session(call.path.session_id).await },
    );
}
