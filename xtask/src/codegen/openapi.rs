//! `theazo-api/openapi.json`: the public operations as an OpenAPI 3.1 document.

mod examples;

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use examples::Examples;
use serde_json::{Map, Value, json};
use theazo_api::ErrorCode;

use super::{
    GeneratedFile,
    ir::{
        Access, Argument, Field, Handle, Ir, Operation, Place, Plane, Repeat, Reply, TimeClass, Type, TypeDefinition,
    },
    naming,
};
use crate::fixtures;

/// Renders the document.
pub fn render(ir: &Ir) -> Result<Vec<GeneratedFile>> {
    let operations: Vec<&Operation> = ir.operations.iter().filter(|operation| operation.plane != Plane::Test).collect();
    let mut examples = Examples::new(ir)?;
    let mut paths = Map::new();
    let mut tags = Vec::new();
    for operation in &operations {
        let path = operation.path.replace("...}", "}");
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[operation.method.to_ascii_lowercase()] = render_operation(operation, ir, &mut examples)
            .with_context(|| format!("the operation `{}`", operation.id))?;
        let tag = tag(operation, ir);
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }

    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Theazo API",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Isolated, metered AI agents for each of your users.",
            "description": DESCRIPTION.trim(),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "https://api.theazo.com", "description": "The public API." }],
        "security": [{ "apiKey": [] }],
        "tags": tags.into_iter().map(|(name, description)| json!({ "name": name, "description": description }))
            .collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas(ir, &operations)?,
            "examples": examples.into_components(),
            "parameters": header_parameters(),
            "headers": {
                "RequestId": {
                    "description": "The id of the request, for support and logs.",
                    "schema": { "type": "string", "examples": ["req_a1b2c3"] },
                },
                "RetryAfter": {
                    "description": "How many seconds to wait before the next try.",
                    "schema": { "type": "integer", "minimum": 0, "examples": [2] },
                },
                "NextCursor": {
                    "description": "What to send as `cursor` to get the next page; absent on the last page.",
                    "schema": { "type": "string" },
                },
            },
            "responses": error_responses()?,
            "securitySchemes": {
                "apiKey": { "type": "http", "scheme": "bearer", "description": "An API key: `th_live_...` or `th_test_...`." },
                "signature": {
                    "type": "apiKey", "in": "header", "name": "X-Trigger-Signature",
                    "description": "The HMAC-SHA256 of the body with the secret of the resource, in hexadecimal digits.",
                },
            },
        },
    });
    let content = serde_json::to_string_pretty(&document)? + "\n";
    Ok(vec![GeneratedFile { path: "theazo-api/openapi.json".into(), content }])
}

const DESCRIPTION: &str = "
Generated from the crate `theazo-api` by `cargo xtask codegen`; do not edit.

Values tolerate the future: unknown members are to be ignored, and a string with `x-theazo-enum` may have other values.

Extensions: `x-theazo-surface` is the place of an operation in the SDKs; `x-theazo-repeat` says whether it may be sent
again (`safe`, `idempotent`, or `keyed`: with the same `Idempotency-Key`); `x-theazo-time-class` says how long an answer
may take (`request`, `run`, `wait` or `stream`); `x-theazo-ours` marks what was added to the published API; an operation
with `x-theazo-status: planned` answers 501; `x-theazo-older-routes` mean the same; members named in `x-theazo-strict`
refuse unknown members, `body` being the body itself; members in `x-theazo-planned` are refused; `x-theazo-positional`
are taken by position in the SDKs, and `x-theazo-fills` are filled in from the receiver. `x-codeSamples` is the call in
each language; `theazo`, `session`, `agent`, `run`, `fleet` and `team` in it are a client and handles that are there already.
";

fn render_operation(operation: &Operation, ir: &Ir, examples: &mut Examples<'_>) -> Result<Value> {
    let mut parameters: Vec<Value> = Vec::new();
    for field in &operation.path_parameters {
        let mut parameter = json!({
            "name": field.wire_name, "in": "path", "required": true, "description": field.doc,
            "schema": type_schema(&field.ty),
        });
        if operation.path.contains(&format!("{{{}...}}", field.wire_name)) {
            // OpenAPI has no parameter of several segments; clients leave the slashes as they are.
            parameter["x-theazo-rest"] = true.into();
        }
        if let Some(example) = examples.parameter(operation, Place::Path, &field.wire_name)? {
            parameter["example"] = example;
        }
        parameters.push(parameter);
    }
    for Argument { field, place } in operation.arguments.iter().chain(&operation.options).chain(&operation.filled) {
        if *place == Place::Query {
            let mut parameter = json!({
                "name": field.wire_name, "in": "query", "required": field.required, "description": field.doc,
                "schema": type_schema(&field.ty),
            });
            if let Some(example) = examples.parameter(operation, Place::Query, &field.wire_name)? {
                parameter["example"] = example;
            }
            parameters.push(parameter);
        }
    }
    let mut header = |name: &str| parameters.push(json!({ "$ref": format!("#/components/parameters/{name}") }));
    if operation.repeat == Repeat::Keyed {
        header("IdempotencyKey");
    }
    if matches!(operation.time, TimeClass::Run | TimeClass::Wait) {
        header("Prefer");
    }
    if operation.reply == Reply::Events {
        header("LastEventId");
    }

    let mut out = json!({
        "operationId": operation.id,
        "tags": [tag(operation, ir).0],
        "summary": operation.summary,
        "description": operation.doc,
    });
    if !parameters.is_empty() {
        out["parameters"] = parameters.into();
    }
    if operation.has_body {
        let required = operation
            .arguments
            .iter()
            .chain(operation.filled.iter().filter(|filled| filled.field.required))
            .any(|argument| matches!(argument.place, Place::Body | Place::WholeBody));
        let mut schema = match (&operation.body_type, whole_body(operation)) {
            (Some(body), _) => reference(body),
            (None, Some(field)) => described(type_schema(&field.ty), &field.doc),
            (None, None) => json!({}),
        };
        if operation.strict.iter().any(String::is_empty) {
            schema["unevaluatedProperties"] = false.into();
        }
        let content = json!({ "schema": schema, "examples": examples.request(operation)? });
        out["requestBody"] = json!({ "required": required, "content": { "application/json": content } });
    }
    out["responses"] = responses(operation, examples)?;
    match operation.access {
        Access::Key => {}
        Access::Signature => out["security"] = json!([{ "signature": [] }]),
        Access::Open | Access::Id | Access::Sandbox => out["security"] = json!([]),
    }
    extensions(&mut out, operation);
    if let Some(samples) = examples.code_samples(operation) {
        out["x-codeSamples"] = samples;
    }
    Ok(out)
}

fn whole_body(operation: &Operation) -> Option<&Field> {
    operation.arguments.iter().find(|argument| argument.place == Place::WholeBody).map(|argument| &argument.field)
}

fn described(mut schema: Value, doc: &str) -> Value {
    schema["description"] = doc.into();
    schema
}

fn extensions(out: &mut Value, operation: &Operation) {
    out["x-theazo-surface"] = match operation.receiver.as_str() {
        "" => operation.camel_name.clone(),
        receiver => format!("{receiver}.{}", operation.camel_name),
    }
    .into();
    out["x-theazo-repeat"] = json!(operation.repeat);
    out["x-theazo-time-class"] = json!(operation.time);
    let positional: Vec<&str> = operation.arguments.iter().map(|argument| argument.field.wire_name.as_str()).collect();
    if !positional.is_empty() {
        out["x-theazo-positional"] = json!(positional);
    }
    if !operation.filled.is_empty() {
        let filled: Vec<&str> = operation.filled.iter().map(|argument| argument.field.wire_name.as_str()).collect();
        out["x-theazo-fills"] = json!(filled);
    }
    if operation.planned {
        out["x-theazo-status"] = "planned".into();
    }
    if operation.ours {
        out["x-theazo-ours"] = true.into();
    }
    if !operation.older.is_empty() {
        let older = operation.older.iter().map(|(method, path)| format!("{method} {path}"));
        out["x-theazo-older-routes"] = older.collect::<Vec<_>>().into();
    }
    if operation.ends_with_caller {
        out["x-theazo-ends-with-caller"] = true.into();
    }
    if !operation.strict.is_empty() {
        let strict = operation.strict.iter().map(|field| if field.is_empty() { "body" } else { field });
        out["x-theazo-strict"] = strict.collect::<Vec<_>>().into();
    }
    if !operation.planned_fields.is_empty() {
        out["x-theazo-planned"] = json!(operation.planned_fields);
    }
}

/// An event of a stream, whose data is JSON of this schema. Said as OpenAPI 3.2 has it, which readers of 3.1 understand too.
fn event_schema(data: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["data"],
        "properties": {
            "id": { "type": "string", "description": "The place in the log, for `Last-Event-ID`." },
            "event": { "type": "string" },
            "data": { "type": "string", "contentMediaType": "application/json", "contentSchema": data },
        },
    })
}

fn responses(operation: &Operation, examples: &mut Examples<'_>) -> Result<Value> {
    let mut success = json!({
        "description": match operation.reply {
            Reply::Json => "The answer.",
            Reply::Events => "A stream of server-sent events: `data` is one JSON value as its schema says, `id` grows.",
            Reply::Socket => "A WebSocket: each text message is one JSON value as the schema says.",
            Reply::Empty => "Done; there is nothing to read.",
        },
        "headers": { "x-request-id": { "$ref": "#/components/headers/RequestId" } },
    });
    if let Some(response) = &operation.response {
        let media_type = if operation.reply == Reply::Events { "text/event-stream" } else { "application/json" };
        let schema = match response {
            Type::Page(item) if operation.bare_list => type_schema(&Type::List(item.clone())),
            response if operation.reply == Reply::Events => event_schema(&type_schema(response)),
            response => type_schema(response),
        };
        success["content"] = json!({ media_type: { "schema": schema, "examples": examples.response(operation)? } });
    }
    if operation.bare_list {
        success["headers"][theazo_api::NEXT_CURSOR] = json!({ "$ref": "#/components/headers/NextCursor" });
    }
    let mut responses = Map::new();
    responses.insert(operation.status.to_string(), success);
    let mut refer = |status: &str, name: &str| {
        responses.insert(status.to_owned(), json!({ "$ref": format!("#/components/responses/{name}") }));
    };
    if matches!(operation.time, TimeClass::Run | TimeClass::Wait) {
        refer("202", "StillRunning");
    }
    if operation.has_body {
        refer("400", "Unreadable");
    }
    if operation.access != Access::Open {
        refer("401", "Unauthorized");
        refer("429", "RateLimited");
    }
    if operation.time == TimeClass::Run {
        refer("402", "LimitReached");
    }
    if operation.path_parameters.iter().any(|parameter| matches!(parameter.ty, Type::Named(_))) {
        refer("404", "NotFound");
    }
    if operation.has_body || operation.query_type.is_some() {
        refer("422", "Invalid");
    }
    if operation.planned {
        refer("501", "Planned");
    }
    refer("default", "Error");
    responses.sort_keys();
    Ok(responses.into())
}

fn error_responses() -> Result<Value> {
    let response = |description: &str, code: ErrorCode, message: &str, details: Value| -> Result<Value> {
        let example = examples::error(code, message, details)?;
        Ok(json!({
            "description": description,
            "headers": { "x-request-id": { "$ref": "#/components/headers/RequestId" } },
            "content": { "application/json": { "schema": reference("ErrorBody"), "example": example } },
        }))
    };
    let mut rate_limited = response(
        "Too many requests; the header says when to try again.",
        ErrorCode::RateLimited,
        "too many requests",
        json!({ "retryAfter": 2 }),
    )?;
    rate_limited["headers"]["retry-after"] = json!({ "$ref": "#/components/headers/RetryAfter" });
    let problem = json!({
        "field": "limits.maxCost.amount",
        "message": "must not be negative: it is an integer number of cents",
    });
    Ok(json!({
        "Error": response(
            "Any other failure; `error.code` says which.",
            ErrorCode::InternalError,
            "the control plane failed; the request id helps to find out why",
            json!({}),
        )?,
        "Unreadable": response(
            "The body is not readable JSON, or not of this form.",
            ErrorCode::InvalidRequest,
            "the body is not JSON: expected `,` or `}` at line 1 column 19",
            json!({}),
        )?,
        "Unauthorized": response(
            "The API key is missing or not valid.",
            ErrorCode::Unauthorized,
            "the API key is not valid here; it may be of another server, or revoked",
            json!({}),
        )?,
        "LimitReached": response(
            "A limit of the session or the user was reached. The run stays paused; raising the limit resumes it.",
            ErrorCode::SessionLimitExceeded,
            "the limit `maxCost` of 500 cents is reached: 498 cents are spent and 0 are reserved, and the next step may cost \
             more than is left",
            json!({ "limit": "maxCost", "value": 500, "used": 498, "usedMicroCents": 498_120_000, "reservedMicroCents": 0 }),
        )?,
        "NotFound": response(
            "There is no such resource, or it belongs to another account.",
            ErrorCode::NotFound,
            "session `ses_missing` does not exist",
            json!({}),
        )?,
        "Invalid": response(
            "A check failed; `error.details.fields` says where.",
            ErrorCode::InvalidRequest,
            "the request has 1 problem: `limits.maxCost.amount` must not be negative: it is an integer number of cents",
            json!({ "fields": [problem] }),
        )?,
        "RateLimited": rate_limited,
        "Planned": response(
            "The operation is part of the API, but this version does not serve it.",
            ErrorCode::NotImplemented,
            "`GetFleet` is part of the API, but this version does not serve it",
            json!({}),
        )?,
        "StillRunning": {
            "description": "The work goes on: send the same request again, with the same key, to wait on. Only where \
                            `Prefer: wait` was sent; the header `x-theazo-continue` is `true`.",
            "headers": {
                "x-request-id": { "$ref": "#/components/headers/RequestId" },
                "x-theazo-continue": { "description": "`true`.", "schema": { "type": "string", "const": "true" } },
            },
        },
    }))
}

fn header_parameters() -> Value {
    json!({
        "IdempotencyKey": {
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "The same for every attempt of one call: the server acts on the first alone and replays its answer.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
        },
        "Prefer": {
            "name": "Prefer", "in": "header", "required": false,
            "description": "`wait=SECONDS`: how long to hold the request; then the answer is 202 if the work still goes on.",
            "schema": { "type": "string", "examples": ["wait=25"] },
        },
        "LastEventId": {
            "name": "Last-Event-ID", "in": "header", "required": false,
            "description": "The `id` of the last event that arrived: the stream goes on after it.",
            "schema": { "type": "string" },
        },
    })
}

/// The group of an operation in the reference, with its description: the noun of its receiver.
fn tag(operation: &Operation, ir: &Ir) -> (String, String) {
    let receiver = operation.receiver.as_str();
    let last = receiver.rsplit('.').next().unwrap_or_default();
    let noun = match Handle::ALL.iter().find(|handle| handle.receiver() == last) {
        Some(_) => format!("{last}s"),
        None if receiver.is_empty() => "system".to_owned(),
        None if operation.plane == Plane::Bridge => "sandbox".to_owned(),
        None => last.to_owned(),
    };
    let doc = match (noun.as_str(), ir.part_doc(&noun)) {
        ("system", _) => "The control plane itself.",
        ("sandbox", _) => "What programs in a sandbox tell the control plane.",
        (_, "") => ir.part_doc(receiver),
        (_, doc) => doc,
    };
    (noun, doc.to_owned())
}

/// The schemas that the operations reach, with references into the document.
fn schemas(ir: &Ir, operations: &[&Operation]) -> Result<Value> {
    let mut wanted: Vec<String> = vec!["ErrorBody".into(), "FieldProblem".into(), "WebhookEvent".into()];
    let parts = operations.iter().map(|operation| {
        let mut part =
            json!([operation.body_type.as_deref().map(reference), operation.response.as_ref().map(type_schema)]);
        for argument in operation.arguments.iter().chain(&operation.options).chain(&operation.filled) {
            part.as_array_mut().expect("it is made as a list above").push(type_schema(&argument.field.ty));
        }
        part
    });
    for mut part in parts {
        references(&mut part, &mut |target| wanted.push(name_of(target).to_owned()));
    }
    let mut found = BTreeSet::new();
    let mut rendered = Map::new();
    while let Some(name) = wanted.pop() {
        if !found.insert(name.clone()) {
            continue;
        }
        let mut schema = component(ir, &name)?;
        references(&mut schema, &mut |target| {
            *target = format!("#/components/schemas/{}", component_name(ir, name_of(target)));
            wanted.push(name_of(target).to_owned());
        });
        rendered.insert(name, schema);
    }
    rendered.sort_keys();
    Ok(rendered.into())
}

/// One schema: its description without the traces of `///`, and its golden fixture as the example.
fn component(ir: &Ir, name: &str) -> Result<Value> {
    let source = ir.schemas.iter().find(|(own_name, _)| component_name(ir, own_name) == name);
    let (own_name, schema) = source.with_context(|| format!("no schema for `{name}`"))?;
    let mut schema = schema.clone();
    tidy_descriptions(&mut schema);
    if matches!(ir.named(own_name), Some(TypeDefinition::Struct(_) | TypeDefinition::TaggedUnion(_))) {
        let examples = fixtures::values(own_name)?;
        if !examples.is_empty() {
            schema["examples"] = examples.into();
        }
    }
    Ok(schema)
}

/// The name in the document: pages are named after their items.
fn component_name(ir: &Ir, own_name: &str) -> String {
    let item = || {
        let items = &ir.schemas.get(own_name)?["properties"]["data"]["items"];
        Some(format!("{}Page", name_of(items["$ref"].as_str()?)))
    };
    if ir.named(own_name).is_none() { item().unwrap_or_else(|| own_name.to_owned()) } else { own_name.to_owned() }
}

fn name_of(target: &str) -> &str {
    target.rsplit('/').next().unwrap_or(target)
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The schema of an answer or a parameter, as a reference where it has a name.
fn type_schema(ty: &Type) -> Value {
    match ty {
        Type::String => json!({ "type": "string" }),
        Type::Secret => json!({ "type": "string", "format": "password" }),
        Type::I64 => json!({ "type": "integer", "format": "int64" }),
        Type::I32 => json!({ "type": "integer", "format": "int32" }),
        Type::F64 => json!({ "type": "number", "format": "double" }),
        Type::Bool => json!({ "type": "boolean" }),
        Type::Timestamp => reference("Timestamp"),
        Type::Duration => reference("DurationInput"),
        Type::Json => json!({ "type": "object", "additionalProperties": true }),
        Type::Any => json!({}),
        Type::List(item) => json!({ "type": "array", "items": type_schema(item) }),
        Type::Map(value) => json!({ "type": "object", "additionalProperties": type_schema(value) }),
        Type::Named(name) => reference(name),
        Type::Page(item) => reference(&format!("{}Page", item.named().unwrap_or_default())),
    }
}

/// Calls `change` with every reference in the schema.
fn references(schema: &mut Value, change: &mut impl FnMut(&mut String)) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(target) if name == "$ref" => change(target),
                    other => references(other, change),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| references(item, change)),
        _ => {}
    }
}

fn tidy_descriptions(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "description" || name == "doc" => *text = naming::clean_doc(text),
                    other => tidy_descriptions(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy_descriptions),
        _ => {}
    }
}
