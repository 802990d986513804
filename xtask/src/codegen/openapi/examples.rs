//! The examples in the document: golden fixtures as requests and answers, errors as they arrive, and each call in the three
//! languages as the documentation of their packages has it.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Map, Value, json};
use theazo_api::{ErrorBody, ErrorCode, ErrorDetail};

use super::super::{
    examples::{fixture, map_body},
    ir::{Ir, Operation, Place, Reply, Type, TypeDefinition},
    python, rust, typescript,
};
use crate::fixtures;

/// What the renderer asks for while it goes through the operations, and what it then finds in `components`.
pub struct Examples<'a> {
    ir: &'a Ir,
    typescript: BTreeMap<String, Vec<String>>,
    python: BTreeMap<String, python::ExampleLines>,
    rust: BTreeMap<String, rust::Doctest>,
    components: BTreeMap<String, Value>,
}

impl<'a> Examples<'a> {
    pub fn new(ir: &'a Ir) -> Result<Self> {
        Ok(Self {
            ir,
            typescript: typescript::examples(ir)?,
            python: python::examples(ir)?,
            rust: rust::examples(ir)?,
            components: BTreeMap::new(),
        })
    }

    /// The value of a parameter.
    pub fn parameter(&self, operation: &Operation, place: Place, name: &str) -> Result<Option<Value>> {
        let part = if place == Place::Path { &operation.path_type } else { &operation.query_type };
        let Some(part) = part else { return Ok(None) };
        Ok(fixture(part)?.get(name).cloned())
    }

    /// The body of a request.
    pub fn request(&mut self, operation: &Operation) -> Result<Value> {
        match &operation.body_type {
            Some(body) => self.of_type(&Type::Named(body.clone())),
            None => Ok(json!({ "example": { "value": map_body(operation)? } })),
        }
    }

    /// The body of an answer, or the events of a stream: one of each kind.
    pub fn response(&mut self, operation: &Operation) -> Result<Option<Value>> {
        let Some(response) = &operation.response else { return Ok(None) };
        let on_the_wire = match response {
            Type::Page(item) if operation.bare_list => Type::List(item.clone()),
            response => response.clone(),
        };
        if operation.reply == Reply::Events { self.events(&on_the_wire) } else { self.of_type(&on_the_wire) }.map(Some)
    }

    /// The call in the three languages; none where programs in a sandbox make it.
    pub fn code_samples(&self, operation: &Operation) -> Option<Value> {
        let sample = |language: &str, lines: &[String]| json!({ "lang": language, "source": lines.join("\n") });
        Some(json!([
            sample("TypeScript", self.typescript.get(&operation.id)?),
            sample("Python", &self.python.get(&operation.id)?.sync),
            sample("Rust", &self.rust.get(&operation.id)?.lines),
        ]))
    }

    /// What the operations refer to.
    pub fn into_components(self) -> Value {
        self.components.into_iter().map(|(name, value)| (name, json!({ "value": value }))).collect::<Map<_, _>>().into()
    }

    fn of_type(&mut self, ty: &Type) -> Result<Value> {
        match ty {
            Type::Named(name) => match self.ir.named(name) {
                Some(TypeDefinition::TaggedUnion(union)) => {
                    let variants = variants(name, &union.tag)?.into_iter().map(|(tag, value)| {
                        let reference = self.component(format!("{name}.{tag}"), value);
                        (tag, reference)
                    });
                    Ok(variants.collect::<Map<_, _>>().into())
                }
                _ => {
                    let value = fixture(name)?;
                    Ok(json!({ "example": self.component(name.clone(), value) }))
                }
            },
            Type::Page(item) => {
                let name = format!("{}Page", item.named().unwrap_or_default());
                let value = json!({ "data": [self.value(item)?], "hasMore": false, "cursor": "" });
                Ok(json!({ "example": self.component(name, value) }))
            }
            Type::List(item) => {
                let name = format!("{}List", item.named().unwrap_or_default());
                let value = json!([self.value(item)?]);
                Ok(json!({ "example": self.component(name, value) }))
            }
            other => Ok(json!({ "example": { "value": self.value(other)? } })),
        }
    }

    /// The events of a stream as a reader of event streams hands them on.
    fn events(&mut self, ty: &Type) -> Result<Value> {
        let name = ty.named().unwrap_or_default().to_owned();
        let values = match self.ir.named(&name) {
            Some(TypeDefinition::TaggedUnion(union)) => variants(&name, &union.tag)?,
            _ => vec![("example".to_owned(), self.value(ty)?)],
        };
        let events = values.into_iter().map(|(tag, value)| {
            let event = json!({ "id": "17", "data": value.to_string() });
            let reference = self.component(format!("{name}.{tag}.event"), event);
            (tag, reference)
        });
        Ok(events.collect::<Map<_, _>>().into())
    }

    fn value(&self, ty: &Type) -> Result<Value> {
        Ok(match ty {
            Type::Named(name) => fixture(name)?,
            Type::Map(value) => json!({ "local": self.value(value)? }),
            // The one answer that is free JSON is this document.
            Type::Json => json!({ "openapi": "3.1.0" }),
            other => anyhow::bail!("no example of an answer that is {other:?}"),
        })
    }

    fn component(&mut self, name: String, value: Value) -> Value {
        let reference = json!({ "$ref": format!("#/components/examples/{name}") });
        self.components.entry(name).or_insert(value);
        reference
    }
}

/// The first fixture of each variant of a union, by its tag.
fn variants(name: &str, tag: &str) -> Result<Vec<(String, Value)>> {
    let mut variants: Vec<(String, Value)> = Vec::new();
    for value in fixtures::values(name)? {
        let tag = value[tag].as_str().unwrap_or_default().to_owned();
        if !variants.iter().any(|(known, _)| *known == tag) {
            variants.push((tag, value));
        }
    }
    Ok(variants)
}

/// An error answer as it arrives.
pub fn error(code: ErrorCode, message: &str, details: Value) -> Result<Value> {
    let details = if let Value::Object(details) = details { details } else { Map::new() };
    let error = ErrorDetail { code, message: message.to_owned(), details };
    Ok(serde_json::to_value(ErrorBody { error, request_id: "req_8e1c55d0fa72".to_owned() })?)
}
