//! What the templates read about methods: the client, its parts, the handles and their parts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    super::{
        ir::{Argument, Handle, Ir, Operation, Place, Plane, Reply, Type, TypeDefinition},
        naming,
    },
    ExampleLines,
    model::{Member, members},
    words::{docstring, given, output, pythonic},
};

#[derive(Serialize)]
pub struct Receiver {
    /// The class without the prefix of the face.
    pub class: String,
    pub doc: String,
    /// `client`, `part` (of the client), `handle`, `handle_part` or `testing`.
    pub kind: &'static str,
    /// For a handle or a part of one: the class of the handle's data.
    pub data: Option<String>,
    /// For a handle: whether its data has a status.
    pub has_status: bool,
    /// For a handle: the fields that no method hides.
    pub fields: Vec<Member>,
    /// Its parts: attribute, class, what the part is for.
    pub parts: Vec<(String, String, String)>,
    pub methods: Vec<Method>,
}

#[derive(Serialize)]
pub struct Method {
    pub id: String,
    pub name: String,
    pub arguments: Vec<Parameter>,
    pub options: Vec<Parameter>,
    /// The docstring in the blocking face, and the one in the asyncio face: their examples differ.
    pub docstring: String,
    pub async_docstring: String,
    /// The tuple of path parameters, as an expression.
    pub path: String,
    /// The dict of inputs, as an expression.
    pub inputs: String,
    /// The class of the options of the call: a method with a `timeout` of its own has none of the call.
    pub call_options: &'static str,
    /// Whether the answer is the content of a file, which the faces give as bytes.
    pub returns_bytes: bool,
    /// `json`, `page`, `events` or `empty`.
    pub reply: &'static str,
    /// The type of the answer or the item; for handles, the class without the prefix of the face.
    pub answer: String,
    pub answer_is_handle: bool,
    pub refreshes: bool,
}

#[derive(Serialize)]
pub struct Parameter {
    pub name: String,
    pub input: String,
    pub required: bool,
    pub doc: String,
    pub is_path: bool,
}

/// The classes with methods: the client's own, its parts, the handles and their parts.
pub fn receivers(ir: &Ir, examples: &BTreeMap<String, ExampleLines>) -> Vec<Receiver> {
    let mut names: Vec<&str> = Vec::new();
    for operation in ir.operations.iter().filter(|operation| operation.plane != Plane::Bridge) {
        if !names.contains(&operation.receiver.as_str()) {
            names.push(&operation.receiver);
        }
    }
    names.iter().map(|name| receiver(name, &names, examples, ir)).collect()
}

fn receiver(name: &str, all: &[&str], examples: &BTreeMap<String, ExampleLines>, ir: &Ir) -> Receiver {
    let operations: Vec<&Operation> = ir.operations.iter().filter(|operation| operation.receiver == name).collect();
    let methods: Vec<Method> =
        operations.iter().map(|operation| method(operation, &examples[&operation.id], ir)).collect();
    let handle = Handle::ALL.into_iter().find(|handle| handle.receiver() == name);
    let testing = operations.iter().any(|operation| operation.plane == Plane::Test);
    let kind = match (name, handle) {
        ("", _) => "client",
        (_, Some(_)) => "handle",
        _ if testing => "testing",
        _ if name.contains('.') => "handle_part",
        _ => "part",
    };
    let is_part = |other: &&&str| match kind {
        "client" => !other.is_empty() && !other.contains('.') && !is_handle_or_testing(other, ir),
        "handle" => other.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')),
        _ => false,
    };
    let parts: Vec<(String, String, String)> = all
        .iter()
        .filter(is_part)
        .map(|part| {
            let attribute = part.rsplit('.').next().unwrap_or(part);
            (naming::snake(attribute), class_of(part), ir.part_doc(part).to_owned())
        })
        .collect();
    let owner = Handle::ALL.into_iter().find(|handle| name.starts_with(&format!("{}.", handle.receiver())));
    let data = handle.or(owner).map(|handle| handle.data().to_owned());
    let mut fields = match data.as_deref().filter(|_| handle.is_some()).and_then(|data| ir.named(data)) {
        Some(TypeDefinition::Struct(definition)) => members(&definition.fields, ir),
        _ => Vec::new(),
    };
    let has_status = fields.iter().any(|field| field.name == "status");
    // A method or a part of the same name hides a field; it stays readable on `data`.
    fields.retain(|field| {
        methods.iter().all(|method| method.name != field.name) && parts.iter().all(|(name, ..)| *name != field.name)
    });
    let doc = match (kind, data.as_deref().and_then(|data| ir.named(data))) {
        ("handle", Some(TypeDefinition::Struct(definition))) => pythonic(&definition.doc),
        ("client", _) => "What the client itself can do.".to_owned(),
        ("testing", _) => "What a test does to the plane.".to_owned(),
        _ => ir.part_doc(name).to_owned(),
    };
    Receiver {
        class: if kind == "client" {
            "ClientMethods".to_owned()
        } else if kind == "testing" {
            "TestPlaneMethods".to_owned()
        } else {
            class_of(name)
        },
        doc,
        kind,
        data,
        has_status,
        fields,
        parts,
        methods,
    }
}

fn is_handle_or_testing(receiver: &str, ir: &Ir) -> bool {
    Handle::ALL.into_iter().any(|handle| handle.receiver() == receiver)
        || ir.operations.iter().any(|operation| operation.receiver == receiver && operation.plane == Plane::Test)
}

/// `SessionAgents` for `session.agents`.
fn class_of(receiver: &str) -> String {
    receiver.split('.').map(naming::pascal).collect()
}

fn method(operation: &Operation, example: &ExampleLines, ir: &Ir) -> Method {
    let writes_file = operation.id == "WriteFile";
    let mut arguments: Vec<Parameter> = operation.arguments.iter().map(|argument| parameter(argument, ir)).collect();
    let mut options: Vec<Parameter> = operation.options.iter().map(|argument| parameter(argument, ir)).collect();
    if writes_file {
        // The face takes text or bytes and chooses the encoding.
        options.clear();
        for argument in arguments.iter_mut().filter(|argument| argument.name == "data") {
            argument.input = "str | bytes".to_owned();
            argument.doc = "The content: text, or any bytes.".to_owned();
        }
    }
    let known = operation.receiver_handle.map(Handle::path_parameter);
    let path: Vec<String> = operation
        .path_parameters
        .iter()
        .map(
            |field| {
                if Some(field.wire_name.as_str()) == known { "self._id".to_owned() } else { field.snake_name.clone() }
            },
        )
        .collect();
    let mut inputs: Vec<String> = arguments
        .iter()
        .chain(&options)
        .filter(|parameter| !parameter.is_path)
        .map(|parameter| format!("\"{0}\": {0}", parameter.name))
        .collect();
    inputs.extend(operation.filled.iter().map(|Argument { field, .. }| {
        let owner = if operation.receiver.contains('.') { "_owner" } else { "_data" };
        let knows_by_id = known == Some(field.wire_name.as_str());
        format!("\"{0}\": self.{owner}.{1}", field.snake_name, if knows_by_id { "id" } else { &field.snake_name })
    }));
    let (answer, answer_is_handle) = answer(operation, ir);
    let takes = |name: &str| arguments.iter().chain(&options).any(|parameter| parameter.name == name);
    Method {
        id: operation.id.clone(),
        name: operation.snake_name.clone(),
        call_options: if takes("timeout") { "CallOptionsOfRun" } else { "CallOptions" },
        docstring: docstring(operation, arguments.iter().chain(&options), &example.sync),
        async_docstring: docstring(operation, arguments.iter().chain(&options), &example.asyncio),
        arguments,
        options,
        path: match path.as_slice() {
            [one] => format!("({one},)"),
            several => format!("({})", several.join(", ")),
        },
        inputs: match inputs.as_slice() {
            [] => "None".to_owned(),
            _ if writes_file => "file_inputs(path, data)".to_owned(),
            inputs if inputs.iter().map(String::len).sum::<usize>() < 40 => format!("{{{}}}", inputs.join(", ")),
            inputs => format!("{{\n            {},\n        }}", inputs.join(",\n            ")),
        },
        returns_bytes: operation.id == "ReadFile",
        reply: match (operation.reply, &operation.response) {
            (Reply::Events | Reply::Socket, _) => "events",
            (Reply::Empty, _) => "empty",
            (Reply::Json, Some(Type::Page(_))) => "page",
            (Reply::Json, _) => "json",
        },
        answer,
        answer_is_handle,
        refreshes: operation.refreshes_handle,
    }
}

fn answer(operation: &Operation, ir: &Ir) -> (String, bool) {
    if let Some(handle) = operation.returns_handle.or(operation.page_of_handle) {
        return (naming::pascal(handle.receiver()), true);
    }
    let ty = match &operation.response {
        Some(Type::Page(item)) => output(item, ir),
        Some(ty) => output(ty, ir),
        None => "None".to_owned(),
    };
    (ty, false)
}

fn parameter(argument: &Argument, ir: &Ir) -> Parameter {
    let field = &argument.field;
    Parameter {
        name: field.snake_name.clone(),
        input: given(field, ir),
        required: field.required,
        doc: pythonic(&field.doc),
        is_path: argument.place == Place::Path,
    }
}
