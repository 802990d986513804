//! TypeScript: the types, the readers that make answers what their types say, and the classes of `theazo-node`.
//!
//! Everything that is behaviour is in the hand-written part of `theazo-node/lib`; a generated method names its operation
//! and says where its arguments go. Reading order: here how types are called, `types`, `surface` (classes), `method`, `request`, `published`.

mod example;
mod method;
mod operations;
mod published;
mod request;
mod surface;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use minijinja::context;
use serde::Serialize;

use super::{
    GeneratedFile,
    examples::{self, Example},
    ir::{ErrorClass, Field, Ir, Plane, Type, TypeDefinition},
    naming, template,
};

/// Renders the generated part of the Node package.
pub fn render(ir: &Ir) -> Result<Vec<GeneratedFile>> {
    let words = Words::new(ir);
    let mut types = Vec::new();
    for definition in &ir.types {
        types.extend(types::types_of(definition, &words));
    }
    let readers = types::readers(ir, &words);
    let of = |plane: Plane| ir.operations.iter().filter(move |operation| operation.plane == plane).collect::<Vec<_>>();
    // What programs in a sandbox use is a package of its own, without a native part.
    let (public, test) = (of(Plane::Public), of(Plane::Test));
    let examples = examples(ir)?;
    let surface = surface::Surface { words: &words, examples: &examples, operations: public }.classes(ir)?;
    let testing = surface::Surface { words: &words, examples: &examples, operations: test }.classes(ir)?;
    Ok(vec![
        file("types", "types.ts.j2", context! { types })?,
        file("errors", "errors.ts.j2", context! { errors => errors(ir) })?,
        file("known", "known.ts.j2", context! { sets => known(ir) })?,
        file("read", "read.ts.j2", context! { readers })?,
        file(
            "surface",
            "surface.ts.j2",
            context! {
                purpose => "What the client can do: a class for each part of it and for each handle.",
                imports => surface::imports(&surface),
                classes => surface,
            },
        )?,
        file(
            "testing",
            "surface.ts.j2",
            context! { purpose => "What tests do to a test plane.", imports => surface::imports(&testing), classes => testing },
        )?,
        file(
            "operations",
            "operations.ts.j2",
            context! { version => env!("CARGO_PKG_VERSION"), operations => operations::table(ir), prefixes => operations::prefixes() },
        )?,
        GeneratedFile {
            path: "theazo-node/test/generated/examples.ts".to_owned(),
            content: template::render("typescript/examples.ts.j2", context! { examples => checked(ir)? })?,
        },
    ])
}

/// The known values of an open enumeration, or the known kinds of a tagged union.
#[derive(Serialize)]
struct Known<'a> {
    name: &'a str,
    values: Vec<&'a str>,
}

/// Those that the check of a workflow needs.
const CHECKED: &[&str] = &[
    "ApprovalDefault",
    "ItemFailurePolicy",
    "RetryBackoff",
    "StepAuth",
    "StepFailurePolicy",
    "StepHttpMethod",
    "ValidationFailurePolicy",
    "WaitTimeout",
    "WorkflowFailurePolicy",
    "WorkflowStepType",
];

fn known(ir: &Ir) -> Vec<Known<'_>> {
    fn values(definition: &TypeDefinition) -> Vec<&str> {
        match definition {
            TypeDefinition::OpenEnum(open) => open.values.iter().map(|value| value.value.as_str()).collect(),
            TypeDefinition::TaggedUnion(union) => {
                union.variants.iter().map(|variant| variant.tag_value.as_str()).collect()
            }
            _ => Vec::new(),
        }
    }
    let definition =
        |name: &&'static str| ir.named(name).map(|found| Known { name: found.name(), values: values(found) });
    CHECKED.iter().filter_map(definition).collect()
}

/// A class of errors, with its code and status in its documentation.
#[derive(Serialize)]
struct Error<'a> {
    name: &'a str,
    code: &'a str,
    doc: String,
}

fn errors(ir: &Ir) -> Vec<Error<'_>> {
    let doc = |error: &ErrorClass| match error.status {
        0 => format!("{} The code is `{}`; only the client makes it.", error.doc, error.code),
        status => format!("{} The code is `{}`, the status {status}.", error.doc, error.code),
    };
    ir.errors.iter().map(|error| Error { name: &error.name, code: &error.code, doc: doc(error) }).collect()
}

/// The lines of the example of each operation that has a method, by the id of the operation.
pub fn examples(ir: &Ir) -> Result<BTreeMap<String, Vec<String>>> {
    let examples = examples::all(ir)?;
    Ok(examples.iter().map(|example| (example.operation.id.clone(), example::lines(example))).collect())
}

/// An example as a function that the type checker reads.
#[derive(Serialize)]
struct Checked {
    name: String,
    root: &'static str,
    root_type: String,
    lines: Vec<String>,
}

fn checked(ir: &Ir) -> Result<Vec<Checked>> {
    let checked = |example: &Example<'_>| Checked {
        name: naming::camel(&example.operation.id),
        root: example.root(),
        root_type: match example.root() {
            "plane" => "TestPlane".to_owned(),
            root => naming::pascal(root),
        },
        lines: example::lines(example),
    };
    Ok(examples::all(ir)?.iter().map(checked).collect())
}

fn file(name: &str, template: &str, context: minijinja::Value) -> Result<GeneratedFile> {
    let content = template::render_with(&format!("typescript/{template}"), context, |environment| {
        environment.add_filter("methoddoc", |doc: &str| {
            let doc = naming::jsdoc(doc, "  ").replace("\n   *\n   * @param", "\n   * @param");
            doc.replace("\n   *\n   * @example", "\n   * @example")
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
                        let differs = |field: &Field| {
                            field.default.is_some()
                                || is_looser_in_requests(&field.ty)
                                || names(&words.two_forms, field)
                        };
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
                        let fields = || union.variants.iter().flat_map(|variant| &variant.fields);
                        let names = |known: &BTreeSet<String>, field: &Field| {
                            field.ty.named().is_some_and(|name| known.contains(name))
                        };
                        let differs = fields().any(|field| {
                            field.default.is_some()
                                || is_looser_in_requests(&field.ty)
                                || names(&words.two_forms, field)
                        });
                        if union.in_requests && union.in_answers && differs {
                            words.two_forms.insert(union.name.clone());
                        }
                        if union.in_answers {
                            words.read.insert(union.name.clone());
                        }
                    }
                    TypeDefinition::Choice(choice) => {
                        let differs = choice
                            .alternatives
                            .iter()
                            .any(|form| form.ty.named().is_some_and(|name| words.two_forms.contains(name)));
                        if differs {
                            words.two_forms.insert(choice.name.clone());
                        }
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
            Type::String | Type::Secret | Type::Timestamp | Type::Duration => "string".to_owned(),
            Type::Any => "unknown".to_owned(),
            Type::I64 | Type::I32 | Type::F64 => "number".to_owned(),
            Type::Bool => "boolean".to_owned(),
            Type::Json => "Record<string, unknown>".to_owned(),
            Type::List(item) => list(&self.answer(item, prefix)),
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
            Type::List(item) => list(&self.request(item, prefix)),
            Type::Map(item) => format!("Record<string, {}>", self.request(item, prefix)),
            Type::Named(name) if self.two_forms.contains(name) => format!("{prefix}{name}Input"),
            other => self.answer(other, prefix),
        }
    }

    /// The type of a field as a request may have it: content of a file in every form that it can be read from.
    fn request_field(&self, field: &Field, prefix: &str) -> String {
        if field.base64 { "FileInput".to_owned() } else { self.request(&field.ty, prefix) }
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

/// Whether a request may write a value in more ways than an answer does.
fn is_looser_in_requests(ty: &Type) -> bool {
    match ty {
        Type::Duration | Type::Timestamp => true,
        Type::List(item) | Type::Map(item) => is_looser_in_requests(item),
        _ => false,
    }
}

/// A list of items; a union of types needs parentheses.
fn list(item: &str) -> String {
    if item.contains(" | ") { format!("({item})[]") } else { format!("{item}[]") }
}
