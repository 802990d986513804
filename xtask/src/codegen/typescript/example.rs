//! The examples in the documentation of TypeScript methods. `tsc` checks them all, in a file of their own.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    super::{
        examples::{Example, Given, Kind, Layout, Outcome, Shown, Width, plural},
        naming,
    },
    published,
};

/// How long the lines of an example are: those of the package, without the indentation that they have in a comment.
const WIDTH: Width = Width { line: 110, indent: 2 };

/// The lines of an example.
pub fn lines(example: &Example<'_>) -> Vec<String> {
    let mut call = example.root().to_owned();
    for part in example.parts() {
        call.push('.');
        call.push_str(part);
    }
    call.push('.');
    call.push_str(&example.operation.camel_name);
    let arguments = arguments(example);
    let call_lines = |before: &str, after: &str| arguments.lines(&format!("{before}{call}"), after, WIDTH);
    let print = |value: &str, shown: &Shown, indent: &str| format!("{indent}console.log({});", shown_of(value, shown));

    let mut lines;
    let operation = example.operation;
    if published::returned_member(operation).is_some() {
        lines = call_lines("const url = await ", ";");
        lines.push("console.log(url);".to_owned());
        return lines;
    }
    if super::request::reads_file(operation) {
        lines = call_lines("const bytes = await ", ";");
        lines.push("console.log(bytes.length);".to_owned());
        return lines;
    }
    match &example.outcome {
        Outcome::Nothing => lines = call_lines("await ", ";"),
        Outcome::Refreshed => {
            lines = call_lines("await ", ";");
            lines.push(format!("console.log({}.data.status);", example.root()));
        }
        Outcome::Bytes => {
            lines = call_lines("const bytes = await ", ";");
            lines.push("console.log(bytes.length);".to_owned());
        }
        Outcome::One { name, shown } => {
            let name = naming::camel(name);
            lines = call_lines(&format!("const {name} = await "), ";");
            let line = print(&name, shown, "");
            let is_nullable = published::is_nullable(operation);
            lines.push(if is_nullable { line.replace(&format!("{name}."), &format!("{name}?.")) } else { line });
        }
        Outcome::Items { item, shown } => {
            let items = plural(item);
            lines = call_lines(&format!("const {items} = await "), ";");
            lines.extend([format!("for (const {item} of {items}) {{"), print(item, shown, "  "), "}".to_owned()]);
        }
        Outcome::Pages { item, shown } => {
            lines = call_lines(&format!("for await (const {item} of "), ") {");
            lines.extend([print(item, shown, "  "), "}".to_owned()]);
        }
        Outcome::Events(shown) => {
            lines = call_lines("for await (const event of ", ") {");
            lines.extend([print("event", shown, "  "), "}".to_owned()]);
        }
    }
    lines
}

/// The arguments of the call: the positional ones, and an object with the options.
fn arguments(example: &Example<'_>) -> Layout {
    let mut items: Vec<(String, Layout)> =
        example.arguments.iter().map(|given| (String::new(), literal(&shown_content(example, given)))).collect();
    if !example.options.is_empty() {
        let member = |given: &Given<'_>| (format!("{}: ", given.field.camel_name), literal(&given.value));
        let members = example.options.iter().map(member).collect();
        items.push((String::new(), Layout::Group { open: "{", close: "}", kind: Kind::Spaced, items: members }));
    }
    Layout::Group { open: "(", close: ")", kind: Kind::Hugging, items }
}

/// An argument with the content of files as the text that it is; methods take text and bytes as they are.
fn shown_content(example: &Example<'_>, given: &Given<'_>) -> Value {
    let decoded = |value: &Value| {
        let bytes = STANDARD.decode(value.as_str()?).ok()?;
        String::from_utf8(bytes).ok().map(Value::from)
    };
    match (example.operation.id.as_str(), given.field.wire_name.as_str()) {
        ("WriteToExec" | "UploadFile", "data") => decoded(&given.value).unwrap_or_else(|| given.value.clone()),
        ("UploadKnowledge", "files") => {
            let mut files = given.value.clone();
            for file in files.as_array_mut().into_iter().flatten() {
                if let Some(data) = file.get("data").and_then(decoded) {
                    file["data"] = data;
                }
            }
            files
        }
        _ => given.value.clone(),
    }
}

fn literal(value: &Value) -> Layout {
    match value {
        Value::String(text) => Layout::Text(quoted(text)),
        Value::Array(items) => {
            let items = items.iter().map(|item| (String::new(), literal(item))).collect();
            Layout::Group { open: "[", close: "]", kind: Kind::Plain, items }
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (format!("{}: ", key(name)), literal(value)));
            Layout::Group { open: "{", close: "}", kind: Kind::Spaced, items: members.collect() }
        }
        other => Layout::Text(other.to_string()),
    }
}

/// A name in an object, in quotes where it is no identifier.
fn key(name: &str) -> String {
    let is_identifier = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '$')
        && !name.starts_with(|letter: char| letter.is_ascii_digit());
    if is_identifier { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    let inner = &json[1..json.len() - 1];
    if text.contains('\'') { json } else { format!("'{}'", inner.replace("\\\"", "\"")) }
}

fn shown_of(value: &str, shown: &Shown) -> String {
    match shown {
        Shown::HandleId => format!("{value}.id"),
        Shown::Member(path) => {
            let path: Vec<&str> = path.iter().map(|field| field.camel_name.as_str()).collect();
            format!("{value}.{}", path.join("."))
        }
        Shown::Tag(tag) => format!("{value}.{tag}"),
        Shown::Whole => value.to_owned(),
    }
}
