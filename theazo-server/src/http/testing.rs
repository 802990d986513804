//! The test plane's own operations.

use std::sync::Arc;

use theazo_api::testing::{
    AdvanceClock, BreakSandbox, ClearFaults, ClockState, CreateTestAccount, GetClock, InjectFault, ListCharges,
    ListRecordedEvents, ListRecordedRequests, ScriptAgent, ScriptExecs, TestAccount,
};

use super::mount::{Call, Routes};
use crate::{app::FirstKeys, error::AppError, test_plane::TestPlaneState};

pub fn mount(routes: &mut Routes) {
    let server = routes.server();
    let test: Arc<TestPlaneState> = server.test.clone().expect("a test plane mounts these");
    let state = test.clone();
    routes.unary(move |call: Call<ScriptAgent>| {
        state.script(&call.body.agent, call.body.turns);
        async { Ok(()) }
    });
    let state = test.clone();
    routes.unary(move |call: Call<ScriptExecs>| {
        state.simulation().script(&call.body.agent, call.body.results);
        async { Ok(()) }
    });
    let state = test.clone();
    routes.unary(move |call: Call<BreakSandbox>| {
        state.simulation().break_sandbox(call.body);
        async { Ok(()) }
    });
    routes.unary(|call: Call<AdvanceClock>| async move {
        let now = crate::test_plane::advance(&call.context.app, call.body.by.0).await?;
        Ok(ClockState { now })
    });
    routes.unary(|call: Call<GetClock>| async move { Ok(ClockState { now: call.context.app.clock.now() }) });
    routes.unary(|call: Call<CreateTestAccount>| async move {
        let app = &call.context.app;
        let keys = FirstKeys::create(&app.store, "another account".to_owned(), app.clock.now()).await?;
        Ok(TestAccount { api_key: keys.live })
    });
    let state = test.clone();
    routes.unary(move |call: Call<InjectFault>| {
        state.inject(call.body);
        async { Ok(()) }
    });
    let state = test.clone();
    routes.unary(move |_: Call<ClearFaults>| {
        state.clear_faults();
        async { Ok(()) }
    });
    routes.unary(|call: Call<ListRecordedEvents>| async move { call.context.recorded_events(call.query).await });
    routes.unary(move |_: Call<ListRecordedRequests>| {
        let requests = test.requests();
        async { Ok::<_, AppError>(requests) }
    });
    routes.unary(|call: Call<ListCharges>| async move { call.context.all_charges() });
}
