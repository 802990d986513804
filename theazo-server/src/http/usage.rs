//! Usage.

use theazo_api::usage::{ExportUsage, GetDailyUsage, GetProviderUsage, GetUsageSummary, GetUserUsage, ListLedger};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<GetUsageSummary>| async move { call.context.usage_summary(call.query.period.as_ref()) });
    routes.unary(|call: Call<GetUserUsage>| async move {
        call.context.user_usage(&call.path.user_id, call.query.period.as_ref())
    });
    routes.unary(|call: Call<GetDailyUsage>| async move { call.context.daily_usage(&call.query) });
    routes.unary(|call: Call<GetProviderUsage>| async move { call.context.provider_usage(call.query.period.as_ref()) });
    routes.unary(|call: Call<ExportUsage>| async move { call.context.export_usage(&call.query) });
    routes.unary(|call: Call<ListLedger>| async move { call.context.list_ledger(call.query) });
}
