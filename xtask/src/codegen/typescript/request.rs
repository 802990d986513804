//! What a method sends: its path, its query and its body, as expressions.

use super::super::ir::{Argument, Ir, Operation, Place, Type, TypeDefinition};

/// The operations whose content is bytes in JavaScript and text with an encoding in JSON.
#[derive(Clone, Copy)]
pub enum FileCall {
    Write,
    Read,
}

impl FileCall {
    pub fn of(operation: &Operation) -> Option<Self> {
        match operation.id.as_str() {
            "WriteFile" | "WriteToExec" => Some(Self::Write),
            _ if reads_file(operation) => Some(Self::Read),
            _ => None,
        }
    }
}

/// Whether the answer is the content of a file.
pub fn reads_file(operation: &Operation) -> bool {
    operation.response.as_ref().and_then(Type::named) == Some("FileContent")
}

/// Whether a value of this type can be an object.
pub fn is_object(ty: &Type, ir: &Ir) -> bool {
    match ty {
        Type::Json | Type::Any | Type::Map(_) | Type::Duration => true,
        Type::Named(name) => match ir.named(name) {
            Some(TypeDefinition::OpenEnum(_) | TypeDefinition::Id(_)) | None => false,
            Some(TypeDefinition::Choice(choice)) => choice.alternatives.iter().any(|form| is_object(&form.ty, ir)),
            Some(TypeDefinition::Struct(_) | TypeDefinition::TaggedUnion(_)) => true,
        },
        _ => false,
    }
}

/// The path: its parts by name, so that an argument which is no text can be named.
pub fn path(operation: &Operation, owner: &str) -> String {
    let parts: Vec<String> = operation
        .path_parameters
        .iter()
        .map(|field| {
            let given = operation
                .arguments
                .iter()
                .any(|argument| argument.place == Place::Path && argument.field.wire_name == field.wire_name);
            let name = &field.camel_name;
            if given { name.clone() } else { format!("{name}: {owner}.id") }
        })
        .collect();
    if parts.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", parts.join(", ")) }
}

/// The query: its durations are text, since it has no numbers and no objects.
pub fn query(operation: &Operation, rest: bool, owner: &str) -> String {
    if operation.query_type.is_none() {
        return "undefined".to_owned();
    }
    let query = sent_object(operation, rest && !operation.has_body, owner, &[Place::Query]);
    let names: Vec<String> = operation
        .arguments
        .iter()
        .chain(&operation.options)
        .filter(|argument| argument.place == Place::Query && argument.field.ty == Type::Duration)
        .map(|argument| format!("'{}'", argument.field.camel_name))
        .collect();
    if names.is_empty() { query } else { format!("durationsAsText({query}, {})", names.join(", ")) }
}

pub fn body(operation: &Operation, rest: bool, owner: &str, file: Option<FileCall>, ir: &Ir) -> String {
    if !operation.has_body {
        return "undefined".to_owned();
    }
    if operation.whole_body {
        let whole = operation.arguments.iter().find(|argument| argument.place == Place::WholeBody);
        return whole.map_or_else(|| "undefined".to_owned(), |argument| argument.field.camel_name.clone());
    }
    let body = sent_object(operation, rest, owner, &[Place::Body]);
    if let Some(FileCall::Write) = file {
        return "{ ...rest, ...(await encodeFile(rest.data as FileInput)) }".to_owned();
    }
    let fields: Vec<&Argument> = operation.arguments.iter().chain(&operation.options).collect();
    let holds_content = |name: &str| match ir.named(name) {
        Some(TypeDefinition::Struct(definition)) => definition.fields.iter().any(|field| field.base64),
        _ => false,
    };
    if fields.iter().any(|argument| argument.field.base64) {
        return format!("await withContent({body})");
    }
    let files = fields
        .iter()
        .find(|argument| matches!(&argument.field.ty, Type::List(item) if item.named().is_some_and(holds_content)));
    match files {
        Some(files) => format!("await withContents({body}, '{}')", files.field.camel_name),
        None => body,
    }
}

/// What was given by name, and what the receiver fills in.
fn sent_object(operation: &Operation, rest: bool, owner: &str, places: &[Place]) -> String {
    let mut members: Vec<String> = Vec::new();
    if rest {
        members.push("...rest".to_owned());
    }
    // Last, so that nothing given can take its place.
    let filled = operation.filled.iter().filter(|argument| places.contains(&argument.place));
    members.extend(filled.map(|argument| {
        let name = argument.field.camel_name.as_str();
        let knows_by_id = operation.receiver_handle.is_some_and(|handle| handle.path_parameter() == name);
        format!("{name}: {owner}.{}", if knows_by_id { "id" } else { name })
    }));
    match members.as_slice() {
        [] => "{}".to_owned(),
        [only] if only == "...rest" => "rest".to_owned(),
        _ => format!("{{ {} }}", members.join(", ")),
    }
}

/// What is sent, with the cursor of the page.
pub fn with_cursor(sent: &str) -> String {
    if sent == "rest" {
        return "{ ...rest, ...cursor }".to_owned();
    }
    sent.replace("...rest", "...rest, ...cursor").replace("(rest,", "({ ...rest, ...cursor },")
}
