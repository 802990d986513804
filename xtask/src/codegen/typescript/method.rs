//! The methods: each names its operation and says where its arguments go.
//!
//! A method takes its arguments by position, or everything in one object, as the published client has it for most. The code
//! puts either form into one object, takes the options of the call out of it, and sends the rest.

use anyhow::{Result, ensure};
use serde::Serialize;

use super::{
    super::ir::{Argument, Ir, Operation, Place, Type},
    Words, published,
    request::{FileCall, body, is_object, path, query, with_cursor},
};

/// A method: its signatures, and the lines of its body.
#[derive(Serialize)]
pub struct Method {
    name: String,
    pub signatures: Vec<Signature>,
    /// The parameters of the implementation, where there is more than one signature.
    implementation: Vec<String>,
    pub lines: Vec<String>,
}

/// A way to call a method.
#[derive(Serialize)]
pub struct Signature {
    doc: String,
    pub parameters: Vec<String>,
    pub returns: String,
}

impl Method {
    /// The method of an operation. `caller` makes the call, `owner` is the data of the handle that the receiver is or is
    /// a part of.
    pub fn of(
        operation: &Operation,
        caller: &str,
        owner: &str,
        example: &[String],
        words: &Words,
        ir: &Ir,
    ) -> Result<Self> {
        let file = FileCall::of(operation);
        let options: Vec<&Argument> =
            operation.options.iter().filter(|option| file.is_none() || option.field.wire_name != "encoding").collect();
        for option in &options {
            let clash = ["signal", "deadline", "maxRetries", "idempotencyKey", "headers"];
            let name = option.field.camel_name.as_str();
            ensure!(!clash.contains(&name), "`{}` has an option `{name}`, which is one of every call", operation.id);
        }
        ensure!(
            !(operation.has_body && options.iter().any(|option| option.place == Place::Query)),
            "`{}` has options in the query and in the body",
            operation.id
        );

        let in_path: Vec<&Argument> =
            operation.arguments.iter().filter(|argument| argument.place == Place::Path).collect();
        let given: Vec<&Argument> =
            operation.arguments.iter().filter(|argument| argument.place != Place::Path).collect();
        let whole_body = operation.whole_body;
        let by_name = !given.is_empty() && !whole_body;

        let parameter = |argument: &&Argument| {
            let ty = match file {
                Some(FileCall::Write) if argument.field.wire_name == "data" => "FileInput".to_owned(),
                _ => words.request_field(&argument.field, "types."),
            };
            let optional = if argument.field.required { "" } else { "?" };
            format!("{}{optional}: {ty}", argument.field.camel_name)
        };
        let path_parameters: Vec<String> = in_path.iter().map(parameter).collect();
        let mut parameters = path_parameters.clone();
        parameters.extend(given.iter().map(parameter));
        parameters.push(options_parameter(operation, &given, &options, by_name));

        let (returns, end) = Answer { operation, caller, file, words }.parts();
        let mut signatures =
            vec![Signature { doc: method_doc(operation, example), parameters, returns: returns.clone() }];
        let mut implementation = Vec::new();
        if by_name {
            let mut object = |ty: String| {
                let mut parameters = path_parameters.clone();
                let optional = if given.iter().any(|argument| argument.field.required) { "" } else { "?" };
                parameters.push(format!("options{optional}: {ty} & {}", call_options(&options)));
                let doc = "The same, with everything in one object.".to_owned();
                signatures.push(Signature { doc, parameters, returns: returns.clone() });
            };
            object(input_type(operation, &[], file));
            if let Some(other) = published::other_input(operation) {
                object(format!("published.{other}"));
            }
            implementation.extend(in_path.iter().map(parameter));
            implementation.push("...given: unknown[]".to_owned());
        }

        let mut lines = Vec::new();
        let own: String = given
            .iter()
            .chain(&options)
            .map(|argument| argument.field.camel_name.as_str())
            .filter(|name| ["timeout", "headers"].contains(name))
            .map(|name| format!(", '{name}'"))
            .collect();
        if by_name {
            let names: Vec<String> = given.iter().map(|argument| format!("'{}'", argument.field.camel_name)).collect();
            let first_is_object = if is_object(&given[0].field.ty, ir) { ", true" } else { "" };
            let all = format!("inOne(given, [{}]{first_is_object})", names.join(", "));
            lines.push(format!("const [rest, options] = splitOptions({all}{own});"));
        } else if !options.is_empty() {
            lines.push(format!("const [rest, callOptions] = splitOptions(options{own});"));
        }
        let rest = by_name || !options.is_empty();
        let call_options = if by_name || options.is_empty() { "options" } else { "callOptions" };
        let sent = [
            format!("'{}'", operation.id),
            path(operation, owner),
            query(operation, rest, owner),
            body(operation, rest, owner, file, ir),
            call_options.to_owned(),
        ];
        lines.extend(end(&sent));
        Ok(Self { name: operation.camel_name.clone(), signatures, implementation, lines })
    }
}

/// Makes the last lines of a method of what is sent.
type End<'a> = Box<dyn Fn(&[String; 5]) -> Vec<String> + 'a>;

/// What a method does with the answer.
struct Answer<'a> {
    operation: &'a Operation,
    caller: &'a str,
    file: Option<FileCall>,
    words: &'a Words,
}

impl<'a> Answer<'a> {
    /// What the method returns, and its last lines.
    fn parts(self) -> (String, End<'a>) {
        let Self { operation, caller, file, words } = self;
        let reader = move |ty: &Type| words.reader(ty).unwrap_or_else(|| "asItIs".to_owned());
        let Some(response) = &operation.response else {
            let end = move |sent: &[String; 5]| vec![format!("await call({}, asItIs);", sent.join(", "))];
            return ("Answer<void>".to_owned(), Box::new(end));
        };
        let ty = words.answer(response, "types.");
        if operation.reply.is_stream() {
            let returns = format!("EventStream<{ty}>");
            let end = move |sent: &[String; 5]| {
                vec![format!("return {caller}.stream<{ty}>({}, {});", sent.join(", "), reader(response))]
            };
            return (returns, Box::new(end));
        }
        if let Type::Page(item) = response {
            let (item_type, convert) = match operation.page_of_handle {
                Some(handle) => {
                    let data = words.answer(item, "types.");
                    let convert = format!("(data: {data}) => new {handle:?}({caller}, {}(data))", reader(item));
                    (format!("{handle:?}"), convert)
                }
                None => (words.answer(item, "types."), reader(item)),
            };
            let (promise, make) =
                if published::is_array(operation) { ("ListPromise", "list") } else { ("PagePromise", "paginate") };
            let returns = format!("{promise}<{item_type}>");
            let read = if convert == "asItIs" {
                format!("<{item_type}, {item_type}>(asItIs)")
            } else {
                format!("({convert})")
            };
            let end = move |sent: &[String; 5]| {
                let [id, path, query, body, options] = sent;
                let (query, body) = (with_cursor(query), with_cursor(body));
                vec![
                    format!("return {make}<{item_type}>({caller}, (call, cursor) =>"),
                    format!("  call({id}, {path}, {query}, {body}, {options}, readPage{read}),"),
                    ");".to_owned(),
                ]
            };
            return (returns, Box::new(end));
        }
        let call = move |sent: &[String; 5]| {
            format!("await call<{}>({}, {})", words.answer(response, "types."), sent.join(", "), reader(response))
        };
        if operation.refreshes_handle {
            let end = move |sent: &[String; 5]| vec![format!("return this.refresh({});", call(sent))];
            return ("Answer<this>".to_owned(), Box::new(end));
        }
        if let Some(handle) = operation.returns_handle {
            let end = move |sent: &[String; 5]| vec![format!("return new {handle:?}({caller}, {});", call(sent))];
            return (format!("Answer<{handle:?}>"), Box::new(end));
        }
        if matches!(file, Some(FileCall::Read)) {
            let end = move |sent: &[String; 5]| vec![format!("return decodeFile({});", call(sent))];
            return ("Answer<Buffer>".to_owned(), Box::new(end));
        }
        if let Some(member) = published::returned_member(operation) {
            let end = move |sent: &[String; 5]| vec![format!("return ({}).{member};", call(sent))];
            return ("Answer<string>".to_owned(), Box::new(end));
        }
        if let Some(member) = published::returned_list(operation) {
            let returns = format!("Answer<{ty}['{member}'] & {ty}>");
            let end = move |sent: &[String; 5]| vec![format!("return asList({}, '{member}');", call(sent))];
            return (returns, Box::new(end));
        }
        if published::is_nullable(operation) {
            let returns = format!("Answer<{ty} | null>");
            let end = move |sent: &[String; 5]| {
                vec![format!("return await call<{ty} | null>({}, orNull({}));", sent.join(", "), reader(response))]
            };
            return (returns, Box::new(end));
        }
        let noted = noted_status(operation);
        let end = move |sent: &[String; 5]| match &noted {
            Some(Noted::Said) => vec![
                format!("const answer = {};", call(sent)),
                "return this.note(answer, { status: answer.status });".to_owned(),
            ],
            Some(Noted::Known(status)) => vec![format!("return this.note({}, {{ status: '{status}' }});", call(sent))],
            None => vec![format!("return {};", call(sent))],
        };
        (format!("Answer<{ty}>"), Box::new(end))
    }
}

/// What an answer that is no new data for the handle says of its status.
enum Noted {
    /// It has it.
    Said,
    /// It is known from what was done.
    Known(&'static str),
}

fn noted_status(operation: &Operation) -> Option<Noted> {
    match operation.response.as_ref().and_then(Type::named) {
        Some("AgentStatusInfo" | "FleetStatus") => Some(Noted::Said),
        _ => published::status_after(operation).map(Noted::Known),
    }
}

/// The last parameter: the fields that are options, and the options of every call.
fn options_parameter(operation: &Operation, given: &[&Argument], options: &[&Argument], by_name: bool) -> String {
    if options.is_empty() {
        return "options?: CallOptions".to_owned();
    }
    let ty = format!("{} & {}", input_type(operation, given, FileCall::of(operation)), call_options(options));
    if by_name { format!("options?: {ty}") } else { format!("options: {ty} = {{}}") }
}

/// The type of what the method takes by name, without these arguments and without what the receiver fills in.
fn input_type(operation: &Operation, given: &[&Argument], file: Option<FileCall>) -> String {
    let parts: Vec<String> = [&operation.query_type, &operation.body_type]
        .into_iter()
        .flatten()
        .map(|part| {
            let mut left_out: Vec<String> = given
                .iter()
                .copied()
                .chain(&operation.filled)
                .map(|argument| format!("'{}'", argument.field.camel_name))
                .collect();
            if matches!(file, Some(FileCall::Write)) {
                left_out.extend(["'encoding'".to_owned()]);
                if given.is_empty() {
                    left_out.push("'data'".to_owned());
                }
            }
            let ty = match left_out.as_slice() {
                [] => format!("types.{part}"),
                names => format!("Omit<types.{part}, {}>", names.join(" | ")),
            };
            if matches!(file, Some(FileCall::Write)) && given.is_empty() {
                format!("{ty} & {{ data: FileInput }}")
            } else {
                ty
            }
        })
        .collect();
    parts.join(" & ")
}

/// The options of the call itself.
fn call_options(options: &[&Argument]) -> &'static str {
    if has_timeout(options) { "CallOptionsOfRun" } else { "CallOptions" }
}

/// Whether the work that the call asks for has a timeout; then the call itself has none by that name.
fn has_timeout(options: &[&Argument]) -> bool {
    options.iter().any(|option| option.field.camel_name == "timeout")
}

fn method_doc(operation: &Operation, example: &[String]) -> String {
    let mut doc = operation.doc.clone();
    for argument in &operation.arguments {
        let text = match (FileCall::of(operation), argument.field.wire_name.as_str()) {
            (Some(FileCall::Write), "data") => "The content: text, bytes, or a stream of them.".to_owned(),
            _ if argument.field.base64 => "The content: text, bytes, or a stream of them.".to_owned(),
            _ => argument.field.doc.replace('\n', " "),
        };
        if !text.is_empty() {
            doc.push_str(&format!("\n\n@param {} {text}", argument.field.camel_name));
        }
    }
    doc.push_str(&format!("\n\n@example\n```ts\n{}\n```", example.join("\n")));
    doc
}
