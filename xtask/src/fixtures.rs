//! Golden fixtures: `theazo-api/fixtures/TYPE.json` lists values of a type as they stand on the wire. The tests of every
//! language read them, and they are the examples in `openapi.json`.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::{
    codegen::{
        ir::{Field, Ir, Type, TypeDefinition},
        read,
    },
    repository,
};

/// The path of a type's fixture, relative to the root.
pub fn path(name: &str) -> String {
    format!("theazo-api/fixtures/{name}.json")
}

/// The values that a type's fixture lists; none if there is no fixture yet.
pub fn values(name: &str) -> Result<Vec<Value>> {
    match fs::read_to_string(repository::root().join(path(name))) {
        Ok(text) => serde_json::from_str(&text).with_context(|| path(name)),
        Err(_) => Ok(Vec::new()),
    }
}

/// Writes a fixture to start from for each type that has none. Make its values realistic before you commit it.
pub fn write_missing() -> Result<()> {
    let ir = read::contract()?;
    for definition in &ir.types {
        let name = definition.name();
        let full = repository::root().join(path(name));
        if matches!(definition, TypeDefinition::Id(_)) || full.exists() {
            continue;
        }
        let text = serde_json::to_string_pretty(&samples(definition, &ir, 0))? + "\n";
        fs::write(&full, text).with_context(|| format!("cannot write {}", path(name)))?;
        println!("wrote {}: make its values realistic", path(name));
    }
    Ok(())
}

/// Values that the type reads and writes unchanged: all of an enumeration, one for each variant of a union.
fn samples(definition: &TypeDefinition, ir: &Ir, depth: usize) -> Vec<Value> {
    match definition {
        TypeDefinition::Struct(definition) => vec![object(&definition.fields, ir, depth).into()],
        TypeDefinition::OpenEnum(definition) => definition.values.iter().map(|value| json!(value.value)).collect(),
        TypeDefinition::Id(id) => vec![json!(format!("{}a1b2c3", id.prefix))],
        TypeDefinition::Choice(choice) => {
            choice.alternatives.iter().map(|alternative| sample(&alternative.ty, ir, depth)).collect()
        }
        TypeDefinition::TaggedUnion(union) => union
            .variants
            .iter()
            // Deeper down one variant is enough, and the first is none that holds others.
            .take(if depth == 0 { usize::MAX } else { 1 })
            .map(|variant| {
                let mut members = Map::from_iter([(union.tag.clone(), json!(variant.tag_value))]);
                members.extend(object(&variant.fields, ir, depth));
                members.into()
            })
            .collect(),
    }
}

/// How deep samples are nested: a step of a workflow can have steps.
const DEEPEST: usize = 4;

fn object(fields: &[Field], ir: &Ir, depth: usize) -> Map<String, Value> {
    let shown = fields.iter().filter(|field| depth < DEEPEST || field.required);
    shown.map(|field| (field.wire_name.clone(), sample(&field.ty, ir, depth + 1))).collect()
}

fn sample(ty: &Type, ir: &Ir, depth: usize) -> Value {
    match ty {
        Type::String | Type::Secret => json!("text"),
        Type::Any => json!({ "any": ["thing", 1] }),
        Type::List(_) if depth > DEEPEST => json!([]),
        Type::I64 | Type::I32 => json!(1),
        Type::F64 => json!(0.5),
        Type::Bool => json!(true),
        Type::Timestamp => json!("2026-11-24T09:00:00.000Z"),
        Type::Duration => json!("90000ms"),
        Type::Json => json!({ "any": ["thing", 1] }),
        Type::List(item) => json!([sample(item, ir, depth)]),
        Type::Map(value) => json!({ "name": sample(value, ir, depth) }),
        Type::Page(item) => json!({ "data": [sample(item, ir, depth)], "hasMore": false, "cursor": "" }),
        Type::Named(name) => {
            ir.named(name).and_then(|definition| samples(definition, ir, depth).into_iter().next()).into()
        }
    }
}
