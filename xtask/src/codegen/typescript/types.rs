//! The types, and the functions that make answers what their types say.

use serde::Serialize;

use super::{
    super::ir::{Choice, Field, Ir, Role, Struct, TaggedUnion, Type, TypeDefinition, Variant},
    Words, published,
};

/// A type as `types.ts` has it.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TypeText {
    Alias { name: String, doc: String, definition: String },
    Enum { name: String, doc: String, values: Vec<String> },
    Interface { name: String, doc: String, members: Vec<Member> },
}

/// A member of an interface.
#[derive(Serialize)]
pub struct Member {
    name: String,
    doc: String,
    #[serde(rename = "type")]
    ty: String,
    optional: bool,
}

pub fn types_of(definition: &TypeDefinition, words: &Words) -> Vec<TypeText> {
    let mut types = plain_types_of(definition, words);
    // Names of other versions, for whoever is used to them.
    for other in published::OTHER_MEMBERS {
        for ty in &mut types {
            if let TypeText::Interface { name, members, .. } = ty
                && name.strip_suffix("Input").unwrap_or(name) == other.owner
            {
                members.push(Member {
                    name: other.name.to_owned(),
                    doc: format!(
                        "`{}`, as published clients call it.\n\n@deprecated Use `{}`.",
                        other.ours, other.ours
                    ),
                    ty: if other.optional { format!("{} | undefined", other.ty) } else { other.ty.to_owned() },
                    optional: other.optional,
                });
            }
        }
    }
    types
}

fn plain_types_of(definition: &TypeDefinition, words: &Words) -> Vec<TypeText> {
    match definition {
        TypeDefinition::Id(id) => vec![TypeText::Alias {
            name: id.name.clone(),
            doc: format!("{} Its id starts with `{}`.", id.doc, id.prefix),
            definition: format!("string & {{ readonly [kind]?: '{}' }}", id.name),
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
                doc: format!("{} {known}\n\n{}", open.doc, values.join("\n")),
                values: open.values.iter().map(|value| value.value.clone()).collect(),
            }]
        }
        TypeDefinition::Struct(definition) if definition.role == Role::Path => Vec::new(),
        TypeDefinition::Struct(definition) => struct_forms(definition, words),
        TypeDefinition::TaggedUnion(union) => union_forms(union, words),
        TypeDefinition::Choice(choice) => choice_forms(choice, words),
    }
}

/// An interface for each variant, and the union of them; twice where requests may leave out what answers always have.
fn union_forms(union: &TaggedUnion, words: &Words) -> Vec<TypeText> {
    let both = union.in_requests && union.in_answers;
    let variant_name = |variant: &Variant, suffix: &str| format!("{}{}{suffix}", variant.name, union.name);
    let form = |suffix: &str, doc: &str, member: &dyn Fn(&Field) -> Member| {
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
                TypeText::Interface {
                    name: variant_name(variant, suffix),
                    doc: variant.doc.clone(),
                    members: std::iter::once(tag).chain(variant.fields.iter().map(member)).collect(),
                }
            })
            .collect();
        let variants: Vec<String> = union.variants.iter().map(|variant| variant_name(variant, suffix)).collect();
        types.push(TypeText::Alias {
            name: format!("{}{suffix}", union.name),
            doc: format!("{}\n\n{doc}", union.doc),
            definition: variants.join(" | "),
        });
        types
    };
    let unknown = format!(
        "One that this version does not know arrives as it came, so keep a `default` where you switch on `{}`.",
        union.tag
    );
    let request = |field: &Field| request_member(field, words);
    if !union.in_answers {
        return form("", "", &request);
    }
    let mut types = form("", &unknown, &|field| answer_member(field, both, words));
    if words.two_forms.contains(&union.name) {
        types.extend(form("Input", "This is what a request may leave out of it.", &request));
    }
    types
}

fn choice_forms(choice: &Choice, words: &Words) -> Vec<TypeText> {
    let forms: Vec<String> = choice
        .alternatives
        .iter()
        .map(|form| form.doc.replace('\n', " "))
        .filter(|doc| !doc.is_empty())
        .map(|doc| format!("- {doc}"))
        .collect();
    let alias = |suffix: &str, form: &dyn Fn(&Type) -> String| TypeText::Alias {
        name: format!("{}{suffix}", choice.name),
        doc: format!("{} One of:\n\n{}", choice.doc, forms.join("\n")),
        definition: choice.alternatives.iter().map(|alternative| form(&alternative.ty)).collect::<Vec<_>>().join(" | "),
    };
    if !choice.in_answers {
        return vec![alias("", &|ty| words.request(ty, ""))];
    }
    let mut types = vec![alias("", &|ty| words.answer(ty, ""))];
    if words.two_forms.contains(&choice.name) {
        types.push(alias("Input", &|ty| words.request(ty, "")));
    }
    types
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
    let ty = words.request_field(field, "");
    let ty = if field.patch { format!("{ty} | null") } else { ty };
    let ty = if optional && field.ty != Type::Any { format!("{ty} | undefined") } else { ty };
    let doc = if field.base64 {
        field.doc.replace("as base64", "as text, bytes or a stream of them")
    } else {
        field.doc.clone()
    };
    Member { name: field.camel_name.clone(), doc, ty, optional }
}

/// A member as an answer has it: always there, and null where there is nothing. What is in requests too stays optional, so
/// that it can be sent back as it came.
fn answer_member(field: &Field, both: bool, words: &Words) -> Member {
    let optional = field.nullable && both;
    let ty = words.answer(&field.ty, "");
    let ty = match (optional, field.nullable) {
        _ if field.ty == Type::Any => ty,
        (true, _) => format!("{ty} | undefined"),
        (false, true) => format!("{ty} | null"),
        (false, false) => ty,
    };
    Member { name: field.camel_name.clone(), doc: field.doc.clone(), ty, optional }
}

/// A function that reads one type.
#[derive(Serialize)]
pub struct Reader {
    name: String,
    lines: Vec<String>,
}

pub fn readers(ir: &Ir, words: &Words) -> Vec<Reader> {
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
                        let inner = read_fields(&variant.fields, union.in_requests && union.in_answers, words);
                        if !inner.is_empty() {
                            lines.push(format!("  case '{}':", variant.tag_value));
                            lines.extend(inner.iter().map(|line| format!("    {line}")));
                            lines.push("    break;".to_owned());
                        }
                    }
                    lines.push("}".to_owned());
                    lines
                }
                TypeDefinition::Choice(_) | TypeDefinition::OpenEnum(_) | TypeDefinition::Id(_) => Vec::new(),
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
