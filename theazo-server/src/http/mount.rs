//! Mounting: from an operation of the table and a handler to a route.

use std::{collections::HashSet, future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{RawPathParams, Request, rejection::RawPathParamsRejection},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts},
    routing::{MethodFilter, MethodRouter, on},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use sha2::{Digest, Sha256};
use theazo_api::{Access, Endpoint, ErrorCode, Method, NEXT_CURSOR, Operation, Repeat, Reply, RequestId, TimeClass};
use tracing::Instrument;

use super::{
    Server,
    auth::authenticate,
    body::{read_body, read_json, read_path, read_query},
    cursor::{Beginning, Cursor},
    encode,
    error::{request_id_of, respond, with_request_id},
    faults,
    socket::Upgrade,
    stream::{EventSource, Follower, event_stream},
    traceparent::caller_trace,
    waiting,
};
use crate::{
    app::{Context, Report, authenticate_program},
    error::{AppError, AppResult},
    store::Claim,
};

/// In front of the paths of what programs in sandboxes ask for; their token stands between.
const BRIDGE: &str = "/bridge/";

/// How large a body may be.
const MAX_BODY_BYTES: usize = 32 << 20;

/// A typed request of an operation.
pub struct Call<E: Endpoint> {
    /// Who asks.
    pub context: Context,
    /// The path parameters.
    pub path: E::Path,
    /// The query parameters.
    pub query: E::Query,
    /// The body.
    pub body: E::Body,
    /// The place in the log after which an event stream goes on, if it is resumed.
    pub last_event_id: Option<i64>,
    /// The same, as the caller said it.
    cursor: Option<Cursor>,
    /// What a WebSocket needs, where one is asked for.
    upgrade: Option<Upgrade>,
    /// How long the caller waits for this answer before it asks again, if it does.
    pub hold: Option<Duration>,
    /// Where the caller reached this plane; absent for a caller in the same process.
    pub origin: Option<String>,
}

type HandlerFuture<T> = Pin<Box<dyn Future<Output = AppResult<T>> + Send>>;

/// The routes as they are mounted.
pub struct Routes {
    server: Arc<Server>,
    router: Router,
    mounted: HashSet<&'static str>,
}

impl Routes {
    /// No routes yet.
    pub fn new(server: Arc<Server>) -> Self {
        Self { server, router: Router::new(), mounted: HashSet::new() }
    }

    /// The ids of the operations that are mounted.
    pub fn mounted(&self) -> &HashSet<&'static str> {
        &self.mounted
    }

    /// The routes.
    pub fn into_router(self) -> Router {
        self.router
    }

    /// Adds a route for one method of a path.
    pub fn add(&mut self, path: &str, route: MethodRouter) {
        let router = std::mem::take(&mut self.router);
        self.router = router.route(&axum_path(path), route);
    }

    /// Notes that an operation is mounted.
    pub fn mark(&mut self, operation: &'static Operation) {
        self.mounted.insert(operation.id);
    }

    /// The server, for handlers that need more than a context.
    pub fn server(&self) -> Arc<Server> {
        self.server.clone()
    }

    /// Mounts an operation that answers with one value.
    pub fn unary<E, H, F>(&mut self, handler: H)
    where
        E: Endpoint,
        H: Fn(Call<E>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = AppResult<E::Response>> + Send + 'static,
    {
        self.mount::<E, _>(move |call, prefer, request_id| {
            let report = call.context.report.clone();
            let work = Box::pin(handler(call));
            Box::pin(async move {
                let response = match E::OPERATION.time {
                    TimeClass::Run => waiting::answer::<E>(work, prefer, &request_id).await,
                    // Who asks again is answered in time by the operation itself, with the state as it is then.
                    TimeClass::Wait if prefer.is_none() => waiting::answer::<E>(work, prefer, &request_id).await,
                    _ => answer::<E>(work.await, &request_id),
                };
                Ok(with_report(response, &report))
            })
        });
    }

    /// Mounts an operation that answers with a stream of events.
    pub fn events<E, H, F>(&mut self, handler: H)
    where
        E: Endpoint,
        H: Fn(Call<E>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = AppResult<EventSource>> + Send + 'static,
    {
        self.mount::<E, _>(move |call, _, request_id| {
            let report = call.context.report.clone();
            let opened = open_stream(call, handler.clone());
            Box::pin(async move {
                let response = event_stream(opened.await?);
                Ok(with_report(with_request_id(response, &request_id), &report))
            })
        });
    }

    /// Mounts an operation that answers with a WebSocket.
    pub fn socket<E, H, F>(&mut self, handler: H)
    where
        E: Endpoint,
        H: Fn(Call<E>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = AppResult<EventSource>> + Send + 'static,
    {
        self.mount::<E, _>(move |mut call, _, request_id| {
            let upgrade = call.upgrade.take();
            let opened = open_stream(call, handler.clone());
            Box::pin(async move {
                let upgrade = upgrade.ok_or_else(|| AppError::internal("a socket is asked for by an upgrade"))?;
                Ok(with_request_id(upgrade.grant(opened.await?), &request_id))
            })
        });
    }

    fn mount<E, S>(&mut self, serve: S)
    where
        E: Endpoint,
        S: Fn(Call<E>, Option<Duration>, RequestId) -> HandlerFuture<Response<Body>> + Clone + Send + Sync + 'static,
    {
        let operation = E::OPERATION;
        for (method, path) in operation.routes() {
            let route = self.route::<E, S>(method, serve.clone());
            self.add(path, route);
            if operation.access == Access::Sandbox {
                let route = self.route::<E, S>(method, serve.clone());
                self.add(&format!("{BRIDGE}{{bridgeToken}}{path}"), route);
            }
        }
        self.mark(operation);
    }

    fn route<E, S>(&self, method: Method, serve: S) -> MethodRouter
    where
        E: Endpoint,
        S: Fn(Call<E>, Option<Duration>, RequestId) -> HandlerFuture<Response<Body>> + Clone + Send + Sync + 'static,
    {
        let server = self.server.clone();
        on(filter_of(method), move |parameters: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
            let (server, serve) = (server.clone(), serve.clone());
            let request_id = request_id_of(&request);
            let span = tracing::info_span!("request", id = %request_id, operation = E::OPERATION.id);
            async move { handle::<E, S>(&server, serve, parameters, request, request_id).await }.instrument(span)
        })
    }
}

/// Opens the stream that a call asks for. What can be refused is refused before the operation has an effect.
async fn open_stream<E, F>(call: Call<E>, handler: impl FnOnce(Call<E>) -> F) -> AppResult<Follower>
where
    E: Endpoint,
    F: Future<Output = AppResult<EventSource>>,
{
    let (app, tenant) = (call.context.app.clone(), call.context.tenant.clone());
    let place = app.feed.take_place(&tenant)?;
    let beginning = match call.cursor {
        Some(cursor) => cursor.check(&app.store, &tenant, cursor_name(E::OPERATION))?,
        None => Beginning::default(),
    };
    Follower::open(place, handler(call).await?, beginning, app.clock.clone())
}

/// The method as the router knows it.
pub fn filter_of(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    }
}

fn axum_path(template: &str) -> String {
    template
        .split('/')
        .map(|segment| match segment.strip_suffix("...}") {
            Some(name) => format!("{{*{}}}", name.trim_start_matches('{')),
            None => segment.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("/")
}

async fn handle<E, S>(
    server: &Server,
    serve: S,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    request_id: RequestId,
) -> Response<Body>
where
    E: Endpoint,
    S: Fn(Call<E>, Option<Duration>, RequestId) -> HandlerFuture<Response<Body>>,
{
    let operation = E::OPERATION;
    let record = server.test.as_ref().map(|test| test.record(operation, &request, server.app.clock.now()));
    let fault = server.test.as_ref().and_then(|test| test.next_fault(operation));
    let serve = async {
        let call = read_call::<E>(server, parameters, request).await;
        match call {
            Ok((call, prefer)) => serve(call, prefer, request_id.clone()).await,
            Err(error) => Err(error),
        }
        .unwrap_or_else(|error| respond(&error, &request_id, should_retry(operation, &error)))
    };
    let response = faults::answer_with(fault, &server.app.clock, &request_id, serve).await;
    tracing::debug!(status = response.status().as_u16(), "answered");
    if let (Some(test), Some(record)) = (&server.test, record) {
        test.finish(record, &response);
    }
    response
}

async fn read_call<E: Endpoint>(
    server: &Server,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> AppResult<(Call<E>, Option<Duration>)> {
    let operation = E::OPERATION;
    let parameters =
        parameters.map_err(|_| AppError::unreadable("the path has an escape that is not UTF-8, such as `%FF`"))?;
    let (mut parts, body) = request.into_parts();
    let (tenant, program) = match operation.access {
        // Whoever asks without a key sees nothing of any account.
        Access::Open => (crate::store::Tenant::new("", crate::store::World::Test), None),
        Access::Sandbox => {
            let token = parts.uri.path().strip_prefix(BRIDGE).and_then(|rest| rest.split('/').next());
            let (tenant, agent_id) =
                server.app.store.read(|view| authenticate_program(view, token.unwrap_or_default()))?;
            (tenant, Some(agent_id))
        }
        _ => (authenticate(server, operation, &parts).await?, None),
    };
    let path = read_path::<E>(&parameters)?;
    let query = read_query::<E>(parts.uri.query().unwrap_or_default())?;
    let value = match operation.method {
        Method::Get | Method::Delete => Value::Null,
        _ => {
            let bytes = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|error| {
                if error.downcast_ref::<LengthLimitError>().is_some() {
                    AppError::unreadable(format!("the body is larger than {MAX_BODY_BYTES} bytes"))
                } else {
                    AppError::unreadable("the body broke off")
                }
            })?;
            read_json(&bytes.to_bytes())?
        }
    };
    let claim = claim(operation, &parts.headers, parts.uri.path(), &value)?;
    let body = read_body::<E>(value)?;
    let trace = header_text(&parts.headers, "traceparent").and_then(caller_trace);
    let context =
        Context { app: server.app.clone(), tenant, claim, trace, program, report: Arc::new(Report::default()) };
    let cursor = read_cursor(operation, &parts)?;
    let upgrade = if operation.reply == Reply::Socket { Some(Upgrade::of(&mut parts)?) } else { None };
    let prefer = header_text(&parts.headers, "prefer").and_then(waiting::preferred_wait);
    let last_event_id = cursor.map(Cursor::after);
    let origin = super::stored_files::origin(&parts.headers);
    Ok((Call { context, path, query, body, last_event_id, cursor, upgrade, hold: prefer, origin }, prefer))
}

/// Where a resumed stream goes on.
fn read_cursor(operation: &Operation, parts: &Parts) -> AppResult<Option<Cursor>> {
    let text = match operation.reply {
        Reply::Events => {
            let header = parts.headers.get("last-event-id");
            header.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        }
        // Browsers cannot set headers of a WebSocket, so there the place is in the query.
        Reply::Socket => {
            let query = parts.uri.query().unwrap_or_default();
            let since = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "since");
            since.map(|(_, value)| value.into_owned())
        }
        Reply::Json | Reply::Empty => None,
    };
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let not_one = || AppError::invalid_field(cursor_name(operation), "must be the id of an event of the stream");
    Cursor::parse(&text).ok_or_else(not_one).map(Some)
}

/// How the caller says where a stream goes on.
fn cursor_name(operation: &Operation) -> &'static str {
    if operation.reply == Reply::Socket { "since" } else { "Last-Event-ID" }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The claim of a request that carries an idempotency key.
fn claim(operation: &Operation, headers: &HeaderMap, path: &str, body: &Value) -> AppResult<Option<Claim>> {
    let Some(value) = headers.get("idempotency-key").filter(|_| operation.repeat == Repeat::Keyed) else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > 255 {
        return Err(AppError::invalid_field("Idempotency-Key", "must be 1 to 255 characters of ASCII"));
    }
    // The same body with its members in another order is the same request.
    let mut body = body.clone();
    body.sort_all_objects();
    let text = format!("{}\n{path}\n{body}", operation.id);
    let fingerprint = format!("{:x}", Sha256::digest(text));
    Ok(Some(Claim { key: key.to_owned(), fingerprint }))
}

/// Whether asking again can help. What came of a run or a program is stored: asking again gives the same.
pub fn should_retry(operation: &Operation, error: &AppError) -> Option<bool> {
    let stored = operation.time == TimeClass::Run && error.detail.code != ErrorCode::InternalError;
    (stored && error.retry_after.is_none()).then_some(false)
}

/// The answer of an operation.
pub fn answer<E: Endpoint>(outcome: AppResult<E::Response>, request_id: &RequestId) -> Response<Body> {
    let operation = E::OPERATION;
    match outcome.and_then(|value| encode::answer(operation, &value)) {
        Err(error) => respond(&error, request_id, should_retry(operation, &error)),
        Ok(encoded) => {
            let empty = operation.reply == Reply::Empty;
            let mut response = Response::new(if empty { Body::empty() } else { Body::from(encoded.body) });
            if let Some(cursor) = encoded.next_cursor.and_then(|cursor| HeaderValue::try_from(cursor).ok()) {
                response.headers_mut().insert(NEXT_CURSOR, cursor);
            }
            *response.status_mut() = axum::http::StatusCode::from_u16(operation.status).unwrap_or_default();
            if !empty {
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
            }
            with_request_id(response, request_id)
        }
    }
}

fn with_report(mut response: Response<Body>, report: &Report) -> Response<Body> {
    if report.goes_on.get().is_some() {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    let headers = response.headers_mut();
    if report.goes_on.get().is_some() {
        headers.insert("x-theazo-continue", HeaderValue::from_static("true"));
    }
    if let Some(value) = report.run_id.get().and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
        headers.insert("x-theazo-run-id", value);
    }
    if let Some(value) = report.exec_id.get().and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
        headers.insert("x-theazo-exec-id", value);
    }
    if report.replayed.get().is_some() {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}
