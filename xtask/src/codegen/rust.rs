//! Rust: the methods of the client, its namespaces and handles, in `theazo/src/generated`.
//!
//! Each operation becomes a method that returns a request: a struct with a setter for each option, sent when it is
//! awaited. One file for each receiver.

use anyhow::{Result, bail};
use serde::Serialize;

use super::{
    GeneratedFile,
    ir::{Argument, Field, Handle, Ir, Operation, Place, Reply, Type},
    naming, template,
};

/// Written by hand in `theazo/src/surface/files.rs`, because JSON has no bytes.
const BY_HAND: &[&str] = &["WriteFile", "ReadFile"];

/// The receivers with the types that have their methods, in the order of the reference.
const RECEIVERS: &[(&str, &str)] = &[
    ("", "Theazo"),
    ("sessions", "Sessions"),
    ("session", "Session"),
    ("session.agents", "SessionAgents"),
    ("session.runs", "SessionRuns"),
    ("agents", "Agents"),
    ("agent", "Agent"),
    ("agent.files", "AgentFiles"),
    ("runs", "Runs"),
    ("run", "Run"),
    ("logs", "Logs"),
    ("usage", "Usage"),
    ("testing", "TestPlane"),
];

/// Renders one file for each receiver, and the list of them.
pub fn render(ir: &Ir) -> Result<Vec<GeneratedFile>> {
    if let Some(stray) =
        ir.operations.iter().find(|operation| !RECEIVERS.iter().any(|(name, _)| *name == operation.receiver))
    {
        bail!("`{}` has the receiver `{}`, which has no type in Rust", stray.id, stray.receiver);
    }
    let modules: Vec<Module> =
        RECEIVERS.iter().map(|(receiver, ty)| Module::new(ir, receiver, ty)).collect::<Result<_>>()?;
    let mut files = vec![GeneratedFile {
        path: "theazo/src/generated/mod.rs".to_owned(),
        content: template::render("rust/mod.rs.j2", minijinja::context! { modules => modules })?,
    }];
    for module in &modules {
        files.push(GeneratedFile {
            path: format!("theazo/src/generated/{}.rs", module.name),
            content: template::render("rust/receiver.rs.j2", module)?,
        });
    }
    Ok(files)
}

#[derive(Serialize)]
struct Module {
    /// The name of the file.
    name: String,
    /// The type that has the methods.
    receiver: String,
    /// How the client reaches it, for documentation.
    surface: String,
    is_testing: bool,
    methods: Vec<Method>,
}

#[derive(Serialize)]
struct Method {
    /// The endpoint in `theazo-api`.
    id: String,
    request: String,
    name: String,
    doc: String,
    summary: String,
    arguments: Vec<Parameter>,
    options: Vec<Parameter>,
    /// The expressions of the path parameters.
    path: Vec<String>,
    /// The expression of the query and of the body.
    query: String,
    body: String,
    /// What awaiting gives.
    answer: String,
    /// The items of the page that awaiting gives.
    item: Option<String>,
    /// `json`, `events` or `empty`.
    reply: Reply,
    /// The handle that is given, or whose pages are given.
    handle: Option<Handle>,
    refreshes: bool,
}

#[derive(Serialize)]
struct Parameter {
    name: String,
    doc: String,
    /// The type of the argument.
    input: String,
    /// The expression that makes the field's value of the argument.
    value: String,
    /// `query` or `body`.
    part: &'static str,
}

impl Module {
    fn new(ir: &Ir, receiver: &str, ty: &str) -> Result<Self> {
        let operations = ir
            .operations
            .iter()
            .filter(|operation| operation.receiver == receiver && !BY_HAND.contains(&operation.id.as_str()));
        Ok(Self {
            name: if receiver.is_empty() { "client".to_owned() } else { receiver.replace('.', "_") },
            receiver: ty.to_owned(),
            surface: if receiver.is_empty() { "the client".to_owned() } else { format!("`{receiver}`") },
            is_testing: receiver == "testing",
            methods: operations.map(|operation| Method::new(ir, operation)).collect::<Result<_>>()?,
        })
    }
}

impl Method {
    fn new(ir: &Ir, operation: &Operation) -> Result<Self> {
        // What may be left out is a setter, because Rust has no optional arguments.
        let (arguments, optional): (Vec<_>, Vec<_>) = operation
            .arguments
            .iter()
            .partition(|argument| argument.field.required || argument.place == Place::WholeBody);
        let options = optional.into_iter().chain(&operation.options);
        let handle = operation.returns_handle.or(operation.page_of_handle);
        let given = |ty: &Type| handle.map_or_else(|| output(ty), |handle| format!("crate::{handle:?}"));
        let item = match &operation.response {
            Some(Type::Page(item)) => Some(given(item)),
            _ => None,
        };
        let answer = match (&operation.response, &item) {
            (Some(event), _) if operation.reply == Reply::Events => format!("crate::TypedStream<{}>", output(event)),
            (Some(_), Some(item)) => format!("api::Page<{item}>"),
            (Some(ty), None) => given(ty),
            (None, _) => "()".to_owned(),
        };
        Ok(Self {
            id: operation.id.clone(),
            request: format!("{}Request", operation.id),
            name: operation.snake_name.clone(),
            doc: rusty(&operation.doc, ir),
            summary: rusty(&operation.summary, ir),
            path: operation.path_parameters.iter().map(|field| path_value(operation, field)).collect(),
            query: part(operation, Place::Query, operation.query_type.as_deref(), ir),
            body: part(operation, Place::Body, operation.body_type.as_deref(), ir),
            arguments: arguments.into_iter().map(|argument| parameter(argument, ir)).collect(),
            options: options.map(|option| parameter(option, ir)).collect(),
            answer,
            item,
            reply: operation.reply,
            handle,
            refreshes: operation.refreshes_handle,
        })
    }
}

/// The path parameter: the receiver's own id, or the argument.
fn path_value(operation: &Operation, field: &Field) -> String {
    match operation.receiver_handle {
        Some(handle) if handle.path_parameter() == field.wire_name => "self.path_id()".to_owned(),
        _ if field.ty == Type::String => format!("{}.into()", field.snake_name),
        _ => format!("{}.into().to_string()", field.snake_name),
    }
}

/// The expression of the query or the body, from the arguments.
fn part(operation: &Operation, place: Place, ty: Option<&str>, ir: &Ir) -> String {
    let Some(ty) = ty else { return "()".to_owned() };
    if place == Place::Body && operation.whole_body {
        return operation
            .arguments
            .iter()
            .find(|argument| argument.place == Place::WholeBody)
            .map_or_else(String::new, |argument| argument.field.snake_name.clone());
    }
    let fields = operation.arguments.iter().chain(&operation.options).filter(|argument| argument.place == place);
    let members: Vec<String> = fields
        .map(|argument| {
            let field = &argument.field;
            let name = ident(&field.snake_name);
            if field.required { format!("{name}: {}", value(&field.ty, &name, ir)) } else { format!("{name}: None") }
        })
        .collect();
    if members.is_empty() { format!("api::{ty} {{}}") } else { format!("api::{ty} {{ {} }}", members.join(", ")) }
}

fn parameter(argument: &Argument, ir: &Ir) -> Parameter {
    let field = &argument.field;
    let name = ident(&field.snake_name);
    Parameter {
        doc: rusty(&field.doc, ir),
        input: if argument.place == Place::WholeBody { output(&field.ty) } else { input(&field.ty, ir) },
        value: value(&field.ty, &name, ir),
        part: if argument.place == Place::Query { "query" } else { "body" },
        name,
    }
}

/// The type of an argument, as generous as its type allows.
fn input(ty: &Type, ir: &Ir) -> String {
    match ty {
        Type::String => "impl Into<String>".to_owned(),
        Type::Duration => "impl Into<api::DurationInput>".to_owned(),
        Type::Named(name) if is_text(name, ir) => format!("impl Into<api::{name}>"),
        Type::List(item) => format!("impl IntoIterator<Item = {}>", input(item, ir)),
        Type::Map(item) => format!("impl IntoIterator<Item = (impl Into<String>, {})>", input(item, ir)),
        _ => output(ty),
    }
}

/// Whether a named type is text: an id or an open enumeration.
fn is_text(name: &str, ir: &Ir) -> bool {
    use super::ir::TypeDefinition;
    matches!(ir.named(name), Some(TypeDefinition::Id(_) | TypeDefinition::OpenEnum(_)))
}

/// The expression that makes the value of a field of an argument of its [`input`] type.
fn value(ty: &Type, name: &str, ir: &Ir) -> String {
    match ty {
        Type::String | Type::Duration => format!("{name}.into()"),
        Type::Named(named) if is_text(named, ir) => format!("{name}.into()"),
        Type::List(item) if input(item, ir) == output(item) => format!("{name}.into_iter().collect()"),
        Type::List(_) => format!("{name}.into_iter().map(Into::into).collect()"),
        Type::Map(_) => format!("{name}.into_iter().map(|(name, value)| (name.into(), value.into())).collect()"),
        _ => name.to_owned(),
    }
}

/// The type of an answer.
fn output(ty: &Type) -> String {
    match ty {
        Type::String => "String".to_owned(),
        Type::I64 => "i64".to_owned(),
        Type::I32 => "i32".to_owned(),
        Type::F64 => "f64".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Timestamp => "api::Timestamp".to_owned(),
        Type::Duration => "api::DurationInput".to_owned(),
        Type::Json => "serde_json::Map<String, serde_json::Value>".to_owned(),
        Type::List(item) => format!("Vec<{}>", output(item)),
        Type::Map(item) => format!("std::collections::BTreeMap<String, {}>", output(item)),
        Type::Named(name) => format!("api::{name}"),
        Type::Page(item) => format!("api::Page<{}>", output(item)),
    }
}

/// Documentation in Rust's words: `session.update_limits` for `session.updateLimits`, `max_cost` for `maxCost`.
fn rusty(doc: &str, ir: &Ir) -> String {
    doc.split('`')
        .enumerate()
        .map(|(index, text)| {
            let is_code = index % 2 == 1;
            let is_ours = ir
                .operations
                .iter()
                .any(|operation| format!("{}.{}", operation.receiver, operation.camel_name) == text)
                || ir
                    .operations
                    .iter()
                    .flat_map(|operation| operation.arguments.iter().chain(&operation.options))
                    .any(|argument| argument.field.camel_name == text);
            if is_code && is_ours { naming::snake(text) } else { text.to_owned() }
        })
        .collect::<Vec<_>>()
        .join("`")
}

fn ident(name: &str) -> String {
    const KEYWORDS: &[&str] =
        &["type", "ref", "move", "match", "loop", "use", "where", "async", "dyn", "mod", "final", "in", "for"];
    if KEYWORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
}
