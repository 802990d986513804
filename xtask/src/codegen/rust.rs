//! Rust: the methods of the client, its namespaces and handles, in `theazo/src/generated`.
//!
//! Each operation becomes a method that returns a request: a struct with a setter for each option, sent when it is
//! awaited. One file for each receiver, one for what a workflow is built of, and a test that calls every method. Each method
//! has an example, which is a doctest: [`example`].

mod calls;
mod example;
mod step_examples;
mod workflow;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{
    GeneratedFile,
    ir::{Argument, Field, Handle, Ir, Operation, Place, Plane, Reply, Type, TypeDefinition},
    naming, template,
};

pub use example::{Doctest, all as examples};

/// Written by hand in `theazo/src/surface/files.rs`, because JSON has no bytes.
const BY_HAND: &[&str] = &["WriteFile", "ReadFile", "DownloadFile"];

/// Renders one file for each receiver, and the list of them.
pub fn render(ir: &Ir) -> Result<Vec<GeneratedFile>> {
    let mut receivers: Vec<&str> = Vec::new();
    for operation in ir.operations.iter().filter(|operation| operation.plane != Plane::Bridge) {
        if !receivers.contains(&operation.receiver.as_str()) {
            receivers.push(&operation.receiver);
        }
    }
    let examples = examples(ir)?;
    let modules: Vec<Module> =
        receivers.iter().map(|receiver| Module::new(ir, receiver, &examples)).collect::<Result<_>>()?;
    let mut files = vec![
        GeneratedFile {
            path: "theazo/src/generated/mod.rs".to_owned(),
            content: template::render(
                "rust/mod.rs.j2",
                minijinja::context! { modules => modules, sensitive => sensitive(ir), secret_answers => secret_answers(ir), pages => pages(ir) },
            )?,
        },
        GeneratedFile {
            path: "theazo/src/generated/parts.rs".to_owned(),
            content: template::render("rust/parts.rs.j2", minijinja::context! { owners => owners(ir, &examples)? })?,
        },
    ];
    files.push(workflow::render(ir)?);
    files.push(calls::render(ir)?);
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
    example: Doctest,
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
    /// `json`, `events`, `socket` or `empty`.
    reply: Reply,
    is_stream: bool,
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
    /// The expression that the setter of an option assigns.
    assigned: String,
    /// `query` or `body`.
    part: &'static str,
}

/// A type that has parts: the client, or a handle.
#[derive(Serialize)]
struct Owner {
    name: String,
    /// Whether its parts know it: those of a handle do, those of the client do not.
    is_handle: bool,
    parts: Vec<OwnedPart>,
}

/// A part: its type, and the method that gives it.
#[derive(Serialize)]
struct OwnedPart {
    ty: String,
    method: String,
    doc: String,
    /// That of its first method.
    example: Doctest,
}

/// The operations whose body or answer can hold secrets.
fn sensitive(ir: &Ir) -> Vec<&str> {
    let holds = |ty: &Type| ir.reaches_secrets(ty);
    let concerned = ir.operations.iter().filter(|operation| {
        let inputs = operation.arguments.iter().chain(&operation.options).map(|argument| &argument.field.ty);
        inputs.chain(&operation.response).any(holds)
    });
    concerned.map(|operation| operation.id.as_str()).collect()
}

/// The operations whose answer can hold secrets.
fn secret_answers(ir: &Ir) -> Vec<&str> {
    let holds = |operation: &&Operation| operation.response.as_ref().is_some_and(|ty| ir.reaches_secrets(ty));
    ir.operations.iter().filter(holds).map(|operation| operation.id.as_str()).collect()
}

/// The operations that answer a page of a list.
fn pages(ir: &Ir) -> Vec<&str> {
    let answers_page = |operation: &&Operation| matches!(operation.response, Some(Type::Page(_)));
    ir.operations.iter().filter(answers_page).map(|operation| operation.id.as_str()).collect()
}

/// The client and the handles with their parts.
fn owners(ir: &Ir, examples: &BTreeMap<String, Doctest>) -> Result<Vec<Owner>> {
    let example = |part: &str| {
        let first = ir.operations.iter().find(|operation| operation.receiver == part);
        let example = first.and_then(|operation| examples.get(&operation.id));
        example.cloned().with_context(|| format!("the part `{part}` has no method"))
    };
    let owner = |name: String, is_handle: bool, receiver: &str| -> Result<Owner> {
        let own_parts =
            ir.parts.iter().filter(|part| part.receiver.rsplit_once('.').map_or("", |(parent, _)| parent) == receiver);
        let parts = own_parts
            .map(|part| {
                Ok(OwnedPart {
                    ty: type_of(&part.receiver),
                    method: naming::snake(part.receiver.rsplit('.').next().unwrap_or_default()),
                    doc: part.doc.clone(),
                    example: example(&part.receiver)?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Owner { name, is_handle, parts })
    };
    let client = owner("Theazo".to_owned(), false, "");
    let handles = Handle::ALL.iter().map(|handle| owner(format!("{handle:?}"), true, handle.receiver()));
    let owners: Vec<Owner> = std::iter::once(client).chain(handles).collect::<Result<_>>()?;
    Ok(owners.into_iter().filter(|owner| !owner.parts.is_empty()).collect())
}

/// The type that has the methods of a receiver: `SessionAgents` for `session.agents`.
fn type_of(receiver: &str) -> String {
    match receiver {
        "" => "Theazo".to_owned(),
        "testing" => "TestPlane".to_owned(),
        _ => receiver.split('.').map(naming::pascal).collect(),
    }
}

impl Module {
    fn new(ir: &Ir, receiver: &str, examples: &BTreeMap<String, Doctest>) -> Result<Self> {
        let operations = ir
            .operations
            .iter()
            .filter(|operation| operation.receiver == receiver && !BY_HAND.contains(&operation.id.as_str()));
        Ok(Self {
            name: if receiver.is_empty() { "client".to_owned() } else { naming::snake(&receiver.replace('.', "_")) },
            receiver: type_of(receiver),
            surface: if receiver.is_empty() { "the client".to_owned() } else { format!("`{receiver}`") },
            is_testing: receiver == "testing",
            methods: operations
                .map(|operation| {
                    let example = examples.get(&operation.id);
                    let example = example.with_context(|| format!("`{}` has no example", operation.id))?;
                    Method::new(ir, operation, example.clone())
                })
                .collect::<Result<_>>()?,
        })
    }
}

impl Method {
    fn new(ir: &Ir, operation: &Operation, example: Doctest) -> Result<Self> {
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
            (Some(event), _) if operation.reply.is_stream() => format!("crate::TypedStream<{}>", output(event)),
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
            example,
            path: operation.path_parameters.iter().map(|field| path_value(operation, field)).collect(),
            query: part(operation, Place::Query, operation.query_type.as_deref(), ir),
            body: part(operation, Place::Body, operation.body_type.as_deref(), ir),
            arguments: arguments.into_iter().map(|argument| parameter(argument, ir)).collect(),
            options: options.map(|option| parameter(option, ir)).collect(),
            answer,
            item,
            reply: operation.reply,
            is_stream: operation.reply.is_stream(),
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
    if place == Place::Body && operation.whole_body {
        let whole = operation.arguments.iter().find(|argument| argument.place == Place::WholeBody);
        return whole.map_or_else(String::new, |argument| match &argument.field.ty {
            Type::Named(_) => format!("{}.into()", argument.field.snake_name),
            map => value(map, &argument.field.snake_name, ir),
        });
    }
    let Some(ty) = ty else { return "()".to_owned() };
    let fields = operation.arguments.iter().chain(&operation.options).filter(|argument| argument.place == place);
    let mut members: Vec<String> = fields
        .map(|argument| {
            let field = &argument.field;
            let name = ident(&field.snake_name);
            let given = match field {
                _ if field.required => field_value(field, ir),
                _ if field.patch => "api::Patch::Keep".to_owned(),
                _ if field.nullable => "None".to_owned(),
                _ => "Default::default()".to_owned(),
            };
            if given == name { name } else { format!("{name}: {given}") }
        })
        .collect();
    members.extend(operation.filled.iter().filter(|argument| argument.place == place).map(|argument| {
        let field = &argument.field;
        let handle = operation.receiver_handle.expect("who fills fields is a handle or a part of one");
        let owner = if operation.receiver.contains('.') { "self.handle" } else { "self" };
        let own = if field.wire_name == handle.path_parameter() {
            format!("{owner}.id().clone()")
        } else {
            format!("{owner}.data().{}.clone()", field.snake_name)
        };
        let own = if field.required { own } else { format!("Some({own})") };
        format!("{}: {own}", ident(&field.snake_name))
    }));
    if members.is_empty() { format!("api::{ty} {{}}") } else { format!("api::{ty} {{ {} }}", members.join(", ")) }
}

fn parameter(argument: &Argument, ir: &Ir) -> Parameter {
    let field = &argument.field;
    let is_struct = argument.place == Place::WholeBody && matches!(field.ty, Type::Named(_));
    let mut parameter = field_parameter(field, ir);
    if is_struct {
        parameter.input = format!("impl Into<{}>", output(&field.ty));
    }
    parameter.part = if argument.place == Place::Query { "query" } else { "body" };
    parameter
}

/// How a field is taken as an argument.
fn field_parameter(field: &Field, ir: &Ir) -> Parameter {
    let name = ident(&field.snake_name);
    let value = field_value(field, ir);
    Parameter {
        doc: rusty(&field.doc, ir),
        input: match field {
            _ if field.base64 => "impl Into<crate::FileData>".to_owned(),
            _ if field.patch => format!("impl Into<api::Patch<{}>>", output(&field.ty)),
            _ => input(&field.ty, ir),
        },
        assigned: match field {
            _ if field.patch => format!("{name}.into()"),
            _ if field.nullable => format!("Some({value})"),
            _ => value.clone(),
        },
        value,
        part: "body",
        name,
    }
}

/// The expression that makes the value of a field of the argument that is named after it.
fn field_value(field: &Field, ir: &Ir) -> String {
    let name = ident(&field.snake_name);
    if field.base64 { format!("{name}.into().to_base64()") } else { value(&field.ty, &name, ir) }
}

/// The type of an argument, as generous as its type allows.
fn input(ty: &Type, ir: &Ir) -> String {
    match ty {
        Type::String => "impl Into<String>".to_owned(),
        Type::Secret => "impl Into<api::Secret>".to_owned(),
        Type::Any => "impl Into<serde_json::Value>".to_owned(),
        Type::Duration => "impl Into<api::DurationInput>".to_owned(),
        Type::Json => "impl IntoIterator<Item = (impl Into<String>, impl Into<serde_json::Value>)>".to_owned(),
        Type::Named(name) if converts(name, ir) => format!("impl Into<api::{name}>"),
        Type::List(item) => format!("impl IntoIterator<Item = {}>", input(item, ir)),
        Type::Map(item) => format!("impl IntoIterator<Item = (impl Into<String>, {})>", input(item, ir)),
        _ => output(ty),
    }
}

/// Whether a named type is made of simpler ones: an id or an open enumeration of text, a choice of its forms.
fn converts(name: &str, ir: &Ir) -> bool {
    matches!(ir.named(name), Some(TypeDefinition::Id(_) | TypeDefinition::OpenEnum(_) | TypeDefinition::Choice(_)))
}

/// The expression that makes the value of a field of an argument of its [`input`] type.
fn value(ty: &Type, name: &str, ir: &Ir) -> String {
    match ty {
        Type::String | Type::Secret | Type::Any | Type::Duration => format!("{name}.into()"),
        Type::Named(named) if converts(named, ir) => format!("{name}.into()"),
        Type::Json => value(&Type::Map(Box::new(Type::Any)), name, ir),
        Type::List(item) if input(item, ir) == output(item) => format!("{name}.into_iter().collect()"),
        Type::List(item) if **item == Type::Json => {
            format!("{name}.into_iter().map(|item| {}).collect()", value(item, "item", ir))
        }
        Type::List(_) => format!("{name}.into_iter().map(Into::into).collect()"),
        Type::Map(item) if input(item, ir) == output(item) => {
            format!("{name}.into_iter().map(|(name, value)| (name.into(), value)).collect()")
        }
        Type::Map(_) => format!("{name}.into_iter().map(|(name, value)| (name.into(), value.into())).collect()"),
        _ => name.to_owned(),
    }
}

/// The type of an answer.
fn output(ty: &Type) -> String {
    match ty {
        Type::String => "String".to_owned(),
        Type::Secret => "api::Secret".to_owned(),
        Type::Any => "serde_json::Value".to_owned(),
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
    const KEYWORDS: &[&str] = &[
        "type", "ref", "move", "match", "loop", "use", "where", "async", "dyn", "mod", "final", "in", "for", "if",
        "else",
    ];
    if KEYWORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
}
