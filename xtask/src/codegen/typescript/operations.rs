//! The table of operations for the transport over `fetch`: what the native part reads from `theazo-api` itself.

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::ir::{Ir, Operation, Place, Repeat, Reply, TimeClass, Type, TypeDefinition};

/// One operation, with its members as they stand in the file. What is usual is left out.
#[derive(Serialize)]
pub struct Row {
    id: String,
    members: String,
}

/// Every operation.
pub fn table(ir: &Ir) -> Vec<Row> {
    ir.operations.iter().map(|operation| Row { id: operation.id.clone(), members: members(operation, ir) }).collect()
}

/// The kinds of ids with their prefixes.
pub fn prefixes() -> &'static [(&'static str, &'static str)] {
    theazo_api::id::PREFIXES
}

fn members(operation: &Operation, ir: &Ir) -> String {
    let mut members = Map::new();
    let mut insert = |name: &str, value: Value| members.insert(name.to_owned(), value);
    insert("method", operation.method.into());
    insert("path", operation.path.as_str().into());
    let usual = match operation.method {
        "GET" => Repeat::Safe,
        "POST" => Repeat::Keyed,
        _ => Repeat::Idempotent,
    };
    if operation.repeat != usual {
        insert("repeat", named(&operation.repeat));
    }
    if operation.time != TimeClass::Request {
        insert("time", named(&operation.time));
    }
    if operation.reply != Reply::Json {
        insert("reply", named(&operation.reply));
    }
    if matches!(operation.response, Some(Type::Page(_))) {
        insert("page", true.into());
    }
    if operation.reply.is_stream() && operation.last_events != ["done", "error"] {
        insert("lastEvents", operation.last_events.clone().into());
    }
    if operation.ends_with_caller {
        insert("farewell", operation.farewell.as_str().into());
    }
    if operation.response.as_ref().is_some_and(|ty| ir.reaches_secrets(ty)) {
        insert("tellsSecrets", true.into());
    }
    let secrets = secrets(operation, ir);
    if !secrets.is_empty() {
        insert("secrets", secrets.into());
    }
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{{ {} }}", members.join(", "))
}

/// A value of the contract as its text.
fn named(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Where secrets stand in the body: paths of members, `*` for each item or member, `**` for everything below.
fn secrets(operation: &Operation, ir: &Ir) -> Vec<String> {
    let mut found = Vec::new();
    let inputs = operation.arguments.iter().chain(&operation.options);
    for argument in inputs.filter(|argument| matches!(argument.place, Place::Body | Place::WholeBody)) {
        let path = if argument.place == Place::Body { argument.field.wire_name.as_str() } else { "" };
        find(&argument.field.ty, path, ir, &mut Vec::new(), &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn find<'a>(ty: &'a Type, path: &str, ir: &'a Ir, within: &mut Vec<&'a str>, found: &mut Vec<String>) {
    let below = |member: &str| if path.is_empty() { member.to_owned() } else { format!("{path}.{member}") };
    match ty {
        Type::Secret => found.push(path.to_owned()),
        Type::List(item) | Type::Map(item) | Type::Page(item) => find(item, &below("*"), ir, within, found),
        // A type inside of itself has no last level.
        Type::Named(name) if within.contains(&name.as_str()) => {
            found.extend(ir.reaches_secrets(ty).then(|| below("**")));
        }
        Type::Named(name) => {
            within.push(name);
            match ir.named(name) {
                Some(TypeDefinition::Struct(definition)) => {
                    definition.fields.iter().for_each(|field| {
                        find(&field.ty, &below(&field.wire_name), ir, within, found);
                    });
                }
                Some(TypeDefinition::TaggedUnion(union)) => {
                    union.variants.iter().flat_map(|variant| &variant.fields).for_each(|field| {
                        find(&field.ty, &below(&field.wire_name), ir, within, found);
                    });
                }
                Some(TypeDefinition::Choice(choice)) => {
                    choice.alternatives.iter().for_each(|form| find(&form.ty, path, ir, within, found));
                }
                Some(TypeDefinition::OpenEnum(_) | TypeDefinition::Id(_)) | None => {}
            }
            within.pop();
        }
        _ => {}
    }
}
