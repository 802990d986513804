//! Operations of the API that this version does not serve yet: they say so, to whoever may ask.

use axum::{extract::Request, http::Response, routing::on};
use theazo_api::{Access, ErrorCode, Operation};

use super::{
    Server,
    auth::authenticate,
    error::{request_id_of, respond},
    mount::{Routes, filter_of},
};
use crate::error::AppError;

/// Mounts every operation of the table that is planned.
pub fn mount(routes: &mut Routes) {
    for operation in theazo_api::operations().into_iter().filter(|operation| operation.planned) {
        let server = routes.server();
        for (method, path) in operation.routes() {
            let server = server.clone();
            let route =
                on(filter_of(method), move |request: Request| async move { answer(&server, operation, request).await });
            routes.add(path, route);
        }
        routes.mark(operation);
    }
}

async fn answer(server: &Server, operation: &'static Operation, request: Request) -> Response<axum::body::Body> {
    let request_id = request_id_of(&request);
    let (parts, _) = request.into_parts();
    let refused = match operation.access {
        Access::Key => authenticate(server, operation, &parts).await.err(),
        _ => None,
    };
    let error = match refused {
        Some(error) => error,
        None => AppError::new(
            ErrorCode::NotImplemented,
            format!("`{}` is part of the API, but this version does not serve it", operation.id),
        ),
    };
    respond(&error, &request_id, Some(false))
}
