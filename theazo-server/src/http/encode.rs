//! Answers as JSON, in the form that the wire has: with the names that every published client reads, and lists as the
//! operation says.

use serde::Serialize;
use serde_json::Value;
use theazo_api::{Operation, compatible::for_published_clients};

use crate::error::{AppError, AppResult};

/// An answer as it is sent.
pub struct Encoded {
    pub body: Vec<u8>,
    /// The cursor of the next page, where the body is the items alone and more of them follow.
    pub next_cursor: Option<String>,
}

/// A value as JSON with the names that every published client reads.
pub fn json(value: &impl Serialize) -> AppResult<Vec<u8>> {
    for_published_clients(|| serde_json::to_vec(value)).map_err(AppError::internal)
}

/// The answer of an operation.
pub fn answer(operation: &Operation, value: &impl Serialize) -> AppResult<Encoded> {
    if !operation.bare_list {
        return Ok(Encoded { body: json(value)?, next_cursor: None });
    }
    let page = for_published_clients(|| serde_json::to_value(value)).map_err(AppError::internal)?;
    let cursor = page["cursor"].as_str().filter(|cursor| !cursor.is_empty() && page["hasMore"] == Value::Bool(true));
    let body = serde_json::to_vec(&page["data"]).map_err(AppError::internal)?;
    Ok(Encoded { body, next_cursor: cursor.map(str::to_owned) })
}
