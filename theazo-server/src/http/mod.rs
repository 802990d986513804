//! HTTP: routes from the operation table, authentication, checks of input, and answers.
//!
//! A handler takes a typed request, calls the operation in `app`, and returns its outcome; everything else about HTTP is
//! here, once for all of them.

mod agents;
mod body;
mod error;
mod files;
mod health;
mod logs;
mod mount;
mod runs;
mod sessions;
mod stream;
mod testing;
mod usage;
mod waiting;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::get,
};
use theazo_api::ErrorCode;

use crate::{app::App, error::AppError, test_plane::TestPlaneState};

pub use error::ConnectionReset;

/// What the routes need.
pub struct Server {
    app: Arc<App>,
    /// Present on a test plane alone.
    test: Option<Arc<TestPlaneState>>,
}

/// The published resources that this version does not serve yet.
const PLANNED: &[&str] = &[
    "agent-definitions",
    "approvals",
    "attachments",
    "billing",
    "channels",
    "chat",
    "customizations",
    "events",
    "files",
    "fleets",
    "guardrails",
    "knowledge",
    "mcp",
    "metrics",
    "models",
    "providers",
    "sandbox",
    "schedules",
    "secrets",
    "tasks",
    "team-runs",
    "teams",
    "tools",
    "traces",
    "triggers",
    "webhooks",
    "workflow-runs",
    "workflows",
];

/// The routes of a control plane.
pub fn router(app: Arc<App>, test: Option<Arc<TestPlaneState>>) -> Router {
    let is_test = test.is_some();
    let mut routes = mount::Routes::new(Arc::new(Server { app, test }));
    sessions::mount(&mut routes);
    agents::mount(&mut routes);
    files::mount(&mut routes);
    runs::mount(&mut routes);
    logs::mount(&mut routes);
    usage::mount(&mut routes);
    health::mount(&mut routes);
    if is_test {
        testing::mount(&mut routes);
    }
    let mounted = routes.mounted();
    let mut missing = theazo_api::operations();
    missing.retain(|operation| !mounted.contains(operation.id));
    assert!(missing.is_empty(), "every operation of the table has a handler: {missing:?}");
    let document = get(|| async { ([(CONTENT_TYPE, "application/json")], theazo_api::OPENAPI) });
    routes
        .into_router()
        .route("/v1/openapi.json", document)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
}

async fn not_found(request: Request) -> Response {
    let path = request.uri().path();
    let planned = path.strip_prefix("/v1/").is_some_and(|rest| {
        let mut segments = rest.split('/');
        let first = segments.next().unwrap_or_default();
        let nested = segments.nth(1).unwrap_or_default();
        PLANNED.contains(&first)
            || (first == "sessions" && ["fleets", "teams", "chat", "tasks", "secrets"].contains(&nested))
            || (first == "agents" && ["ports", "send", "progress", "checkpoints"].contains(&nested))
    });
    let error = if planned {
        AppError::new(
            ErrorCode::NotImplemented,
            format!("`{path}` is part of the API, but this version does not serve it"),
        )
    } else {
        AppError::new(ErrorCode::NotFound, format!("there is nothing at `{path}`; see /v1/openapi.json"))
    };
    error::respond(&error, &error::new_request_id(), Some(false)).into_response()
}

async fn method_not_allowed(request: Request) -> Response {
    let message = format!("`{}` does not take {}", request.uri().path(), request.method());
    let error = AppError::new(ErrorCode::InvalidRequest, message);
    let mut response = error::respond(&error, &error::new_request_id(), Some(false));
    *response.status_mut() = axum::http::StatusCode::METHOD_NOT_ALLOWED;
    response
}
