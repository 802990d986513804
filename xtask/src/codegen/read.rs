//! The contract, read into the IR.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use schemars::{Schema, generate::SchemaSettings};
use serde_json::{Map, Value};
use theazo_api::endpoint::Description;

use super::{
    ir::{
        Access, Argument, Choice, EnumValue, ErrorClass, Field, Handle, Ir, Operation, Part, Place, Plane, Repeat,
        Reply, Role, Struct, TaggedUnion, TimeClass, Type, TypeDefinition,
    },
    naming, schema,
};

/// Reads the whole contract.
pub fn contract() -> Result<Ir> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let descriptions = theazo_api::describe(&mut generator);
    // No operation names these, but answers have them.
    generator.subschema_for::<theazo_api::ErrorBody>();
    generator.subschema_for::<theazo_api::FieldProblem>();
    generator.subschema_for::<theazo_api::WebhookEvent>();
    let definitions = generator.take_definitions(true);

    let mut types = Vec::new();
    for (name, schema) in &definitions {
        types.extend(schema::definition(name, schema, &definitions)?);
    }
    let errors = errors(&types);
    let mut ir = Ir {
        types,
        errors,
        operations: Vec::new(),
        parts: theazo_api::PARTS
            .iter()
            .map(|&(receiver, doc)| Part { receiver: receiver.into(), doc: doc.into() })
            .collect(),
        schemas: definitions.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
    };
    for description in &descriptions {
        let operation = operation(description, &ir, &definitions)
            .with_context(|| format!("operation `{}`", description.operation.id))?;
        ir.operations.push(operation);
    }
    unique(&ir)?;
    parts(&ir)?;
    assign_roles(&mut ir);
    Ok(ir)
}

/// The class of each error code.
fn errors(types: &[TypeDefinition]) -> Vec<ErrorClass> {
    let codes = types.iter().find_map(|definition| match definition {
        TypeDefinition::OpenEnum(codes) if codes.name == "ErrorCode" => Some(&codes.values),
        _ => None,
    });
    let class = |code: &EnumValue| ErrorClass {
        code: code.value.clone(),
        name: naming::error_class(&code.value),
        doc: code.doc.clone(),
        status: theazo_api::ErrorCode::from(code.value.as_str()).status(),
    };
    codes.into_iter().flatten().map(class).collect()
}

fn operation(description: &Description, ir: &Ir, definitions: &Map<String, Value>) -> Result<Operation> {
    let declared = description.operation;
    let part = |schema: &Option<Schema>| schema.as_ref().map(part_name).transpose();
    let path_type = part(&description.path)?;
    let query_type = part(&description.query)?;
    // A body that is a map of the user's own names is no struct, and so has no name.
    let map_body = match &description.body {
        Some(schema) if schema.get("$ref").is_none() => {
            Some(schema::type_of("its body", schema.as_value(), definitions)?.0)
        }
        _ => None,
    };
    let body_type = if map_body.is_some() { None } else { part(&description.body)? };
    let fields = |name: &Option<String>| name.as_ref().map_or(Ok(Vec::new()), |name| fields_of(ir, name));

    let in_path = fields(&path_type)?;
    let template: Vec<&str> = declared.path_parameters().collect();
    ensure!(
        template == in_path.iter().map(|field| field.wire_name.as_str()).collect::<Vec<_>>(),
        "its path `{}` does not have the fields of `{}` in their order",
        declared.path,
        path_type.as_deref().unwrap_or("()")
    );

    let (receiver, name) = declared.receiver_and_name();
    let root = receiver.split('.').next().unwrap_or_default();
    let receiver_handle = Handle::ALL.into_iter().find(|handle| handle.receiver() == root);
    // What a session's chat does is asked of the conversation: then the path has nothing that the receiver knows.
    let known = receiver_handle.map(Handle::path_parameter).filter(|known| template.contains(known));
    let at = |place| move |field: Field| Argument { field, place };
    let mut arguments: Vec<Argument> =
        in_path.iter().filter(|field| Some(field.wire_name.as_str()) != known).cloned().map(at(Place::Path)).collect();
    let mut options: Vec<Argument> = fields(&query_type)?.into_iter().map(at(Place::Query)).collect();
    options.extend(fields(&body_type)?.into_iter().map(at(Place::Body)));
    let (filled, mut options): (Vec<_>, Vec<_>) =
        options.into_iter().partition(|option| declared.fills.contains(&option.field.wire_name.as_str()));
    ensure!(filled.len() == declared.fills.len(), "it fills a field that neither its query nor its body has");
    ensure!(filled.is_empty() || receiver_handle.is_some(), "its receiver has no data to fill fields from");

    let mut whole_body = false;
    for positional in declared.positional {
        let found = options.iter().position(|option| option.field.wire_name == **positional);
        match (found, &body_type) {
            (Some(index), _) => arguments.push(options.remove(index)),
            (None, None) if map_body.is_some() => {
                whole_body = true;
                let ty = map_body.clone().expect("it was just seen");
                arguments.push(map_body_argument(positional, declared.body_doc, ty)?);
            }
            (None, Some(body)) if declared.positional.len() == 1 => {
                whole_body = true;
                options.retain(|option| option.place != Place::Body);
                arguments.push(whole_body_argument(positional, body, ir)?);
            }
            (None, _) => bail!("the positional `{positional}` is no field of its query or body"),
        }
    }
    // What must be given is an argument, also where the contract does not say so.
    let (required, options): (Vec<_>, Vec<_>) = options.into_iter().partition(|option| option.field.required);
    arguments.extend(required);
    let mut names = BTreeSet::new();
    for argument in arguments.iter().chain(&options) {
        ensure!(names.insert(&argument.field.wire_name), "two arguments are named `{}`", argument.field.wire_name);
    }

    let response = match &description.response {
        Some(schema) => Some(schema::type_of("its response", schema.as_value(), definitions)?.0),
        None => None,
    };
    let (reply, plane) = (reply(declared.reply), plane(declared.plane));
    ensure!((reply == Reply::Empty) == response.is_none(), "`Reply::Empty` and no response go together");
    ensure!(map_body.is_none() || whole_body, "a body that is a map is named by `positional`");
    ensure!(
        !declared.bare_list || matches!(response, Some(Type::Page(_))),
        "only a page can stand on the wire as its items alone"
    );
    let handle_named = |ty: &Type| match ty {
        Type::Named(name) => Handle::ALL.into_iter().find(|handle| handle.data() == name),
        _ => None,
    };
    let returns_handle = response.as_ref().and_then(handle_named);
    let page_of_handle =
        response.as_ref().and_then(|ty| if let Type::Page(item) = ty { handle_named(item) } else { None });

    Ok(Operation {
        id: declared.id.to_owned(),
        doc: naming::clean_doc(declared.doc),
        summary: naming::clean_doc(&declared.summary()),
        method: declared.method.as_str(),
        path: declared.path.to_owned(),
        path_parameters: in_path,
        receiver: receiver.to_owned(),
        receiver_handle,
        camel_name: name.to_owned(),
        snake_name: naming::snake(name),
        arguments,
        options,
        filled,
        path_type,
        query_type,
        has_body: description.body.is_some(),
        body_type,
        whole_body,
        response,
        returns_handle,
        page_of_handle,
        refreshes_handle: returns_handle.is_some_and(|handle| handle.receiver() == receiver),
        reply,
        status: declared.status,
        time: time(declared.time),
        repeat: repeat(declared.repeat),
        ends_with_caller: declared.ends_with_caller,
        farewell: declared.farewell.to_owned(),
        last_events: declared.last_events.iter().map(|&event| event.to_owned()).collect(),
        ours: declared.ours,
        planned: declared.planned,
        access: access(declared.access),
        older: declared.older.iter().map(|(method, path)| (method.as_str().to_owned(), (*path).to_owned())).collect(),
        bare_list: declared.bare_list,
        plane,
        strict: declared.strict.iter().map(|&field| field.to_owned()).collect(),
        planned_fields: declared.planned_fields.iter().map(|&field| field.to_owned()).collect(),
    })
}

/// The struct that a path, query or body is.
fn part_name(schema: &Schema) -> Result<String> {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|target| target.strip_prefix("#/$defs/"))
        .map(str::to_owned)
        .with_context(|| format!("a path, query or body is not a struct with a name, but {}", schema.as_value()))
}

fn fields_of(ir: &Ir, name: &str) -> Result<Vec<Field>> {
    match ir.named(name) {
        Some(TypeDefinition::Struct(Struct { fields, .. })) => Ok(fields.clone()),
        _ => bail!("`{name}` is not a struct"),
    }
}

/// The one positional argument that is the body itself.
fn whole_body_argument(name: &str, body: &str, ir: &Ir) -> Result<Argument> {
    let Some(TypeDefinition::Struct(Struct { doc, .. })) = ir.named(body) else { bail!("`{body}` is not a struct") };
    let field = Field {
        wire_name: name.to_owned(),
        snake_name: naming::snake(name),
        camel_name: name.to_owned(),
        doc: doc.clone(),
        ty: Type::Named(body.to_owned()),
        required: true,
        nullable: false,
        patch: false,
        default: None,
        base64: false,
    };
    Ok(Argument { field, place: Place::WholeBody })
}

/// The one positional argument that is a body without a struct.
fn map_body_argument(name: &str, doc: &str, ty: Type) -> Result<Argument> {
    ensure!(matches!(ty, Type::Map(_) | Type::Json), "a body is a struct or a map");
    ensure!(!doc.is_empty(), "a body that is a map needs `body_doc`");
    let field = Field {
        wire_name: name.to_owned(),
        snake_name: naming::snake(name),
        camel_name: name.to_owned(),
        doc: doc.to_owned(),
        ty,
        required: true,
        nullable: false,
        patch: false,
        default: None,
        base64: false,
    };
    Ok(Argument { field, place: Place::WholeBody })
}

/// Fails on a receiver that no part describes, and on a part without methods.
fn parts(ir: &Ir) -> Result<()> {
    let mut described: BTreeSet<&str> = ir.parts.iter().map(|part| part.receiver.as_str()).collect();
    for operation in ir.operations.iter().filter(|operation| operation.plane == Plane::Public) {
        let receiver = operation.receiver.as_str();
        let is_handle = Handle::ALL.iter().any(|handle| handle.receiver() == receiver);
        ensure!(
            receiver.is_empty() || is_handle || ir.parts.iter().any(|part| part.receiver == receiver),
            "`{}` has the receiver `{receiver}`, which `theazo_api::PARTS` does not describe",
            operation.id
        );
        described.remove(receiver);
    }
    ensure!(described.is_empty(), "`theazo_api::PARTS` describes what has no methods: {described:?}");
    Ok(())
}

/// Fails on two operations with the same id or the same place on the surface.
fn unique(ir: &Ir) -> Result<()> {
    let (mut ids, mut surfaces, mut routes) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for operation in &ir.operations {
        ensure!(ids.insert(&operation.id), "two operations are named `{}`", operation.id);
        let surface = (&operation.receiver, &operation.camel_name);
        ensure!(surfaces.insert(surface), "`{}` has the surface of another operation", operation.id);
        let routes_of = std::iter::once((operation.method, operation.path.as_str()))
            .chain(operation.older.iter().map(|(method, path)| (method.as_str(), path.as_str())));
        for (method, path) in routes_of {
            let free = routes.insert((method.to_owned(), path.to_owned()));
            ensure!(free, "`{}` has the route of another", operation.id);
        }
    }
    Ok(())
}

/// Says of each struct what it is used for, and whether requests or answers have it.
fn assign_roles(ir: &mut Ir) {
    let (mut paths, mut inputs) = (BTreeSet::new(), BTreeSet::new());
    let unnamed = ["ErrorBody", "FieldProblem", "WebhookEvent"];
    let (mut requests, mut answers) = (Vec::new(), unnamed.map(str::to_owned).to_vec());
    for operation in &ir.operations {
        paths.extend(operation.path_type.clone());
        for part in [&operation.query_type, &operation.body_type].into_iter().flatten() {
            // What a program in a sandbox sends is no argument of any language.
            if operation.plane != Plane::Bridge {
                requests.push(part.clone());
            }
            if !operation.whole_body {
                inputs.insert(part.clone());
            }
        }
        answers.extend(operation.response.as_ref().and_then(Type::named).map(str::to_owned));
    }
    let (requests, answers) = (reachable(ir, requests), reachable(ir, answers));
    for definition in &mut ir.types {
        match definition {
            TypeDefinition::Struct(Struct { name, in_requests, in_answers, .. })
            | TypeDefinition::TaggedUnion(TaggedUnion { name, in_requests, in_answers, .. })
            | TypeDefinition::Choice(Choice { name, in_requests, in_answers, .. }) => {
                *in_requests = requests.contains(name);
                *in_answers = answers.contains(name);
            }
            TypeDefinition::OpenEnum(_) | TypeDefinition::Id(_) => {}
        }
        if let TypeDefinition::Struct(definition) = definition {
            if paths.contains(&definition.name) {
                definition.role = Role::Path;
            } else if inputs.contains(&definition.name) {
                definition.role = Role::Input;
            }
        }
    }
}

/// The named types that can be reached from these.
fn reachable(ir: &Ir, mut from: Vec<String>) -> BTreeSet<String> {
    let members: BTreeMap<&str, Vec<&Type>> =
        ir.types.iter().map(|definition| (definition.name(), definition.parts())).collect();
    let mut found = BTreeSet::new();
    while let Some(name) = from.pop() {
        if found.insert(name.clone()) {
            let parts = members.get(name.as_str()).into_iter().flatten();
            from.extend(parts.filter_map(|ty| ty.named()).map(str::to_owned));
        }
    }
    found
}

fn reply(reply: theazo_api::Reply) -> Reply {
    match reply {
        theazo_api::Reply::Json => Reply::Json,
        theazo_api::Reply::Events => Reply::Events,
        theazo_api::Reply::Socket => Reply::Socket,
        theazo_api::Reply::Empty => Reply::Empty,
    }
}

fn time(time: theazo_api::TimeClass) -> TimeClass {
    match time {
        theazo_api::TimeClass::Request => TimeClass::Request,
        theazo_api::TimeClass::Run => TimeClass::Run,
        theazo_api::TimeClass::Wait => TimeClass::Wait,
        theazo_api::TimeClass::Stream => TimeClass::Stream,
    }
}

fn repeat(repeat: theazo_api::Repeat) -> Repeat {
    match repeat {
        theazo_api::Repeat::Safe => Repeat::Safe,
        theazo_api::Repeat::Idempotent => Repeat::Idempotent,
        theazo_api::Repeat::Keyed => Repeat::Keyed,
    }
}

fn plane(plane: theazo_api::Plane) -> Plane {
    match plane {
        theazo_api::Plane::Public => Plane::Public,
        theazo_api::Plane::Bridge => Plane::Bridge,
        theazo_api::Plane::Test => Plane::Test,
    }
}

fn access(access: theazo_api::Access) -> Access {
    match access {
        theazo_api::Access::Key => Access::Key,
        theazo_api::Access::Open => Access::Open,
        theazo_api::Access::Id => Access::Id,
        theazo_api::Access::Signature => Access::Signature,
        theazo_api::Access::Sandbox => Access::Sandbox,
    }
}
