//! Input: from bytes to checked types, with every problem named by its field.

use std::any::TypeId;

use axum::extract::RawPathParams;
use serde_json::{Map, Value};
use theazo_api::{Endpoint, ErrorCode, FieldProblem, Operation, Problems, check::Check};

use crate::error::{AppError, AppResult};

/// How many unknown members of a body are named.
const MOST_UNKNOWN: usize = 50;

fn is_unit<T: 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<()>()
}

/// The path parameters.
pub fn read_path<E: Endpoint>(parameters: &RawPathParams) -> AppResult<E::Path> {
    if is_unit::<E::Path>() {
        return serde_json::from_value(Value::Null).map_err(AppError::internal);
    }
    let named: Map<String, Value> =
        parameters.iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    serde_json::from_value(Value::Object(named)).map_err(AppError::internal)
}

/// The query parameters.
pub fn read_query<E: Endpoint>(query: &str) -> AppResult<E::Query> {
    if is_unit::<E::Query>() {
        return serde_json::from_value(Value::Null).map_err(AppError::internal);
    }
    let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded(query));
    let parsed: E::Query =
        serde_path_to_error::deserialize(deserializer).map_err(|error| AppError::invalid_fields(&[problem(&error)]))?;
    checked(parsed)
}

fn form_urlencoded(query: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.as_bytes())
}

/// The JSON of a body; an empty one is an empty object.
pub fn read_json(body: &[u8]) -> AppResult<Value> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(body).map_err(|error| AppError::unreadable(format!("the body is not JSON: {error}")))
}

/// The body as its type.
pub fn read_body<E: Endpoint>(value: Value) -> AppResult<E::Body> {
    if is_unit::<E::Body>() {
        return serde_json::from_value(Value::Null).map_err(AppError::internal);
    }
    let operation = E::OPERATION;
    if !value.is_object() {
        return Err(AppError::invalid_field("", "must be a JSON object"));
    }
    refuse_planned(operation, &value)?;
    let mut unknown = Vec::new();
    let parsed: Result<E::Body, _> = {
        let mut note = |path: serde_ignored::Path<'_>| {
            let path = path.to_string().replace(".?", "");
            if unknown.len() < MOST_UNKNOWN && is_strict(operation, &path) {
                unknown.push(path);
            }
        };
        let deserializer = serde_ignored::Deserializer::new(value, &mut note);
        serde_path_to_error::deserialize(deserializer)
    };
    let parsed = parsed.map_err(|error| AppError::invalid_fields(&[problem(&error)]))?;
    let forbidden: Vec<FieldProblem> = unknown
        .into_iter()
        .map(|field| FieldProblem {
            field,
            message: "is not a field that exists here; a typo must not mean \"no limit\"".to_owned(),
        })
        .collect();
    if !forbidden.is_empty() {
        return Err(AppError::invalid_fields(&forbidden));
    }
    checked(parsed)
}

/// Whether an unknown member at this place is an error.
fn is_strict(operation: &Operation, path: &str) -> bool {
    let is_within = |part: &str| path.strip_prefix(part).is_some_and(|rest| rest.starts_with('.'));
    operation.strict.iter().any(|part| part.is_empty() || is_within(part))
}

fn checked<T: Check>(value: T) -> AppResult<T> {
    let problems = Problems::of(&value);
    if problems.is_empty() { Ok(value) } else { Err(AppError::refused(value.refusal(), &problems)) }
}

fn refuse_planned(operation: &Operation, value: &Value) -> AppResult<()> {
    for field in operation.planned_fields {
        let pointer = format!("/{}", field.replace('.', "/"));
        if value.pointer(&pointer).is_some_and(|value| !value.is_null()) {
            let message = format!("the field `{field}` is part of the API, but this version does not serve it");
            return Err(AppError::new(ErrorCode::NotImplemented, message).with("field", *field));
        }
    }
    Ok(())
}

fn problem<E: std::fmt::Display>(error: &serde_path_to_error::Error<E>) -> FieldProblem {
    let path = error.path().to_string();
    let reason = error.inner().to_string();
    // A missing field is reported at the value that lacks it.
    if let Some(name) = reason.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let field = if path == "." { name.to_owned() } else { format!("{path}.{name}") };
        return FieldProblem { field, message: "is missing".to_owned() };
    }
    FieldProblem { field: if path == "." { String::new() } else { path }, message: format!("is not right: {reason}") }
}
