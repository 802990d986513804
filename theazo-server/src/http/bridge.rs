//! The bridge of programs in sandboxes.

use theazo_api::bridge::{
    AddSpanFromSandbox, CompleteFromSandbox, LogFromSandbox, ReportProgressFromSandbox, TrackModelFromSandbox,
};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<LogFromSandbox>| async move { call.context.log_from_sandbox(call.body).await });
    routes.unary(
        |call: Call<TrackModelFromSandbox>| async move { call.context.track_model_from_sandbox(call.body).await },
    );
    routes.unary(|call: Call<AddSpanFromSandbox>| async move { call.context.add_span_from_sandbox(call.body).await });
    routes.unary(|call: Call<ReportProgressFromSandbox>| async move {
        call.context.report_progress_from_sandbox(call.body).await
    });
    routes.unary(|call: Call<CompleteFromSandbox>| async move { call.context.complete_from_sandbox(call.body).await });
}
