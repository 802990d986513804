//! Who asks: the key of a request, and how many requests and mistakes its sender may make.

use std::net::IpAddr;

use axum::http::{header, request::Parts};
use theazo_api::{ErrorCode, Operation, Plane};
use tokio::time::Instant;

use super::Server;
use crate::{
    error::{AppError, AppResult},
    store::Tenant,
};

/// Where a request comes from. A call in process comes from nowhere.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// The beginnings of API keys, which nothing else has.
const KEY_PREFIXES: [&str; 2] = ["th_live_", "th_test_"];

/// Whose things a request may see.
///
/// Who sends wrong keys too often is refused unheard for a while, except with a key that worked from there before: guessing
/// becomes slow, and the guesser's neighbours behind the same address go on.
pub async fn authenticate(server: &Server, operation: &Operation, parts: &Parts) -> AppResult<Tenant> {
    refuse_key_in_address(parts.uri.query().unwrap_or_default())?;
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let now = Instant::now();
    let key = bearer(parts)?;
    if let Some(peer) = peer {
        server.throttle.guard.check(peer, key, now)?;
    }
    let at = server.app.clock.now();
    let Some(holder) = server.app.store.read(|view| Ok::<_, AppError>(view.authenticate(key, at)?))? else {
        if let Some(peer) = peer {
            server.throttle.guard.note_failure(peer, now);
        }
        return Err(unauthorized("the API key is not valid here; it may be of another server, expired or revoked"));
    };
    if let Some(peer) = peer {
        server.throttle.guard.note_success(peer, key, now);
    }
    if operation.plane != Plane::Test {
        server.throttle.rates.take(&holder.key_id, now)?;
    }
    server.app.note_key_use(&holder, at).await;
    Ok(holder.tenant)
}

fn unauthorized(message: &str) -> AppError {
    AppError::new(ErrorCode::Unauthorized, message)
}

/// The key in the header of a request.
fn bearer(parts: &Parts) -> AppResult<&str> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
        return Err(unauthorized("there is no API key; send `Authorization: Bearer th_live_...`"));
    };
    value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim())
        .ok_or_else(|| unauthorized("the header `Authorization` is not of the form `Bearer th_live_...`"))
}

/// Addresses end up in the logs of proxies, so a key in one is refused, valid or not.
fn refuse_key_in_address(query: &str) -> AppResult<()> {
    let is_key = |value: &str| KEY_PREFIXES.iter().any(|prefix| value.contains(prefix));
    match form_urlencoded::parse(query.as_bytes()).find(|(_, value)| is_key(value)) {
        None => Ok(()),
        Some((name, _)) => {
            let message = "must not have an API key: addresses are logged on the way; send it as `Authorization: Bearer`, \
                           and revoke this one";
            Err(AppError::invalid_field(&name, message))
        }
    }
}
