//! The methods: each names its operation and says where its arguments go.

use anyhow::{Result, ensure};
use serde::Serialize;

use super::{
    super::ir::{Argument, Operation, Place, Type},
    Words,
};

/// A method: its head, and the lines of its body.
#[derive(Serialize)]
pub struct Method {
    name: String,
    doc: String,
    is_async: bool,
    pub parameters: Vec<String>,
    pub returns: String,
    pub lines: Vec<String>,
}

impl Method {
    /// The method of an operation. `caller` makes the call, `owner` is the data of the handle that the receiver is or is
    /// a part of.
    pub fn of(operation: &Operation, caller: &str, owner: &str, example: &[String], words: &Words) -> Result<Self> {
        let own_id = format!("{owner}.id");
        let file = FileCall::of(operation);
        let options: Vec<&Argument> =
            operation.options.iter().filter(|option| file.is_none() || option.field.wire_name != "encoding").collect();
        for option in &options {
            let clash = ["signal", "deadline", "maxRetries", "idempotencyKey", "headers"];
            let name = option.field.camel_name.as_str();
            ensure!(!clash.contains(&name), "`{}` has an option `{name}`, which is one of every call", operation.id);
        }

        let mut parameters = Vec::new();
        for argument in &operation.arguments {
            let ty = match file {
                Some(FileCall::Write) if argument.field.wire_name == "data" => "string | Uint8Array".to_owned(),
                _ => words.request(&argument.field.ty, "types."),
            };
            let optional = if argument.field.required { "" } else { "?" };
            parameters.push(format!("{}{optional}: {ty}", argument.field.camel_name));
        }
        parameters.push(options_parameter(operation, &options));

        let split = !options.is_empty();
        let path: Vec<String> = operation
            .path_parameters
            .iter()
            .map(|field| {
                let given = operation
                    .arguments
                    .iter()
                    .any(|argument| argument.place == Place::Path && argument.field.wire_name == field.wire_name);
                let name = &field.camel_name;
                if given { name.clone() } else { format!("{name}: {own_id}") }
            })
            .collect();
        let (query, body) = (
            request_part(
                operation,
                operation.query_type.is_some(),
                &[Place::Query],
                split && !operation.has_body,
                owner,
            ),
            match file {
                Some(FileCall::Write) => "{ path, ...encodeFile(data) }".to_owned(),
                _ => request_part(
                    operation,
                    operation.has_body,
                    &[Place::Body, Place::WholeBody],
                    split && operation.has_body,
                    owner,
                ),
            },
        );
        let query = with_durations(operation, query);
        ensure!(
            !(split && operation.has_body && options.iter().any(|option| option.place == Place::Query)),
            "`{}` has options in the query and in the body",
            operation.id
        );
        // By name, so that an argument which is no text can be named.
        let path = if path.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", path.join(", ")) };
        let sent = [format!("'{}'", operation.id), path, query, body].join(", ");
        let mut lines = Vec::new();
        if split {
            let own_timeout = if has_timeout(&options) { ", true" } else { "" };
            lines.push(format!("const [rest, call] = splitOptions(options{own_timeout});"));
        }
        let call_options = if split { "call" } else { "options" };
        let (returns, is_async, end) = answer(operation, caller, &sent, call_options, file, words);
        lines.extend(end);
        Ok(Self {
            name: operation.camel_name.clone(),
            doc: method_doc(operation, example),
            is_async,
            parameters,
            returns,
            lines,
        })
    }
}

/// What the method returns, whether it is an async function, and its last lines.
fn answer(
    operation: &Operation,
    caller: &str,
    sent: &str,
    options: &str,
    file: Option<FileCall>,
    words: &Words,
) -> (String, bool, Vec<String>) {
    let reader = |ty: &Type| words.reader(ty).unwrap_or_else(|| "asItIs".to_owned());
    let Some(response) = &operation.response else {
        return ("Promise<void>".to_owned(), true, vec![format!("await {caller}.call({sent}, {options}, asItIs);")]);
    };
    let ty = words.answer(response, "types.");
    let call = format!("await {caller}.call<{ty}>({sent}, {options}, {})", reader(response));
    if operation.reply.is_stream() {
        let line = format!("return {caller}.stream<{ty}>({sent}, {options}, {});", reader(response));
        return (format!("EventStream<{ty}>"), false, vec![line]);
    }
    if let Type::Page(item) = response {
        let data = words.answer(item, "types.");
        let (item_type, convert) = match operation.page_of_handle {
            Some(handle) => {
                (format!("{handle:?}"), format!("(data) => new {handle:?}({caller}, {}(data))", reader(item)))
            }
            None => (data.clone(), reader(item)),
        };
        let lines = vec![
            format!("return paginate<{data}, {item_type}>("),
            format!(
                "  (cursor) => {caller}.call({}, {options}, asItIs),",
                sent.replace("...rest", "...rest, ...cursor")
            ),
            format!("  {convert},"),
            ");".to_owned(),
        ];
        return (format!("PagePromise<{item_type}>"), false, lines);
    }
    if operation.refreshes_handle {
        return ("Promise<this>".to_owned(), true, vec![format!("return this.refresh({call});")]);
    }
    if let Some(handle) = operation.returns_handle {
        let line = format!("return new {handle:?}({caller}, {call});");
        return (format!("Promise<{handle:?}>"), true, vec![line]);
    }
    if let Some(FileCall::Read) = file {
        return ("Promise<Buffer>".to_owned(), true, vec![format!("return decodeFile({call});")]);
    }
    (format!("Promise<{ty}>"), true, vec![format!("return {call};")])
}

/// The two operations whose content is bytes in JavaScript and text with an encoding in JSON.
#[derive(Clone, Copy)]
enum FileCall {
    Write,
    Read,
}

impl FileCall {
    fn of(operation: &Operation) -> Option<Self> {
        match operation.id.as_str() {
            "WriteFile" => Some(Self::Write),
            "ReadFile" => Some(Self::Read),
            _ => None,
        }
    }
}

/// The last parameter: the fields that are options, and the options of every call.
fn options_parameter(operation: &Operation, options: &[&Argument]) -> String {
    if options.is_empty() {
        return "options?: CallOptions".to_owned();
    }
    let mut parts = Vec::new();
    for part in [&operation.query_type, &operation.body_type].into_iter().flatten() {
        let arguments: Vec<String> = operation
            .arguments
            .iter()
            .chain(&operation.filled)
            .filter(|argument| argument.place != Place::Path)
            .map(|argument| format!("'{}'", argument.field.camel_name))
            .collect();
        parts.push(if arguments.is_empty() {
            format!("types.{part}")
        } else {
            format!("Omit<types.{part}, {}>", arguments.join(" | "))
        });
    }
    parts.push(if has_timeout(options) { "CallOptionsOfRun" } else { "CallOptions" }.to_owned());
    format!("options: {} = {{}}", parts.join(" & "))
}

/// Whether the work that the call asks for has a timeout; then the call itself has none by that name.
fn has_timeout(options: &[&Argument]) -> bool {
    options.iter().any(|option| option.field.camel_name == "timeout")
}

/// The query with its durations as text: a query has no numbers and no objects.
fn with_durations(operation: &Operation, query: String) -> String {
    let names: Vec<String> = operation
        .arguments
        .iter()
        .chain(&operation.options)
        .filter(|argument| argument.place == Place::Query && argument.field.ty == Type::Duration)
        .map(|argument| format!("'{}'", argument.field.camel_name))
        .collect();
    if names.is_empty() { query } else { format!("durationsAsText({query}, {})", names.join(", ")) }
}

/// The query or the body as an expression.
fn request_part(operation: &Operation, exists: bool, places: &[Place], rest: bool, owner: &str) -> String {
    if !exists {
        return "undefined".to_owned();
    }
    let arguments: Vec<&Argument> =
        operation.arguments.iter().filter(|argument| places.contains(&argument.place)).collect();
    if let [Argument { place: Place::WholeBody, field }] = arguments.as_slice() {
        return field.camel_name.clone();
    }
    let mut members: Vec<String> = arguments.iter().map(|argument| argument.field.camel_name.clone()).collect();
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
        [only] if only == "...rest" && !matches!(operation.response, Some(Type::Page(_))) => "rest".to_owned(),
        _ => format!("{{ {} }}", members.join(", ")),
    }
}

fn method_doc(operation: &Operation, example: &[String]) -> String {
    let mut doc = operation.doc.clone();
    for argument in &operation.arguments {
        let text = match (FileCall::of(operation), argument.field.wire_name.as_str()) {
            (Some(FileCall::Write), "data") => "The content: text, or any bytes.".to_owned(),
            _ => argument.field.doc.replace('\n', " "),
        };
        if !text.is_empty() {
            doc.push_str(&format!("\n\n@param {} {text}", argument.field.camel_name));
        }
    }
    doc.push_str(&format!("\n\n@example\n```ts\n{}\n```", example.join("\n")));
    doc
}
