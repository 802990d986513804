//! The classes: the client's parts, the handles and their parts.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Serialize;

use super::{
    super::{
        ir::{Handle, Ir, Operation, TypeDefinition},
        naming,
    },
    Words,
    method::Method,
};

/// A class of the surface.
#[derive(Serialize)]
pub struct Class {
    name: String,
    doc: String,
    /// The struct with its data, if it is a handle.
    handle: Option<&'static str>,
    /// The struct with the data of the handle that it is a part of, if it is one.
    owner: Option<&'static str>,
    /// Whether any of its methods needs that data.
    uses_owner: bool,
    /// The hand-written class that it extends, with methods of its own.
    shortcuts: Option<&'static str>,
    /// Whether it is what a hand-written class extends.
    base: bool,
    parts: Vec<Part>,
    getters: Vec<Getter>,
    methods: Vec<Method>,
}

/// A member that is itself a class of the surface.
#[derive(Serialize)]
struct Part {
    name: String,
    class: String,
    doc: String,
}

/// A member of a handle's data.
#[derive(Serialize)]
struct Getter {
    name: String,
    field: String,
    doc: String,
}

/// The operations of one kind of plane, as classes.
pub struct Surface<'a> {
    pub words: &'a Words,
    /// The lines of the example of each operation.
    pub examples: &'a BTreeMap<String, Vec<String>>,
    pub operations: Vec<&'a Operation>,
}

impl Surface<'_> {
    /// The handles and their parts first, what refers to them after them.
    pub fn classes(&self, ir: &Ir) -> Result<Vec<Class>> {
        let mut by_receiver: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
        for operation in &self.operations {
            by_receiver.entry(&operation.receiver).or_default().push(operation);
        }
        let mut receivers: Vec<&str> = by_receiver.keys().copied().collect();
        // The deepest first, the client itself last: every class stands after those that it makes.
        receivers.sort_by_key(|receiver| (receiver.is_empty(), std::cmp::Reverse(receiver.matches('.').count())));
        receivers.iter().map(|receiver| self.class(receiver, &by_receiver[receiver], &receivers, ir)).collect()
    }

    fn class(&self, receiver: &str, operations: &[&Operation], receivers: &[&str], ir: &Ir) -> Result<Class> {
        let handle = Handle::ALL.into_iter().find(|handle| handle.receiver() == receiver);
        let root = Handle::ALL.into_iter().find(|handle| receiver.starts_with(&format!("{}.", handle.receiver())));
        let base = receiver.is_empty() || receiver == "testing";
        let name = class_name(receiver);
        let doc = match handle.and_then(|handle| ir.named(handle.data())) {
            Some(TypeDefinition::Struct(data)) => data.doc.clone(),
            _ if receiver.is_empty() => "The operations of the client.".to_owned(),
            _ if receiver == "testing" => "The operations of a test plane.".to_owned(),
            _ => ir.part_doc(receiver).to_owned(),
        };
        let parts = receivers
            .iter()
            .filter(|other| {
                let parent = other.rsplit_once('.').map_or("", |(parent, _)| parent);
                !other.is_empty()
                    && parent == receiver
                    && !Handle::ALL.iter().any(|handle| handle.receiver() == **other)
            })
            .map(|other| Part {
                name: other.rsplit('.').next().unwrap_or_default().to_owned(),
                class: class_name(other),
                doc: ir.part_doc(other).to_owned(),
            })
            .collect::<Vec<_>>();
        let mut getters = Vec::new();
        if let Some(handle) = handle
            && let Some(TypeDefinition::Struct(data)) = ir.named(handle.data())
        {
            let taken = |name: &str| {
                operations.iter().any(|operation| operation.camel_name == name)
                    || parts.iter().any(|part| part.name == name)
            };
            getters.extend(data.fields.iter().map(|field| {
                // A method has the plain name; the published client calls an agent's state `currentStatus`.
                let name = &field.camel_name;
                let name = if taken(name) { format!("current{}", naming::pascal(name)) } else { name.clone() };
                Getter { name, field: field.camel_name.clone(), doc: field.doc.clone() }
            }));
        }
        let caller = if handle.is_some() || base { "this.caller" } else { "this.#caller" };
        let owner = if handle.is_some() { "this.data" } else { "this.#owner" };
        let methods = operations
            .iter()
            .map(|operation| {
                let example = self.examples.get(&operation.id).map(Vec::as_slice).unwrap_or_default();
                Method::of(operation, caller, owner, example, self.words, ir)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Class {
            name,
            doc,
            handle: handle.map(Handle::data),
            owner: root.map(Handle::data),
            uses_owner: methods.iter().any(|method| method.lines.iter().any(|line| line.contains("this.#owner"))),
            shortcuts: shortcuts(receiver),
            base,
            parts,
            getters,
            methods,
        })
    }
}

/// The hand-written class with further methods of a part of the client.
fn shortcuts(receiver: &str) -> Option<&'static str> {
    match receiver {
        "channels" => Some("ChannelShortcuts"),
        "mcp" => Some("McpShortcuts"),
        "triggers" => Some("TriggerShortcuts"),
        _ => None,
    }
}

fn class_name(receiver: &str) -> String {
    match receiver {
        "" => "TheazoOperations".to_owned(),
        "testing" => "TestPlaneOperations".to_owned(),
        _ => receiver.split('.').map(naming::pascal).collect(),
    }
}

/// The imports that these classes need, in the order in which the formatter wants them.
pub fn imports(classes: &[Class]) -> Vec<String> {
    let text: String = classes
        .iter()
        .flat_map(|class| &class.methods)
        .flat_map(|method| {
            let signatures = method.signatures.iter();
            method.lines.iter().chain(signatures.flat_map(|one| one.parameters.iter().chain([&one.returns])))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let words: BTreeSet<&str> = text.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
    let used = |names: &[&str]| -> Vec<String> {
        names
            .iter()
            .filter(|name| words.contains(name.trim_start_matches("type ")))
            .map(|&name| name.to_owned())
            .collect()
    };
    let mut call = vec!["type Caller".to_owned()];
    call.extend(used(&["type CallOptions", "type CallOptionsOfRun", "asItIs", "inOne", "splitOptions"]));
    let mut lines = vec![import(used(&["type Answer"]), "../answer.js"), import(call, "../caller.js")];
    let readers: Vec<String> = words
        .iter()
        .filter(|word| word.starts_with("read") && **word != "readPage")
        .map(|&word| word.to_owned())
        .collect();
    lines.push(import(
        used(&["type FileInput", "decodeFile", "encodeFile", "withContent", "withContents"]),
        "../files.js",
    ));
    if classes.iter().any(|class| class.handle.is_some()) {
        lines.push(import(vec!["Handle".to_owned()], "../handle.js"));
    }
    lines.push(import(used(&["durationsAsText"]), "../input.js"));
    lines.push(import(used(&["type ListPromise", "type PagePromise", "list", "paginate", "readPage"]), "../pages.js"));
    lines.push(import(used(&["asList", "orNull"]), "../published.js"));
    if words.contains("published") {
        lines.push("import type * as published from '../published.js';".to_owned());
    }
    let shortcuts = classes.iter().filter_map(|class| class.shortcuts).map(str::to_owned).collect();
    lines.push(import(shortcuts, "../shortcuts.js"));
    lines.push(import(used(&["type EventStream"]), "../stream.js"));
    lines.push(import(readers.into_iter().filter(|name| *name != "read").collect(), "./read.js"));
    lines.push("import type * as types from './types.js';".to_owned());
    lines.retain(|line| !line.is_empty());
    lines
}

fn import(names: Vec<String>, from: &str) -> String {
    if names.is_empty() { String::new() } else { format!("import {{ {} }} from '{from}';", names.join(", ")) }
}
