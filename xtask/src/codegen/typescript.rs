//! TypeScript: the types, the readers that make answers what their types say, and the classes of `theazo-node`.
//!
//! Everything that is behaviour is in the hand-written part of `theazo-node/lib`; a generated method names its operation
//! and says where its arguments go.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use minijinja::context;
use serde::Serialize;

use super::{
    GeneratedFile,
    ir::{Argument, Field, Handle, Ir, Operation, Place, Plane, Reply, Role, Struct, Type, TypeDefinition},
    naming, template,
};

/// Renders the generated part of the Node package.
pub fn render(ir: &Ir) -> Result<Vec<GeneratedFile>> {
    let words = Words::new(ir);
    let mut types = Vec::new();
    for definition in &ir.types {
        types.extend(types_of(definition, &words));
    }
    let readers = readers(ir, &words);
    let (public, test): (Vec<_>, Vec<_>) = ir.operations.iter().partition(|operation| operation.plane == Plane::Public);
    let surface = Surface { words: &words, operations: public }.classes(ir)?;
    let testing = Surface { words: &words, operations: test }.classes(ir)?;
    Ok(vec![
        file("types", "types.ts.j2", context! { types })?,
        file("read", "read.ts.j2", context! { readers })?,
        file(
            "surface",
            "surface.ts.j2",
            context! {
                purpose => "What the client can do: a class for each part of it and for each handle.",
                imports => imports(&surface),
                classes => surface,
            },
        )?,
        file(
            "testing",
            "surface.ts.j2",
            context! { purpose => "What tests do to a test plane.", imports => imports(&testing), classes => testing },
        )?,
    ])
}

fn file(name: &str, template: &str, context: minijinja::Value) -> Result<GeneratedFile> {
    let content = template::render_with(&format!("typescript/{template}"), context, |environment| {
        environment.add_filter("methoddoc", |doc: &str| {
            naming::jsdoc(doc, "  ").replace("\n   *\n   * @param", "\n   * @param")
        });
    })?;
    Ok(GeneratedFile {
        path: format!("theazo-node/lib/generated/{name}.ts"),
        content: content.trim_end().to_owned() + "\n",
    })
}

/// How the types of the contract are called in TypeScript.
struct Words {
    /// Structs whose request form differs from their answer form, because of what may be left out.
    two_forms: BTreeSet<String>,
    /// Structs and unions that a reader changes.
    read: BTreeSet<String>,
}

impl Words {
    fn new(ir: &Ir) -> Self {
        let of_fields = |fields: &[Field], matches: &dyn Fn(&Field) -> bool| fields.iter().any(matches);
        let mut words = Self { two_forms: BTreeSet::new(), read: BTreeSet::new() };
        // Each round looks one level deeper; nothing changes once all levels were seen.
        for _ in 0..ir.types.len() {
            for definition in &ir.types {
                match definition {
                    TypeDefinition::Struct(definition) => {
                        let names = |known: &BTreeSet<String>, field: &Field| {
                            field.ty.named().is_some_and(|name| known.contains(name))
                        };
                        let both = definition.in_requests && definition.in_answers;
                        let differs = |field: &Field| field.default.is_some() || names(&words.two_forms, field);
                        if both && of_fields(&definition.fields, &differs) {
                            words.two_forms.insert(definition.name.clone());
                        }
                        let filled = |field: &Field| {
                            field.default.is_some() || (field.nullable && !both) || names(&words.read, field)
                        };
                        if definition.in_answers && of_fields(&definition.fields, &filled) {
                            words.read.insert(definition.name.clone());
                        }
                    }
                    TypeDefinition::TaggedUnion(union) => {
                        words.read.insert(union.name.clone());
                    }
                    TypeDefinition::OpenEnum(_) | TypeDefinition::Id(_) => {}
                }
            }
        }
        words
    }

    /// The type as an answer has it. `prefix` stands before named types.
    fn answer(&self, ty: &Type, prefix: &str) -> String {
        match ty {
            Type::String | Type::Timestamp | Type::Duration => "string".to_owned(),
            Type::I64 | Type::I32 | Type::F64 => "number".to_owned(),
            Type::Bool => "boolean".to_owned(),
            Type::Json => "Record<string, unknown>".to_owned(),
            Type::List(item) => format!("{}[]", self.answer(item, prefix)),
            Type::Map(item) => format!("Record<string, {}>", self.answer(item, prefix)),
            Type::Page(item) => format!("Page<{}>", self.answer(item, prefix)),
            Type::Named(name) => format!("{prefix}{name}"),
        }
    }

    /// The type as a request may have it.
    fn request(&self, ty: &Type, prefix: &str) -> String {
        match ty {
            Type::Timestamp => format!("{prefix}TimestampInput"),
            Type::Duration => format!("{prefix}DurationInput"),
            Type::List(item) => format!("{}[]", self.request(item, prefix)),
            Type::Map(item) => format!("Record<string, {}>", self.request(item, prefix)),
            Type::Named(name) if self.two_forms.contains(name) => format!("{prefix}{name}Input"),
            other => self.answer(other, prefix),
        }
    }

    /// The function that reads a value of this type, if it needs one.
    fn reader(&self, ty: &Type) -> Option<String> {
        match ty {
            Type::Named(name) => self.read.contains(name).then(|| format!("read{name}")),
            Type::List(item) => self.reader(item).map(|read| format!("readList({read})")),
            Type::Map(item) => self.reader(item).map(|read| format!("readMap({read})")),
            _ => None,
        }
    }
}

/// A type as `types.ts` has it.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum TypeText {
    Alias { name: String, doc: String, definition: String },
    Enum { name: String, doc: String, values: Vec<String> },
    Interface { name: String, doc: String, members: Vec<Member> },
}

/// A member of an interface.
#[derive(Serialize)]
struct Member {
    name: String,
    doc: String,
    #[serde(rename = "type")]
    ty: String,
    optional: bool,
}

fn types_of(definition: &TypeDefinition, words: &Words) -> Vec<TypeText> {
    match definition {
        TypeDefinition::Id(id) => vec![TypeText::Alias {
            name: id.name.clone(),
            doc: format!("{} Its id starts with `{}`.", id.doc, id.prefix),
            definition: "string".to_owned(),
        }],
        TypeDefinition::OpenEnum(open) => {
            let values: Vec<String> = open
                .values
                .iter()
                .map(|value| format!("- `{}`: {}", value.value, value.doc.replace('\n', " ")))
                .collect();
            let known = "One of these; a later version may know more:";
            vec![TypeText::Enum {
                name: open.name.clone(),
                doc: format!("{known}\n\n{}", values.join("\n")),
                values: open.values.iter().map(|value| value.value.clone()).collect(),
            }]
        }
        TypeDefinition::Struct(definition) if definition.role == Role::Path => Vec::new(),
        TypeDefinition::Struct(definition) => struct_forms(definition, words),
        TypeDefinition::TaggedUnion(union) => {
            let mut types: Vec<TypeText> = union
                .variants
                .iter()
                .map(|variant| {
                    let tag = Member {
                        name: union.tag.clone(),
                        doc: String::new(),
                        ty: format!("'{}'", variant.tag_value),
                        optional: false,
                    };
                    let fields = variant.fields.iter().map(|field| answer_member(field, false, words));
                    TypeText::Interface {
                        name: format!("{}{}", variant.name, union.name),
                        doc: variant.doc.clone(),
                        members: std::iter::once(tag).chain(fields).collect(),
                    }
                })
                .collect();
            let variants: Vec<String> =
                union.variants.iter().map(|variant| format!("{}{}", variant.name, union.name)).collect();
            types.push(TypeText::Alias {
                name: union.name.clone(),
                doc: format!(
                    "{}\n\nOne that this version does not know arrives as it came, so keep a `default` where you switch \
                     on `{}`.",
                    union.doc, union.tag
                ),
                definition: variants.join(" | "),
            });
            types
        }
    }
}

fn struct_forms(definition: &Struct, words: &Words) -> Vec<TypeText> {
    let interface = |name: String, doc: String, members: Vec<Member>| TypeText::Interface { name, doc, members };
    let request = || definition.fields.iter().map(|field| request_member(field, words)).collect();
    let both = definition.in_requests && definition.in_answers;
    if !definition.in_answers {
        return vec![interface(definition.name.clone(), definition.doc.clone(), request())];
    }
    let answer = definition.fields.iter().map(|field| answer_member(field, both, words)).collect();
    let mut forms = vec![interface(definition.name.clone(), definition.doc.clone(), answer)];
    if words.two_forms.contains(&definition.name) {
        let doc = format!("{}\n\nThis is what a request may leave out of it.", definition.doc);
        forms.push(interface(format!("{}Input", definition.name), doc, request()));
    }
    forms
}

fn request_member(field: &Field, words: &Words) -> Member {
    let optional = !field.required;
    let ty = words.request(&field.ty, "");
    let ty = if optional { format!("{ty} | undefined") } else { ty };
    Member { name: field.camel_name.clone(), doc: field.doc.clone(), ty, optional }
}

/// A member as an answer has it: always there, and null where there is nothing. What is in requests too stays optional, so
/// that it can be sent back as it came.
fn answer_member(field: &Field, both: bool, words: &Words) -> Member {
    let optional = field.nullable && both;
    let ty = words.answer(&field.ty, "");
    let ty = match (optional, field.nullable) {
        (true, _) => format!("{ty} | undefined"),
        (false, true) => format!("{ty} | null"),
        (false, false) => ty,
    };
    Member { name: field.camel_name.clone(), doc: field.doc.clone(), ty, optional }
}

/// A function that reads one type.
#[derive(Serialize)]
struct Reader {
    name: String,
    lines: Vec<String>,
}

fn readers(ir: &Ir, words: &Words) -> Vec<Reader> {
    let read = |definition: &&TypeDefinition| words.read.contains(definition.name());
    ir.types
        .iter()
        .filter(read)
        .map(|definition| {
            let lines = match definition {
                TypeDefinition::Struct(definition) => {
                    read_fields(&definition.fields, definition.in_requests && definition.in_answers, words)
                }
                TypeDefinition::TaggedUnion(union) => {
                    let mut lines = vec![format!("switch (value.{}) {{", union.tag)];
                    for variant in &union.variants {
                        let inner = read_fields(&variant.fields, false, words);
                        if !inner.is_empty() {
                            lines.push(format!("  case '{}':", variant.tag_value));
                            lines.extend(inner.iter().map(|line| format!("    {line}")));
                            lines.push("    break;".to_owned());
                        }
                    }
                    lines.push("}".to_owned());
                    lines
                }
                TypeDefinition::OpenEnum(_) | TypeDefinition::Id(_) => Vec::new(),
            };
            Reader { name: definition.name().to_owned(), lines }
        })
        .collect()
}

fn read_fields(fields: &[Field], both: bool, words: &Words) -> Vec<String> {
    let mut lines = Vec::new();
    for field in fields {
        let member = format!("value.{}", field.camel_name);
        if let Some(default) = &field.default {
            lines.push(format!("{member} ??= {default};"));
        } else if field.nullable && !both {
            lines.push(format!("{member} ??= null;"));
        }
        if let Some(read) = words.reader(&field.ty) {
            let call = format!("{read}({member});");
            lines.push(if field.nullable { format!("if ({member}) {call}") } else { call });
        }
    }
    lines
}

/// A class of the surface.
#[derive(Serialize)]
struct Class {
    name: String,
    doc: String,
    /// The struct with its data, if it is a handle.
    handle: Option<&'static str>,
    /// The path parameter that it knows, if it is a part of a handle.
    known: Option<&'static str>,
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

#[derive(Serialize)]
struct Method {
    name: String,
    doc: String,
    is_async: bool,
    parameters: Vec<String>,
    returns: String,
    lines: Vec<String>,
}

/// The operations of one kind of plane, as classes.
struct Surface<'a> {
    words: &'a Words,
    operations: Vec<&'a Operation>,
}

impl Surface<'_> {
    /// The handles and their parts first, what refers to them after them.
    fn classes(&self, ir: &Ir) -> Result<Vec<Class>> {
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
            _ => part_doc(receiver),
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
                doc: part_doc(other),
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
        let known = root.map(Handle::path_parameter);
        let own_id = match (handle, known) {
            (Some(_), _) => "this.id".to_owned(),
            (None, Some(known)) => format!("this.#{known}"),
            (None, None) => String::new(),
        };
        let methods =
            operations.iter().map(|operation| self.method(operation, caller, &own_id)).collect::<Result<Vec<_>>>()?;
        Ok(Class { name, doc, handle: handle.map(Handle::data), known, base, parts, getters, methods })
    }

    fn method(&self, operation: &Operation, caller: &str, own_id: &str) -> Result<Method> {
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
                _ => self.words.request(&argument.field.ty, "types."),
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
                if given { field.camel_name.clone() } else { own_id.to_owned() }
            })
            .collect();
        let (query, body) = (
            request_part(
                operation,
                operation.query_type.is_some(),
                &[Place::Query],
                split && operation.body_type.is_none(),
            ),
            match file {
                Some(FileCall::Write) => "{ path, ...encodeFile(data) }".to_owned(),
                _ => request_part(
                    operation,
                    operation.body_type.is_some(),
                    &[Place::Body, Place::WholeBody],
                    split && operation.body_type.is_some(),
                ),
            },
        );
        ensure!(
            !(split && operation.body_type.is_some() && options.iter().any(|option| option.place == Place::Query)),
            "`{}` has options in the query and in the body",
            operation.id
        );
        let sent = [format!("'{}'", operation.id), format!("[{}]", path.join(", ")), query, body].join(", ");
        let mut lines = Vec::new();
        if split {
            let own_timeout = if has_timeout(&options) { ", true" } else { "" };
            lines.push(format!("const [rest, call] = splitOptions(options{own_timeout});"));
        }
        let call_options = if split { "call" } else { "options" };
        let (returns, is_async, end) = self.answer(operation, caller, &sent, call_options, file);
        lines.extend(end);
        Ok(Method {
            name: operation.camel_name.clone(),
            doc: method_doc(operation),
            is_async,
            parameters,
            returns,
            lines,
        })
    }

    /// What the method returns, whether it is an async function, and its last lines.
    fn answer(
        &self,
        operation: &Operation,
        caller: &str,
        sent: &str,
        options: &str,
        file: Option<FileCall>,
    ) -> (String, bool, Vec<String>) {
        let reader = |ty: &Type| self.words.reader(ty).unwrap_or_else(|| "asItIs".to_owned());
        let Some(response) = &operation.response else {
            return (
                "Promise<void>".to_owned(),
                true,
                vec![format!("await {caller}.call({sent}, {options}, asItIs);")],
            );
        };
        let ty = self.words.answer(response, "types.");
        let call = format!("await {caller}.call<{ty}>({sent}, {options}, {})", reader(response));
        if operation.reply == Reply::Events {
            let line = format!("return {caller}.stream<{ty}>({sent}, {options}, {});", reader(response));
            return (format!("EventStream<{ty}>"), false, vec![line]);
        }
        if let Type::Page(item) = response {
            let data = self.words.answer(item, "types.");
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

/// The query or the body as an expression.
fn request_part(operation: &Operation, exists: bool, places: &[Place], rest: bool) -> String {
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
    match members.as_slice() {
        [] => "{}".to_owned(),
        [only] if only == "...rest" && !matches!(operation.response, Some(Type::Page(_))) => "rest".to_owned(),
        _ => format!("{{ {} }}", members.join(", ")),
    }
}

fn method_doc(operation: &Operation) -> String {
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
    doc
}

fn class_name(receiver: &str) -> String {
    match receiver {
        "" => "TheazoOperations".to_owned(),
        "testing" => "TestPlaneOperations".to_owned(),
        _ => receiver.split('.').map(naming::pascal).collect(),
    }
}

fn part_doc(receiver: &str) -> String {
    let name = naming::pascal(receiver.rsplit('.').next().unwrap_or_default());
    match receiver.split_once('.') {
        Some((handle, _)) => format!("{name} of the {handle}."),
        None => format!("{name} of the account."),
    }
}

/// The imports that these classes need, in the order in which the formatter wants them.
fn imports(classes: &[Class]) -> Vec<String> {
    let text: String = classes
        .iter()
        .flat_map(|class| &class.methods)
        .flat_map(|method| method.lines.iter().chain(&method.parameters).chain([&method.returns]))
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
    call.extend(used(&["type CallOptions", "type CallOptionsOfRun", "asItIs", "splitOptions"]));
    let mut lines = vec![import(call, "../caller.js")];
    let readers: Vec<String> =
        words.iter().filter(|word| word.starts_with("read")).map(|&word| word.to_owned()).collect();
    lines.push(import(used(&["decodeFile", "encodeFile"]), "../files.js"));
    if classes.iter().any(|class| class.handle.is_some()) {
        lines.push(import(vec!["Handle".to_owned()], "../handle.js"));
    }
    lines.push(import(used(&["type PagePromise", "paginate"]), "../pages.js"));
    lines.push(import(used(&["type EventStream"]), "../stream.js"));
    lines.push(import(readers.into_iter().filter(|name| *name != "read").collect(), "./read.js"));
    lines.push("import type * as types from './types.js';".to_owned());
    lines.retain(|line| !line.is_empty());
    lines
}

fn import(names: Vec<String>, from: &str) -> String {
    if names.is_empty() { String::new() } else { format!("import {{ {} }} from '{from}';", names.join(", ")) }
}
