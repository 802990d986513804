//! HTTP: routes from the operation table, authentication, checks of input, and answers.
//!
//! A handler takes a typed request, calls the operation in `app`, and returns its outcome; everything else about HTTP is
//! here, once for all of them.

mod activity;
mod agents;
mod api_keys;
mod auth;
mod billing;
mod body;
mod bridge;
mod checkpoints;
mod cursor;
mod definitions;
mod encode;
mod error;
mod execs;
mod faults;
mod files;
mod guardrails;
mod health;
mod logs;
mod metrics;
mod models;
mod mount;
mod planned;
mod ports;
mod runs;
mod secrets;
mod server;
mod sessions;
mod snapshots;
mod socket;
mod stored_files;
mod stream;
mod tasks;
mod testing;
mod throttle;
mod traceparent;
mod traces;
mod usage;
mod waiting;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
};
use theazo_api::ErrorCode;

use crate::{app::App, error::AppError, test_plane::TestPlaneState};

pub use error::ConnectionReset;
pub use server::{ServeConfig, serve};
pub use throttle::Throttle;

/// What the routes need.
pub struct Server {
    app: Arc<App>,
    /// Present on a test plane alone.
    test: Option<Arc<TestPlaneState>>,
    throttle: Throttle,
}

/// The routes of a control plane.
pub fn router(app: Arc<App>, test: Option<Arc<TestPlaneState>>, throttle: Throttle) -> Router {
    let is_test = test.is_some();
    let mut routes = mount::Routes::new(Arc::new(Server { app, test, throttle }));
    sessions::mount(&mut routes);
    agents::mount(&mut routes);
    definitions::mount(&mut routes);
    execs::mount(&mut routes);
    files::mount(&mut routes);
    stored_files::mount(&mut routes);
    guardrails::mount(&mut routes);
    snapshots::mount(&mut routes);
    checkpoints::mount(&mut routes);
    ports::mount(&mut routes);
    bridge::mount(&mut routes);
    runs::mount(&mut routes);
    tasks::mount(&mut routes);
    secrets::mount(&mut routes);
    api_keys::mount(&mut routes);
    logs::mount(&mut routes);
    activity::mount(&mut routes);
    traces::mount(&mut routes);
    metrics::mount(&mut routes);
    usage::mount(&mut routes);
    billing::mount(&mut routes);
    models::mount(&mut routes);
    health::mount(&mut routes);
    planned::mount(&mut routes);
    if is_test {
        testing::mount(&mut routes);
    }
    let mounted = routes.mounted();
    let mut missing = theazo_api::operations();
    missing.retain(|operation| !mounted.contains(operation.id));
    assert!(missing.is_empty(), "every operation of the table has a handler: {missing:?}");
    routes.into_router().fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

async fn not_found(request: Request) -> Response {
    let message = format!("there is nothing at `{}`; see /v1/openapi.json", request.uri().path());
    let error = AppError::new(ErrorCode::NotFound, message);
    error::respond(&error, &error::request_id_of(&request), Some(false)).into_response()
}

async fn method_not_allowed(request: Request) -> Response {
    let message = format!("`{}` does not take {}", request.uri().path(), request.method());
    let error = AppError::new(ErrorCode::InvalidRequest, message);
    let mut response = error::respond(&error, &error::request_id_of(&request), Some(false));
    *response.status_mut() = axum::http::StatusCode::METHOD_NOT_ALLOWED;
    response
}
