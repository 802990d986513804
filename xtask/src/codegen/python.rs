//! Python: the native classes and tables in `theazo-py/src/generated`, and the package's modules beside them.
//!
//! Types become frozen native classes; operations become methods of a blocking face (`_sync.py`) and an asyncio face
//! (`_async.py`), rendered from one template.

use std::collections::BTreeSet;

use anyhow::Result;
use serde::Serialize;

use super::{
    GeneratedFile,
    ir::{
        Argument, Field, Handle, Ir, Operation, Place, Plane, Reply, Role, Struct, TaggedUnion, Type, TypeDefinition,
    },
    naming, template,
};

/// Renders all files of the Python part.
pub fn render(ir: &Ir) -> Result<Vec<GeneratedFile>> {
    let model = Model::new(ir);
    let faces = [Face { sync: true, prefix: "" }, Face { sync: false, prefix: "Async" }];
    let mut files = Vec::new();
    for (template, path) in [
        ("mod.rs.j2", "theazo-py/src/generated/mod.rs"),
        ("values.rs.j2", "theazo-py/src/generated/values.rs"),
        ("shapes.rs.j2", "theazo-py/src/generated/shapes.rs"),
        ("calls.rs.j2", "theazo-py/src/generated/calls.rs"),
        ("native.pyi.j2", "theazo-py/python/theazo/_native.pyi"),
        ("types.py.j2", "theazo-py/python/theazo/types.py"),
    ] {
        files.push(file(path, render_template(template, &model)?));
    }
    for face in faces {
        let name = if face.sync { "_sync" } else { "_async" };
        let imports = model.face_imports();
        let context = minijinja::context! { face => face, model => model, imports => imports };
        files.push(file(&format!("theazo-py/python/theazo/{name}.py"), render_template("face.py.j2", context)?));
    }
    Ok(files)
}

fn render_template(name: &str, context: impl Serialize) -> Result<String> {
    let text = template::render_with(&format!("python/{name}"), context, |environment| {
        environment.add_filter("ident", |name: &str| {
            if RUST_KEYWORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
        });
    })?;
    // Python wants two blank lines between classes and one between methods; templates leave more.
    Ok(if name.contains(".rs") { text } else { settle_blank_lines(&text) })
}

/// Words that Rust takes as names only with `r#`.
const RUST_KEYWORDS: &[&str] = &["type", "ref", "move", "match", "loop", "use", "where", "async", "dyn", "mod"];

/// At most one blank line, but two before whatever stands at the left margin, and one end of line at the end.
fn settle_blank_lines(text: &str) -> String {
    let mut out = String::new();
    let mut blank = 0;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            blank += 1;
            continue;
        }
        if blank > 0 && !out.is_empty() {
            let starts_definition = line.starts_with("class ") || line.starts_with("@final");
            out.push_str(if starts_definition { "\n\n" } else { "\n" });
        }
        blank = 0;
        out.push_str(line);
        out.push('\n');
    }
    out
}

fn file(path: &str, content: String) -> GeneratedFile {
    GeneratedFile { path: path.to_owned(), content }
}

/// One of the two faces of the package.
#[derive(Serialize)]
struct Face {
    sync: bool,
    /// Before the name of each class.
    prefix: &'static str,
}

/// Everything that the templates need, in Python's words.
#[derive(Serialize)]
struct Model {
    classes: Vec<Class>,
    unions: Vec<Union>,
    enums: Vec<EnumClass>,
    /// Types that are plain text in Python: ids and open enumerations.
    texts: Vec<String>,
    shapes: Vec<ShapeTable>,
    calls: Vec<CallRow>,
    /// The client, its parts, handles and their parts.
    receivers: Vec<Receiver>,
    /// What `types.py` takes from the native module.
    native_names: Vec<String>,
    /// What `types.py` has.
    public_names: Vec<String>,
}

/// What a face imports for its signatures, by module.
#[derive(Serialize)]
struct Imports {
    abc: Vec<String>,
    datetime: Vec<String>,
    typing: Vec<String>,
    types: Vec<String>,
}

#[derive(Serialize)]
struct Class {
    name: String,
    doc: String,
    fields: Vec<Member>,
    /// The static with its shape, if it can be made by a caller.
    shape: Option<String>,
    /// The arguments of the constructor as documentation shows them.
    text_signature: String,
}

#[derive(Serialize)]
struct Member {
    name: String,
    wire: String,
    doc: String,
    /// The type as an answer has it.
    output: String,
    /// The type as a caller may give it.
    input: String,
    required: bool,
}

#[derive(Serialize)]
struct Union {
    name: String,
    doc: String,
    tag: String,
    /// The last word of the name, which ends the names of the classes: `Event`.
    noun: String,
    variants: Vec<UnionVariant>,
}

#[derive(Serialize)]
struct UnionVariant {
    class: String,
    /// The variant in `theazo-api`.
    rust: String,
    tag_value: String,
    doc: String,
    fields: Vec<Member>,
}

#[derive(Serialize)]
struct EnumClass {
    name: String,
    doc: String,
    values: Vec<EnumConstant>,
}

#[derive(Serialize)]
struct EnumConstant {
    name: String,
    value: String,
    doc: String,
}

#[derive(Serialize)]
struct ShapeTable {
    /// The name of the static.
    name: String,
    class: String,
    /// Whether there is a class for it.
    native: bool,
    fields: Vec<ShapeField>,
}

#[derive(Serialize)]
struct ShapeField {
    name: String,
    wire: String,
    /// The expression of its `Kind`.
    kind: String,
    required: bool,
}

#[derive(Serialize)]
struct CallRow {
    id: String,
    path: Vec<String>,
    query: Option<String>,
    body: Option<String>,
    /// The argument that is the whole body.
    whole: Option<String>,
}

#[derive(Serialize)]
struct Receiver {
    /// The class without the prefix of the face.
    class: String,
    doc: String,
    /// `client`, `part` (of the client), `handle`, `handle_part` or `testing`.
    kind: &'static str,
    /// For a handle: the class of its data and the fields that no method hides.
    data: Option<String>,
    fields: Vec<Member>,
    /// Its parts: attribute, class, what the part is for.
    parts: Vec<(String, String, String)>,
    methods: Vec<Method>,
}

#[derive(Serialize)]
struct Method {
    id: String,
    name: String,
    arguments: Vec<Parameter>,
    options: Vec<Parameter>,
    docstring: String,
    /// The tuple of path parameters, as an expression.
    path: String,
    /// The dict of inputs, as an expression.
    inputs: String,
    /// The class of the options of the call: a method with a `timeout` of its own has none of the call.
    call_options: &'static str,
    /// Whether the answer is the content of a file, which the faces give as bytes.
    returns_bytes: bool,
    /// `json`, `page`, `events` or `empty`.
    reply: &'static str,
    /// The type of the answer or the item; for handles, the class without the prefix of the face.
    answer: String,
    answer_is_handle: bool,
    refreshes: bool,
}

#[derive(Serialize)]
struct Parameter {
    name: String,
    input: String,
    required: bool,
    doc: String,
    is_path: bool,
}

impl Model {
    fn new(ir: &Ir) -> Self {
        let mut model = Self {
            classes: Vec::new(),
            unions: Vec::new(),
            enums: Vec::new(),
            texts: Vec::new(),
            shapes: Vec::new(),
            calls: ir.operations.iter().map(|operation| call_row(operation)).collect(),
            receivers: receivers(ir),
            native_names: Vec::new(),
            public_names: Vec::new(),
        };
        for definition in &ir.types {
            match definition {
                TypeDefinition::Struct(definition) => model.add_struct(definition, ir),
                TypeDefinition::TaggedUnion(definition) => model.unions.push(union(definition, ir)),
                TypeDefinition::Id(id) => model.texts.push(id.name.clone()),
                TypeDefinition::OpenEnum(definition) => {
                    model.texts.push(definition.name.clone());
                    model.enums.push(EnumClass {
                        name: definition.name.clone(),
                        doc: pythonic(&definition.doc),
                        values: definition
                            .values
                            .iter()
                            .map(|value| EnumConstant {
                                name: naming::screaming(&value.name),
                                value: value.value.clone(),
                                doc: pythonic(&value.doc),
                            })
                            .collect(),
                    });
                }
            }
        }
        model.native_names = model.native_names();
        model.public_names = model.public_names();
        model
    }

    fn native_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.classes.iter().map(|class| class.name.clone()).collect();
        for union in &self.unions {
            names.extend(union.variants.iter().map(|variant| variant.class.clone()));
            names.push(format!("Other{}", union.noun));
        }
        names.sort();
        names
    }

    fn public_names(&self) -> Vec<String> {
        let mut names = self.type_names();
        names.push("Duration".to_owned());
        names.extend(self.enums.iter().map(|definition| definition.name.clone()));
        names.sort();
        names
    }

    /// The names of types in signatures, without `Duration`.
    fn type_names(&self) -> Vec<String> {
        let mut names = self.native_names();
        names.extend(self.enums.iter().map(|definition| format!("{}Value", definition.name)));
        names.extend(self.unions.iter().map(|union| union.name.clone()));
        names.extend(
            self.classes.iter().filter(|class| class.shape.is_some()).map(|class| format!("{}Dict", class.name)),
        );
        names.sort();
        names
    }

    /// The names that the signatures of the faces use.
    fn face_imports(&self) -> Imports {
        let methods = || self.receivers.iter().flat_map(|receiver| &receiver.methods);
        let data = self.receivers.iter().filter_map(|receiver| receiver.data.as_deref());
        let fields = self.receivers.iter().flat_map(|receiver| &receiver.fields).map(|field| field.output.as_str());
        let inputs = methods()
            .flat_map(|method| method.arguments.iter().chain(&method.options))
            .map(|given| given.input.as_str());
        let answers = methods().filter(|method| !method.returns_bytes).map(|method| method.answer.as_str());
        let words: BTreeSet<&str> = data
            .chain(fields)
            .chain(inputs)
            .chain(answers)
            .flat_map(|ty| ty.split(|letter: char| !letter.is_ascii_alphanumeric()))
            .collect();
        let used = |names: &[&str]| {
            names.iter().filter(|name| words.contains(*name)).map(|&name| name.to_owned()).collect::<Vec<_>>()
        };
        let public = self.public_names();
        Imports {
            abc: used(&["Mapping", "Sequence"]),
            datetime: used(&["datetime", "timedelta"]),
            typing: used(&["Any"]),
            types: used(&public.iter().map(String::as_str).collect::<Vec<_>>()),
        }
    }

    fn add_struct(&mut self, definition: &Struct, ir: &Ir) {
        if definition.role == Role::Path {
            return;
        }
        let is_class = definition.role == Role::Data;
        if definition.in_requests {
            self.shapes.push(ShapeTable {
                name: naming::screaming(&definition.name),
                class: definition.name.clone(),
                native: is_class,
                fields: definition.fields.iter().map(|field| shape_field(field, ir)).collect(),
            });
        }
        if is_class {
            let fields = members(&definition.fields, ir);
            self.classes.push(Class {
                name: definition.name.clone(),
                doc: pythonic(&definition.doc),
                text_signature: text_signature(&definition.fields),
                shape: definition.in_requests.then(|| naming::screaming(&definition.name)),
                fields,
            });
        }
    }
}

fn text_signature(fields: &[Field]) -> String {
    let (required, optional): (Vec<_>, Vec<_>) = fields.iter().partition(|field| field.required);
    let mut parts = vec!["*".to_owned()];
    parts.extend(required.iter().map(|field| field.snake_name.clone()));
    parts.extend(optional.iter().map(|field| format!("{}=None", field.snake_name)));
    format!("({})", parts.join(", "))
}

/// Documentation with the names that Python has: `max_agents` where the contract says `maxAgents`. What is inside of
/// `details` keeps the names of the wire.
fn pythonic(doc: &str) -> String {
    let mut out = String::new();
    for (index, part) in doc.split('`').enumerate() {
        if index > 0 {
            out.push('`');
        }
        let is_name = index % 2 == 1
            && part.starts_with(|letter: char| letter.is_ascii_lowercase())
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '.')
            && !part.starts_with("details.");
        out.push_str(&if is_name { naming::snake(part) } else { part.to_owned() });
    }
    out
}

fn members(fields: &[Field], ir: &Ir) -> Vec<Member> {
    fields
        .iter()
        .map(|field| Member {
            name: field.snake_name.clone(),
            wire: field.wire_name.clone(),
            doc: pythonic(&field.doc),
            output: or_none(output(&field.ty, ir), field.nullable),
            input: or_none(input(&field.ty, ir), !field.required),
            required: field.required,
        })
        .collect()
}

fn or_none(ty: String, nullable: bool) -> String {
    if nullable { format!("{ty} | None") } else { ty }
}

fn union(definition: &TaggedUnion, ir: &Ir) -> Union {
    let words = naming::snake(&definition.name);
    let noun = naming::pascal(words.rsplit('_').next().unwrap_or(&words));
    Union {
        name: definition.name.clone(),
        doc: pythonic(&definition.doc),
        tag: definition.tag.clone(),
        variants: definition
            .variants
            .iter()
            .map(|variant| UnionVariant {
                class: format!("{}{noun}", variant.name),
                rust: variant.name.clone(),
                tag_value: variant.tag_value.clone(),
                doc: pythonic(&variant.doc),
                fields: members(&variant.fields, ir),
            })
            .collect(),
        noun,
    }
}

/// The type of a value that comes out.
fn output(ty: &Type, ir: &Ir) -> String {
    match ty {
        Type::String => "str".to_owned(),
        Type::I64 | Type::I32 => "int".to_owned(),
        Type::F64 => "float".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Timestamp => "datetime".to_owned(),
        Type::Duration => "timedelta".to_owned(),
        Type::Json => "dict[str, Any]".to_owned(),
        Type::List(item) => format!("list[{}]", output(item, ir)),
        Type::Map(item) => format!("dict[str, {}]", output(item, ir)),
        Type::Page(item) => format!("Page[{}]", output(item, ir)),
        Type::Named(name) => match ir.named(name) {
            Some(TypeDefinition::Id(_)) => "str".to_owned(),
            Some(TypeDefinition::OpenEnum(_)) => format!("{name}Value"),
            _ => name.clone(),
        },
    }
}

/// The type of a value that a caller gives.
fn input(ty: &Type, ir: &Ir) -> String {
    match ty {
        Type::Timestamp => "datetime | str".to_owned(),
        Type::Duration => "Duration".to_owned(),
        Type::Json => "Mapping[str, Any]".to_owned(),
        Type::List(item) => format!("Sequence[{}]", input(item, ir)),
        Type::Map(item) => format!("Mapping[str, {}]", input(item, ir)),
        Type::Named(name) => match ir.named(name) {
            Some(TypeDefinition::Struct(_)) => format!("{name} | {name}Dict"),
            _ => output(ty, ir),
        },
        _ => output(ty, ir),
    }
}

fn shape_field(field: &Field, ir: &Ir) -> ShapeField {
    ShapeField {
        name: field.snake_name.clone(),
        wire: field.wire_name.clone(),
        kind: kind(&field.ty, ir),
        required: field.required,
    }
}

/// The expression of a `Kind`.
fn kind(ty: &Type, ir: &Ir) -> String {
    match ty {
        Type::String => "Kind::Text".to_owned(),
        Type::I64 | Type::I32 => "Kind::Integer".to_owned(),
        Type::F64 => "Kind::Number".to_owned(),
        Type::Bool => "Kind::Bool".to_owned(),
        Type::Timestamp => "Kind::Timestamp".to_owned(),
        Type::Duration => "Kind::Duration".to_owned(),
        Type::Json => "Kind::Object".to_owned(),
        Type::List(item) => format!("Kind::List(&{})", kind(item, ir)),
        Type::Map(item) => format!("Kind::Map(&{})", kind(item, ir)),
        Type::Page(item) => kind(item, ir),
        Type::Named(name) => match ir.named(name) {
            Some(TypeDefinition::Struct(_)) => format!("Kind::Struct(&{})", naming::screaming(name)),
            _ => "Kind::Text".to_owned(),
        },
    }
}

fn call_row(operation: &Operation) -> CallRow {
    let shape = |name: &Option<String>| name.as_deref().map(naming::screaming);
    CallRow {
        id: operation.id.clone(),
        path: operation.path_parameters.iter().map(|field| field.snake_name.clone()).collect(),
        query: shape(&operation.query_type),
        body: shape(&operation.body_type),
        whole: operation
            .arguments
            .iter()
            .find(|argument| argument.place == Place::WholeBody)
            .map(|argument| argument.field.snake_name.clone()),
    }
}

/// The classes with methods: the client's own, its parts, the handles and their parts.
fn receivers(ir: &Ir) -> Vec<Receiver> {
    let mut names: Vec<&str> = Vec::new();
    for operation in &ir.operations {
        if !names.contains(&operation.receiver.as_str()) {
            names.push(&operation.receiver);
        }
    }
    names.iter().map(|name| receiver(name, &names, ir)).collect()
}

fn receiver(name: &str, all: &[&str], ir: &Ir) -> Receiver {
    let operations: Vec<&Operation> = ir.operations.iter().filter(|operation| operation.receiver == name).collect();
    let methods: Vec<Method> = operations.iter().map(|operation| method(operation, ir)).collect();
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
            (naming::snake(attribute), class_of(part), part_doc(part))
        })
        .collect();
    let data = handle.map(|handle| handle.data().to_owned());
    let mut fields = match data.as_deref().and_then(|data| ir.named(data)) {
        Some(TypeDefinition::Struct(definition)) => members(&definition.fields, ir),
        _ => Vec::new(),
    };
    // A method or a part of the same name hides a field; it stays readable on `data`.
    fields.retain(|field| {
        methods.iter().all(|method| method.name != field.name) && parts.iter().all(|(name, ..)| *name != field.name)
    });
    let doc = match (kind, data.as_deref().and_then(|data| ir.named(data))) {
        ("handle", Some(TypeDefinition::Struct(definition))) => pythonic(&definition.doc),
        ("client", _) => "What the client itself can do.".to_owned(),
        ("testing", _) => "What a test does to the plane.".to_owned(),
        _ => part_doc(name),
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

fn part_doc(receiver: &str) -> String {
    match receiver.split_once('.') {
        Some((owner, part)) => format!("The {part} of one {owner}."),
        None => format!("The {receiver} of the account."),
    }
}

fn method(operation: &Operation, ir: &Ir) -> Method {
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
    let inputs: Vec<String> = arguments
        .iter()
        .chain(&options)
        .filter(|parameter| !parameter.is_path)
        .map(|parameter| format!("\"{0}\": {0}", parameter.name))
        .collect();
    let (answer, answer_is_handle) = answer(operation, ir);
    Method {
        id: operation.id.clone(),
        name: operation.snake_name.clone(),
        call_options: if arguments.iter().chain(&options).any(|parameter| parameter.name == "timeout") {
            "CallOptionsOfRun"
        } else {
            "CallOptions"
        },
        docstring: docstring(operation, arguments.iter().chain(&options)),
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
            (Reply::Events, _) => "events",
            (Reply::Empty, _) => "empty",
            (Reply::Json, Some(Type::Page(_))) => "page",
            (Reply::Json, _) => "json",
        },
        answer,
        answer_is_handle,
        refreshes: operation.refreshes_handle,
    }
}

/// The documentation of a method with what it takes, indented for the body of a method.
fn docstring<'a>(operation: &Operation, parameters: impl Iterator<Item = &'a Parameter>) -> String {
    const INDENT: &str = "        ";
    let escape = |text: &str| text.replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\"");
    let mut lines = naming::wrap(&escape(&pythonic(&operation.doc)), 105);
    let mut takes = parameters.peekable();
    if takes.peek().is_some() {
        lines.extend([String::new(), "Args:".to_owned()]);
    }
    for parameter in takes {
        let text = format!("{}: {}", parameter.name, escape(&parameter.doc));
        for (index, line) in naming::wrap(&text, 100).into_iter().enumerate() {
            lines.push(format!("    {}{line}", if index > 0 && !line.is_empty() { "    " } else { "" }));
        }
    }
    match lines.as_slice() {
        [line] => format!("\"\"\"{line}\"\"\""),
        lines => {
            let body: Vec<String> = lines.iter().map(|line| format!("{INDENT}{line}").trim_end().to_owned()).collect();
            format!("\"\"\"{}\n{INDENT}\"\"\"", body.join("\n").trim_start())
        }
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
        input: or_none(input(&field.ty, ir), !field.required),
        required: field.required,
        doc: pythonic(&field.doc),
        is_path: argument.place == Place::Path,
    }
}
