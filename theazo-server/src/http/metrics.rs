//! Metrics.

use theazo_api::metrics::{GetMetricsSummary, QueryMetrics};

use super::mount::{Call, Routes};

pub fn mount(routes: &mut Routes) {
    routes.unary(|call: Call<GetMetricsSummary>| async move { call.context.metrics_summary().await });
    routes.unary(|call: Call<QueryMetrics>| async move { call.context.query_metrics(call.query).await });
}
