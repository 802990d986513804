//! A test that calls every method: with each argument and each option that the fixtures of its operation have.

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{super::GeneratedFile, BY_HAND, ident, output};
use crate::{
    codegen::{
        ir::{Argument, Field, Ir, Operation, Place, Plane, Reply, Type},
        naming, template,
    },
    fixtures,
};

/// Renders `theazo/tests/calls/mod.rs`.
pub fn render(ir: &Ir) -> Result<GeneratedFile> {
    let mut receivers: Vec<Receiver> = Vec::new();
    for operation in ir.operations.iter().filter(|operation| is_called(operation)) {
        let call = Call::new(operation).with_context(|| format!("the call of `{}`", operation.id))?;
        match receivers.iter_mut().find(|receiver| receiver.name == operation.receiver) {
            Some(receiver) => receiver.calls.push(call),
            None => receivers.push(Receiver::new(operation, call)),
        }
    }
    Ok(GeneratedFile {
        path: "theazo/tests/calls/mod.rs".to_owned(),
        content: template::render(
            "rust/calls.rs.j2",
            minijinja::context! { receivers => receivers, parts => parts(ir) },
        )?,
    })
}

/// Whether the generated test calls the operation. What is written by hand is called by hand: files, the bridge and the
/// test plane; and so is what needs a connection of its own.
fn is_called(operation: &Operation) -> bool {
    operation.plane == Plane::Public && operation.reply != Reply::Socket && !BY_HAND.contains(&operation.id.as_str())
}

/// Each operation with the named types of its path, query, body and answer.
fn parts(ir: &Ir) -> Vec<(&str, Vec<&str>)> {
    ir.operations.iter().map(|operation| (operation.id.as_str(), types_of(operation))).collect()
}

fn types_of(operation: &Operation) -> Vec<&str> {
    let inputs = [&operation.path_type, &operation.query_type, &operation.body_type].into_iter().flatten();
    let answer = operation.response.as_ref().and_then(Type::named);
    inputs.map(String::as_str).chain(answer).collect()
}

#[derive(Serialize)]
struct Receiver {
    name: String,
    /// The name of the function that calls its methods.
    function: String,
    /// The expression that gives it.
    expression: String,
    calls: Vec<Call>,
}

impl Receiver {
    fn new(operation: &Operation, call: Call) -> Self {
        let name = &operation.receiver;
        let mut parts = name.split('.').filter(|part| !part.is_empty());
        let mut expression = match operation.receiver_handle {
            Some(_) => format!("caller.{}", parts.next().unwrap_or_default()),
            None => "caller.theazo".to_owned(),
        };
        for part in parts {
            expression.push_str(&format!(".{}()", naming::snake(part)));
        }
        let function = if name.is_empty() { "client".to_owned() } else { naming::snake(&name.replace('.', "_")) };
        Self { name: name.clone(), function, expression, calls: vec![call] }
    }
}

#[derive(Serialize)]
struct Call {
    id: String,
    /// The method with its arguments, and the setters with theirs.
    expression: String,
    path: Option<String>,
    query: Option<String>,
    body: Option<String>,
    /// Whether the whole body is a map, of which there is no fixture.
    is_map: bool,
    /// Fields that the handle knows: its own id in the path, and what it fills in.
    known: Vec<String>,
    answer: String,
    is_stream: bool,
}

impl Call {
    fn new(operation: &Operation) -> Result<Self> {
        let (arguments, setters): (Vec<&Argument>, Vec<&Argument>) = operation
            .arguments
            .iter()
            .partition(|argument| argument.field.required || argument.place == Place::WholeBody);
        let arguments: Vec<String> = arguments.into_iter().map(|argument| given(operation, argument)).collect();
        let mut expression = format!("{}({})", operation.snake_name, arguments.join(", "));
        for setter in setters.into_iter().chain(&operation.options) {
            let part = part_of(operation, setter.place).context("an option belongs to the query or the body")?;
            if example(part)?.contains_key(&setter.field.wire_name) {
                expression.push_str(&format!(".{}({})", ident(&setter.field.snake_name), given(operation, setter)));
            }
        }
        let mut known: Vec<String> = operation.filled.iter().map(|filled| filled.field.wire_name.clone()).collect();
        if let Some(own) = operation.receiver_handle.map(|handle| handle.path_parameter())
            && operation.path_parameters.iter().any(|field| field.wire_name == own)
        {
            known.push(own.to_owned());
        }
        Ok(Self {
            id: operation.id.clone(),
            expression,
            path: operation.path_type.clone(),
            query: operation.query_type.clone(),
            body: operation.body_type.clone(),
            is_map: operation.has_body && operation.body_type.is_none(),
            known,
            answer: answer(operation)?,
            is_stream: operation.reply.is_stream(),
        })
    }
}

/// The argument, as the fixture has it.
fn given(operation: &Operation, argument: &Argument) -> String {
    let Field { ty, wire_name, .. } = &argument.field;
    let rust = output(ty);
    match part_of(operation, argument.place) {
        None => format!("any_map::<{rust}>()"),
        Some(part) if argument.place == Place::WholeBody => format!("whole::<{rust}>({part:?})"),
        Some(part) if argument.field.base64 => format!("bytes({part:?}, {wire_name:?})"),
        Some(part) if argument.field.patch => format!("given::<api::Patch<{rust}>>({part:?}, {wire_name:?})"),
        Some(part) => format!("given::<{rust}>({part:?}, {wire_name:?})"),
    }
}

/// The struct that has the fields of a place.
fn part_of(operation: &Operation, place: Place) -> Option<&str> {
    match place {
        Place::Path => operation.path_type.as_deref(),
        Place::Query => operation.query_type.as_deref(),
        Place::Body | Place::WholeBody => operation.body_type.as_deref(),
    }
}

/// The members of a struct's first fixture.
fn example(name: &str) -> Result<Map<String, Value>> {
    match fixtures::values(name)?.into_iter().next() {
        Some(Value::Object(members)) => Ok(members),
        _ => bail!("`{name}` has no fixture that is an object"),
    }
}

/// What the server answers, as an expression.
fn answer(operation: &Operation) -> Result<String> {
    let of = |form: &str, item: &Type| match item {
        Type::Named(name) => Ok(format!("Answer::{form}({name:?})")),
        other => bail!("an answer of {other:?} has no fixture"),
    };
    match &operation.response {
        None => Ok("Answer::Nothing".to_owned()),
        Some(event) if operation.reply.is_stream() => of("Event", event),
        Some(Type::Page(item)) => of(if operation.bare_list { "List" } else { "Page" }, item),
        Some(Type::List(item)) => of("List", item),
        Some(Type::Json | Type::Any | Type::Map(_)) => Ok("Answer::Map".to_owned()),
        Some(one) => of("One", one),
    }
}
