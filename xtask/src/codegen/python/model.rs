//! What the templates read about values: classes, enumerations, the shapes of inputs and the table of calls.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    super::{
        ir::{Field, Ir, Operation, Place, Role, Struct, TaggedUnion, Type, TypeDefinition},
        naming,
    },
    surface::{Receiver, receivers},
    words::{input, or_none, output, pythonic},
};

/// Everything that the templates need, in Python's words.
#[derive(Serialize)]
pub struct Model {
    pub classes: Vec<Class>,
    pub unions: Vec<Union>,
    pub enums: Vec<EnumClass>,
    /// Types that are plain text in Python: ids and open enumerations.
    pub texts: Vec<String>,
    pub shapes: Vec<ShapeTable>,
    pub calls: Vec<CallRow>,
    /// The client, its parts, handles and their parts.
    pub receivers: Vec<Receiver>,
    /// What `types.py` takes from the native module.
    pub native_names: Vec<String>,
    /// What `types.py` has.
    pub public_names: Vec<String>,
}

/// What a face imports for its signatures, by module.
#[derive(Serialize)]
pub struct Imports {
    pub abc: Vec<String>,
    pub datetime: Vec<String>,
    pub typing: Vec<String>,
    pub types: Vec<String>,
}

#[derive(Serialize)]
pub struct Class {
    pub name: String,
    pub doc: String,
    pub fields: Vec<Member>,
    /// The static with its shape, if it can be made by a caller.
    pub shape: Option<String>,
    /// The arguments of the constructor as documentation shows them.
    pub text_signature: String,
}

#[derive(Serialize)]
pub struct Member {
    pub name: String,
    pub wire: String,
    pub doc: String,
    /// The type as an answer has it.
    pub output: String,
    /// The type as a caller may give it.
    pub input: String,
    pub required: bool,
}

#[derive(Serialize)]
pub struct Union {
    pub name: String,
    pub doc: String,
    pub tag: String,
    /// The last word of the name, which ends the names of the classes: `Event`.
    pub noun: String,
    pub variants: Vec<UnionVariant>,
}

#[derive(Serialize)]
pub struct UnionVariant {
    pub class: String,
    /// The variant in `theazo-api`.
    pub rust: String,
    pub tag_value: String,
    pub doc: String,
    pub fields: Vec<Member>,
}

#[derive(Serialize)]
pub struct EnumClass {
    pub name: String,
    pub doc: String,
    pub values: Vec<EnumConstant>,
}

#[derive(Serialize)]
pub struct EnumConstant {
    pub name: String,
    pub value: String,
    pub doc: String,
}

#[derive(Serialize)]
pub struct ShapeTable {
    /// The name of the static.
    pub name: String,
    pub class: String,
    /// Whether there is a class for it.
    pub native: bool,
    pub fields: Vec<ShapeField>,
}

#[derive(Serialize)]
pub struct ShapeField {
    pub name: String,
    pub wire: String,
    /// The expression of its `Kind`.
    pub kind: String,
    pub required: bool,
}

#[derive(Serialize)]
pub struct CallRow {
    pub id: String,
    pub path: Vec<String>,
    pub query: Option<String>,
    pub body: Option<String>,
    /// The argument that is the whole body.
    pub whole: Option<String>,
}

impl Model {
    pub fn new(ir: &Ir) -> Self {
        let mut model = Self {
            classes: Vec::new(),
            unions: Vec::new(),
            enums: Vec::new(),
            texts: Vec::new(),
            shapes: Vec::new(),
            calls: ir.operations.iter().map(call_row).collect(),
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
    pub fn face_imports(&self) -> Imports {
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

pub fn members(fields: &[Field], ir: &Ir) -> Vec<Member> {
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
