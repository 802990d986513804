//! The contract, read into the IR.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use schemars::{Schema, generate::SchemaSettings};
use serde_json::{Map, Value};
use theazo_api::endpoint::Description;

use super::{
    ir::{
        Argument, Field, Handle, Ir, Operation, Place, Plane, Repeat, Reply, Role, Struct, TimeClass, Type,
        TypeDefinition,
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
    let definitions = generator.take_definitions(true);

    let mut types = Vec::new();
    for (name, schema) in &definitions {
        types.extend(schema::definition(name, schema, &definitions)?);
    }
    let mut ir = Ir {
        types,
        operations: Vec::new(),
        schemas: definitions.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
    };
    for description in &descriptions {
        let operation = operation(description, &ir, &definitions)
            .with_context(|| format!("operation `{}`", description.operation.id))?;
        ir.operations.push(operation);
    }
    unique(&ir)?;
    assign_roles(&mut ir);
    Ok(ir)
}

fn operation(description: &Description, ir: &Ir, definitions: &Map<String, Value>) -> Result<Operation> {
    let declared = description.operation;
    let part = |schema: &Option<Schema>| schema.as_ref().map(part_name).transpose();
    let path_type = part(&description.path)?;
    let query_type = part(&description.query)?;
    let body_type = part(&description.body)?;
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
    let known = receiver_handle.map(Handle::path_parameter);
    if let Some(known) = known {
        ensure!(template.contains(&known), "its receiver `{receiver}` knows `{known}`, which the path does not have");
    }
    let at = |place| move |field: Field| Argument { field, place };
    let mut arguments: Vec<Argument> =
        in_path.iter().filter(|field| Some(field.wire_name.as_str()) != known).cloned().map(at(Place::Path)).collect();
    let mut options: Vec<Argument> = fields(&query_type)?.into_iter().map(at(Place::Query)).collect();
    options.extend(fields(&body_type)?.into_iter().map(at(Place::Body)));

    let mut whole_body = false;
    for positional in declared.positional {
        let found = options.iter().position(|option| option.field.wire_name == **positional);
        match (found, &body_type) {
            (Some(index), _) => arguments.push(options.remove(index)),
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
        path_type,
        query_type,
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
        ours: declared.ours,
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
        default: None,
    };
    Ok(Argument { field, place: Place::WholeBody })
}

/// Fails on two operations with the same id or the same place on the surface.
fn unique(ir: &Ir) -> Result<()> {
    let (mut ids, mut surfaces, mut routes) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for operation in &ir.operations {
        ensure!(ids.insert(&operation.id), "two operations are named `{}`", operation.id);
        let surface = (&operation.receiver, &operation.camel_name);
        ensure!(surfaces.insert(surface), "`{}` has the surface of another operation", operation.id);
        ensure!(routes.insert((operation.method, &operation.path)), "`{}` has the route of another", operation.id);
    }
    Ok(())
}

/// Says of each struct what it is used for, and whether requests or answers have it.
fn assign_roles(ir: &mut Ir) {
    let (mut paths, mut inputs) = (BTreeSet::new(), BTreeSet::new());
    let (mut requests, mut answers) = (Vec::new(), vec!["ErrorBody".to_owned(), "FieldProblem".to_owned()]);
    for operation in &ir.operations {
        paths.extend(operation.path_type.clone());
        for part in [&operation.query_type, &operation.body_type].into_iter().flatten() {
            requests.push(part.clone());
            if !operation.whole_body {
                inputs.insert(part.clone());
            }
        }
        answers.extend(operation.response.as_ref().and_then(Type::named).map(str::to_owned));
    }
    let (requests, answers) = (reachable(ir, requests), reachable(ir, answers));
    for definition in &mut ir.types {
        if let TypeDefinition::Struct(definition) = definition {
            definition.in_requests = requests.contains(&definition.name);
            definition.in_answers = answers.contains(&definition.name);
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
    let members: BTreeMap<&str, Vec<&Field>> = ir
        .types
        .iter()
        .map(|definition| {
            let fields = match definition {
                TypeDefinition::Struct(definition) => definition.fields.iter().collect(),
                TypeDefinition::TaggedUnion(union) => {
                    union.variants.iter().flat_map(|variant| &variant.fields).collect()
                }
                TypeDefinition::OpenEnum(_) | TypeDefinition::Id(_) => Vec::new(),
            };
            (definition.name(), fields)
        })
        .collect();
    let mut found = BTreeSet::new();
    while let Some(name) = from.pop() {
        if found.insert(name.clone()) {
            let fields = members.get(name.as_str()).into_iter().flatten();
            from.extend(fields.filter_map(|field| field.ty.named()).map(str::to_owned));
        }
    }
    found
}

fn reply(reply: theazo_api::Reply) -> Reply {
    match reply {
        theazo_api::Reply::Json => Reply::Json,
        theazo_api::Reply::Events => Reply::Events,
        theazo_api::Reply::Empty => Reply::Empty,
    }
}

fn time(time: theazo_api::TimeClass) -> TimeClass {
    match time {
        theazo_api::TimeClass::Request => TimeClass::Request,
        theazo_api::TimeClass::Run => TimeClass::Run,
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
        theazo_api::Plane::Test => Plane::Test,
    }
}
