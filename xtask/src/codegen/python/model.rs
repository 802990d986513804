//! What the templates read about values: classes, enumerations, the shapes of inputs and the table of calls.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    super::{
        ir::{Choice, Field, Ir, Operation, Place, Plane, Role, Struct, TaggedUnion, Type, TypeDefinition},
        naming,
    },
    ExampleLines,
    surface::{Receiver, receivers},
    words::{given, input, or_none, output, pythonic},
};

/// Everything that the templates need, in Python's words.
#[derive(Serialize)]
pub struct Model {
    pub classes: Vec<Class>,
    pub unions: Vec<Union>,
    pub choices: Vec<ChoiceAlias>,
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
    /// Whether `repr` hides it.
    pub secret: bool,
    /// Whether there are objects in it, of which something may not be known.
    pub deep: bool,
}

#[derive(Serialize)]
pub struct Union {
    pub name: String,
    pub doc: String,
    pub tag: String,
    /// What the names of the classes end with: `Event` for `StreamEvent`, `WorkflowStep` for itself.
    pub noun: String,
    pub variants: Vec<UnionVariant>,
    /// The static with its shape, if a caller can give it.
    pub shape: Option<String>,
}

/// A value in one of several forms.
#[derive(Serialize)]
pub struct ChoiceAlias {
    pub name: String,
    pub doc: String,
    /// The variants of the Rust type.
    pub variants: Vec<String>,
    /// The types of its forms, as an answer has them and as a caller may give them.
    pub outputs: Vec<String>,
    pub inputs: Vec<String>,
    pub in_requests: bool,
}

#[derive(Serialize)]
pub struct UnionVariant {
    pub class: String,
    /// The static with its shape, if a caller can make it.
    pub shape: Option<String>,
    pub text_signature: String,
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
    /// The argument that is the whole body, and its kind.
    pub whole: Option<(String, String)>,
}

impl Model {
    pub fn new(ir: &Ir, examples: &BTreeMap<String, ExampleLines>) -> Self {
        let mut model = Self {
            classes: Vec::new(),
            unions: Vec::new(),
            choices: Vec::new(),
            enums: Vec::new(),
            texts: Vec::new(),
            shapes: Vec::new(),
            calls: ir
                .operations
                .iter()
                .filter(|call| call.plane != Plane::Bridge)
                .map(|call| call_row(call, ir))
                .collect(),
            receivers: receivers(ir, examples),
            native_names: Vec::new(),
            public_names: Vec::new(),
        };
        for definition in &ir.types {
            match definition {
                TypeDefinition::Struct(definition) => model.add_struct(definition, ir),
                TypeDefinition::TaggedUnion(definition) => model.add_union(definition, ir),
                TypeDefinition::Choice(definition) => model.choices.push(choice(definition, ir)),
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
        names.extend(["Compute", "Duration", "NULL"].map(str::to_owned));
        names.extend(self.enums.iter().map(|definition| definition.name.clone()));
        names.sort();
        names
    }

    /// The names of types in signatures, without `Duration`.
    fn type_names(&self) -> Vec<String> {
        let mut names = self.native_names();
        names.extend(self.enums.iter().map(|definition| format!("{}Value", definition.name)));
        for union in &self.unions {
            names.push(union.name.clone());
            if union.shape.is_some() {
                names.push(format!("{}Input", union.name));
                names.extend(union.variants.iter().map(|variant| format!("{}Dict", variant.class)));
            }
        }
        for choice in &self.choices {
            names.push(choice.name.clone());
            names.extend(choice.in_requests.then(|| format!("{}Input", choice.name)));
        }
        names.push("Null".to_owned());
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

    fn add_union(&mut self, definition: &TaggedUnion, ir: &Ir) {
        let union = union(definition, ir);
        for (variant, read) in union.variants.iter().zip(&definition.variants) {
            if let Some(name) = &variant.shape {
                self.shapes.push(ShapeTable {
                    name: name.clone(),
                    class: variant.class.clone(),
                    native: false,
                    fields: read.fields.iter().map(|field| shape_field(field, ir)).collect(),
                });
            }
        }
        self.unions.push(union);
    }
}

fn text_signature(fields: &[Field]) -> String {
    let (required, optional): (Vec<_>, Vec<_>) = fields.iter().partition(|field| field.required);
    // Only what has names to take can take them by name alone.
    let mut parts: Vec<String> = fields.first().map(|_| "*".to_owned()).into_iter().collect();
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
            input: given(field, ir),
            required: field.required,
            secret: holds_secrets(&field.ty, ir),
            deep: holds_objects(&field.ty, ir),
        })
        .collect()
}

/// Whether there are objects with known members in a value of this type.
fn holds_objects(ty: &Type, ir: &Ir) -> bool {
    ty.named()
        .is_some_and(|name| !matches!(ir.named(name), Some(TypeDefinition::Id(_) | TypeDefinition::OpenEnum(_)) | None))
}

/// Whether a field shows secrets itself; a class inside of it hides its own.
fn holds_secrets(ty: &Type, ir: &Ir) -> bool {
    match ty {
        Type::Secret => true,
        Type::List(item) | Type::Map(item) => holds_secrets(item, ir),
        Type::Named(name) => match ir.named(name) {
            Some(TypeDefinition::Choice(choice)) => choice.alternatives.iter().any(|form| holds_secrets(&form.ty, ir)),
            _ => false,
        },
        _ => false,
    }
}

fn union(definition: &TaggedUnion, ir: &Ir) -> Union {
    // A stream's events are events.
    let noun = definition.name.replace("Stream", "");
    let class_of = |variant: &str| format!("{variant}{noun}");
    let variants = definition.variants.iter().map(|variant| {
        let class = class_of(&variant.name);
        UnionVariant {
            shape: definition.in_requests.then(|| naming::screaming(&class)),
            text_signature: text_signature(&variant.fields),
            class,
            rust: variant.name.clone(),
            tag_value: variant.tag_value.clone(),
            doc: pythonic(&variant.doc),
            fields: members(&variant.fields, ir),
        }
    });
    Union {
        name: definition.name.clone(),
        doc: pythonic(&definition.doc),
        tag: definition.tag.clone(),
        variants: variants.collect(),
        shape: definition.in_requests.then(|| naming::screaming(&definition.name)),
        noun,
    }
}

fn choice(definition: &Choice, ir: &Ir) -> ChoiceAlias {
    let forms = || definition.alternatives.iter();
    ChoiceAlias {
        name: definition.name.clone(),
        doc: pythonic(&definition.doc),
        variants: forms().map(|form| form.name.clone()).collect(),
        outputs: forms().map(|form| output(&form.ty, ir)).collect(),
        inputs: forms().map(|form| input(&form.ty, ir).replace(" | ", ", ")).collect(),
        in_requests: definition.in_requests,
    }
}

fn shape_field(field: &Field, ir: &Ir) -> ShapeField {
    ShapeField {
        name: field.snake_name.clone(),
        wire: field.wire_name.clone(),
        kind: match kind(&field.ty, ir) {
            kind if field.patch => format!("Kind::Patch(&{kind})"),
            kind => kind,
        },
        required: field.required,
    }
}

/// The expression of a `Kind`.
fn kind(ty: &Type, ir: &Ir) -> String {
    match ty {
        Type::String | Type::Secret => "Kind::Text".to_owned(),
        Type::Any => "Kind::Any".to_owned(),
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
            Some(TypeDefinition::TaggedUnion(_)) => format!("Kind::Union(&{})", naming::screaming(name)),
            Some(TypeDefinition::Choice(choice)) => {
                let kinds: Vec<String> = choice.alternatives.iter().map(|form| kind(&form.ty, ir)).collect();
                format!("Kind::Choice(&[{}])", kinds.join(", "))
            }
            _ => "Kind::Text".to_owned(),
        },
    }
}

fn call_row(operation: &Operation, ir: &Ir) -> CallRow {
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
            .map(|argument| (argument.field.snake_name.clone(), kind(&argument.field.ty, ir))),
    }
}
