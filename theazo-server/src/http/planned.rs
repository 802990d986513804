//! Operations of the API that this version does not serve yet: they say so, to whoever may ask.

use axum::{extract::Request, http::Response, routing::on};
use theazo_api::{Access, ErrorCode, Operation};

use super::{
    Server,
    error::{new_request_id, respond},
    mount::{Routes, authenticate, filter_of},
};
use crate::error::AppError;

/// Mounts every operation of the table that is planned.
pub fn mount(routes: &mut Routes) {
    for operation in theazo_api::operations().into_iter().filter(|operation| operation.planned) {
        let server = routes.server();
        for (method, path) in operation.routes() {
            let server = server.clone();
            let route =
                on(filter_of(method), move |request: Request| async move { answer(&server, operation, &request) });
            routes.add(path, route);
        }
        routes.mark(operation);
    }
}

fn answer(server: &Server, operation: &'static Operation, request: &Request) -> Response<axum::body::Body> {
    let needs_key = operation.access == Access::Key;
    let error = match needs_key.then(|| authenticate(server, request.headers())) {
        Some(Err(error)) => error,
        _ => AppError::new(
            ErrorCode::NotImplemented,
            format!("`{}` is part of the API, but this version does not serve it", operation.id),
        ),
    };
    respond(&error, &new_request_id(), Some(false))
}
