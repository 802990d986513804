//! One JSON Schema read as the small dialect that all languages share. Anything else is an error that names the place.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

use super::{
    ir::{
        Alternative, Choice, EnumValue, Field, Handle, Id, OpenEnum, Role, Struct, TaggedUnion, Type, TypeDefinition,
        Variant,
    },
    naming,
};

/// The members that every schema of the dialect may have beside those that its form reads.
const ANNOTATIONS: &[&str] =
    &["description", "examples", "default", "title", "deprecated", "contentEncoding", "x-theazo-patch"];

/// Reads a named type, or none for those that are a [`Type`] of their own: pages, timestamps and durations.
pub fn definition(name: &str, schema: &Value, definitions: &Map<String, Value>) -> Result<Option<TypeDefinition>> {
    if own_type(name, schema, definitions)?.is_some() {
        return Ok(None);
    }
    let object = object(schema).with_context(|| format!("`{name}`"))?;
    let doc = doc(object);
    let name = name.to_owned();
    if let Some(prefix) = object.get("x-theazo-id") {
        let prefix = prefix.as_str().with_context(|| format!("`{name}`: `x-theazo-id` is not text"))?.to_owned();
        return Ok(Some(TypeDefinition::Id(Id { name, prefix, doc })));
    }
    if let Some(values) = object.get("x-theazo-enum") {
        let values = enum_values(values).with_context(|| format!("`{name}`"))?;
        return Ok(Some(TypeDefinition::OpenEnum(OpenEnum { name, doc, values })));
    }
    if let Some(described) = object.get("x-theazo-choice") {
        let alternatives = alternatives_of(&name, described, object.get("anyOf"), definitions)?;
        let choice = Choice { name, doc, alternatives, in_requests: false, in_answers: false };
        return Ok(Some(TypeDefinition::Choice(choice)));
    }
    if let Some(variants) = object.get("oneOf").or_else(|| object.get("anyOf")) {
        let (tag, variants) = variants_of(&name, variants, definitions)?;
        let union = TaggedUnion { name, doc, tag, variants, in_requests: false, in_answers: false };
        return Ok(Some(TypeDefinition::TaggedUnion(union)));
    }
    let fields = fields(&name, object, None, definitions)?;
    let handle = Handle::ALL.into_iter().find(|handle| handle.data() == name);
    Ok(Some(TypeDefinition::Struct(Struct {
        name,
        doc,
        fields,
        role: Role::Data,
        handle,
        in_requests: false,
        in_answers: false,
    })))
}

/// Reads the type of an answer, an item or a field. The second value says whether null is allowed.
pub fn type_of(place: &str, schema: &Value, definitions: &Map<String, Value>) -> Result<(Type, bool)> {
    if schema == &Value::Bool(true) {
        return Ok((Type::Any, false));
    }
    let schema = object(schema).with_context(|| place.to_owned())?;
    if schema.keys().all(|key| ANNOTATIONS.contains(&key.as_str())) {
        return Ok((Type::Any, false));
    }
    if let Some(target) = schema.get("$ref") {
        only(place, schema, &["$ref"])?;
        return Ok((reference(place, target, definitions)?, false));
    }
    if let Some(Value::Array(choices)) = schema.get("anyOf") {
        only(place, schema, &["anyOf"])?;
        let [choice, null] = choices.as_slice() else {
            bail!("{place}: a union without a name; only `Option` may be one");
        };
        ensure!(null.get("type") == Some(&"null".into()), "{place}: a union without a name; only `Option` may be one");
        return Ok((type_of(place, choice, definitions)?.0, true));
    }
    let (kind, nullable) = match schema.get("type") {
        Some(Value::String(kind)) => (kind.as_str(), false),
        Some(Value::Array(kinds)) => match kinds.as_slice() {
            [Value::String(kind), Value::String(null)] if null == "null" => (kind.as_str(), true),
            _ => bail!("{place}: more than one type: {}", Value::Array(kinds.clone())),
        },
        _ => bail!("{place}: no type; a value of any kind is outside the dialect, use a map of JSON"),
    };
    let format = schema.get("format").and_then(Value::as_str);
    let ty = match (kind, format) {
        ("string", None) => {
            only(place, schema, &["type"])?;
            Type::String
        }
        ("string", Some("password")) => {
            only(place, schema, &["type", "format"])?;
            Type::Secret
        }
        ("boolean", None) => {
            only(place, schema, &["type"])?;
            Type::Bool
        }
        ("integer", Some("int64")) => {
            only(place, schema, &["type", "format"])?;
            Type::I64
        }
        ("integer", Some("int32")) => {
            only(place, schema, &["type", "format"])?;
            Type::I32
        }
        ("number", Some("double")) => {
            only(place, schema, &["type", "format"])?;
            Type::F64
        }
        ("array", None) => {
            only(place, schema, &["type", "items"])?;
            let items = schema.get("items").with_context(|| format!("{place}: an array of anything"))?;
            let (item, nullable) = type_of(&format!("{place}[]"), items, definitions)?;
            ensure!(!nullable, "{place}: the items of a list may not be null");
            Type::List(Box::new(item))
        }
        ("object", None) => {
            only(place, schema, &["type", "additionalProperties"])?;
            match schema.get("additionalProperties") {
                Some(Value::Bool(true)) => Type::Json,
                Some(values @ Value::Object(_)) => {
                    let (value, nullable) = type_of(&format!("{place}{{}}"), values, definitions)?;
                    ensure!(!nullable, "{place}: the values of a map may not be null");
                    Type::Map(Box::new(value))
                }
                _ => bail!("{place}: an object without a name"),
            }
        }
        (kind, format) => {
            bail!("{place}: `{kind}` with format `{}`; wire numbers are i64, i32 or f64", format.unwrap_or("none"))
        }
    };
    Ok((ty, nullable))
}

/// Reads the fields of an object, without the one that is its tag.
pub fn fields(
    name: &str,
    schema: &Map<String, Value>,
    tag: Option<&str>,
    definitions: &Map<String, Value>,
) -> Result<Vec<Field>> {
    only(&format!("`{name}`"), schema, &["type", "properties", "required"])?;
    ensure!(schema.get("type") == Some(&"object".into()), "`{name}` is not an object, an enumeration or an id");
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties
        .filter(|(wire_name, _)| Some(wire_name.as_str()) != tag)
        .map(|(wire_name, property)| {
            let place = format!("`{name}.{wire_name}`");
            let snake_name = naming::snake(wire_name);
            ensure!(naming::camel(&snake_name) == *wire_name, "{place} is not camelCase");
            let (ty, nullable) = type_of(&place, property, definitions)?;
            let default = property.get("default").filter(|default| !default.is_null()).cloned();
            let required = required.contains(&wire_name.as_str());
            let patch = property.get("x-theazo-patch").is_some();
            ensure!(!patch || (nullable && !required), "{place} is a `Patch` that may not be absent");
            let encoding = property.get("contentEncoding");
            ensure!(
                encoding.is_none_or(|encoding| encoding == "base64" && ty == Type::String),
                "{place} is encoded in a way that no language reads; bytes are text with `base64`"
            );
            ensure!(
                required || nullable || default.is_some() || ty == Type::Any,
                "{place} may be absent, but has no default and is not an `Option`"
            );
            Ok(Field {
                wire_name: wire_name.clone(),
                snake_name,
                camel_name: wire_name.clone(),
                doc: property.as_object().map(doc).unwrap_or_default(),
                ty,
                required,
                nullable,
                patch,
                default,
                base64: encoding.is_some(),
            })
        })
        .collect()
}

/// The definition that a reference names, as a type.
fn reference(place: &str, target: &Value, definitions: &Map<String, Value>) -> Result<Type> {
    let name = target
        .as_str()
        .and_then(|target| target.strip_prefix("#/$defs/"))
        .with_context(|| format!("{place}: `$ref` to {target}"))?;
    let schema = definitions.get(name).with_context(|| format!("{place}: `{name}` is not defined"))?;
    Ok(own_type(name, schema, definitions)?.unwrap_or_else(|| Type::Named(name.to_owned())))
}

/// The type that a definition is, if it is not a named one: a page, a timestamp, a duration.
fn own_type(name: &str, schema: &Value, definitions: &Map<String, Value>) -> Result<Option<Type>> {
    match schema.get("x-theazo-type").and_then(Value::as_str) {
        Some("timestamp") => return Ok(Some(Type::Timestamp)),
        Some("duration") => return Ok(Some(Type::Duration)),
        Some(unknown) => bail!("`{name}` has the unknown `x-theazo-type` `{unknown}`"),
        None => {}
    }
    // The generator counts the pages that it meets: `Page`, `Page2`, ...
    let Some(number) = name.strip_prefix("Page") else { return Ok(None) };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let members: Vec<&str> =
        schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    ensure!(members == ["data", "hasMore", "cursor"], "`{name}` does not have the members of a page, but {members:?}");
    let (item, _) = type_of(&format!("`{name}.data`"), &schema["properties"]["data"]["items"], definitions)?;
    Ok(Some(Type::Page(Box::new(item))))
}

/// The known values of an open enumeration.
fn enum_values(values: &Value) -> Result<Vec<EnumValue>> {
    let text = |value: &Value, member: &str| {
        value[member].as_str().map(str::to_owned).with_context(|| format!("a value without `{member}`"))
    };
    let values = values.as_array().context("`x-theazo-enum` is not a list")?;
    values
        .iter()
        .map(|value| {
            Ok(EnumValue {
                name: text(value, "name")?,
                value: text(value, "value")?,
                doc: naming::clean_doc(&text(value, "doc")?),
            })
        })
        .collect()
}

/// The forms of a choice.
fn alternatives_of(
    name: &str,
    described: &Value,
    schemas: Option<&Value>,
    definitions: &Map<String, Value>,
) -> Result<Vec<Alternative>> {
    let text = |value: &Value, member: &str| {
        value[member].as_str().map(str::to_owned).with_context(|| format!("`{name}`: a form without `{member}`"))
    };
    let described = described.as_array().with_context(|| format!("`{name}`: `x-theazo-choice` is not a list"))?;
    let schemas = schemas.and_then(Value::as_array).with_context(|| format!("`{name}` has no forms"))?;
    ensure!(described.len() == schemas.len(), "`{name}` does not describe each of its forms");
    let alternatives = described.iter().zip(schemas).map(|(described, schema)| {
        Ok(Alternative {
            name: text(described, "name")?,
            form: text(described, "form")?,
            doc: naming::clean_doc(&text(described, "doc")?),
            ty: type_of(&format!("`{name}`"), schema, definitions)?.0,
        })
    });
    alternatives.collect()
}

/// The tag and the variants of a union.
fn variants_of(name: &str, variants: &Value, definitions: &Map<String, Value>) -> Result<(String, Vec<Variant>)> {
    let variants = variants.as_array().with_context(|| format!("`{name}`: variants are not a list"))?;
    let mut tags = Vec::new();
    let mut found = Vec::new();
    for variant in variants {
        let schema = object(variant).with_context(|| format!("`{name}`"))?;
        let constants = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(member, property)| Some((member.clone(), property.get("const")?.as_str()?.to_owned())));
        let constants: Vec<_> = constants.collect();
        let [(tag, tag_value)] = constants.as_slice() else {
            bail!("`{name}` has a variant without one tag: unions are tagged by one member with a constant text");
        };
        let words = tag_value.replace('.', "_");
        ensure!(naming::snake(&words) == words, "`{name}`: the tag `{tag_value}` is not snake_case");
        let variant_name = naming::pascal(&words);
        found.push(Variant {
            tag_value: tag_value.clone(),
            doc: doc(schema),
            fields: fields(&format!("{name}::{variant_name}"), schema, Some(tag), definitions)?,
            name: variant_name,
        });
        tags.push(tag.clone());
    }
    tags.dedup();
    let [tag] = tags.as_slice() else { bail!("`{name}`: its variants have different tags: {tags:?}") };
    Ok((tag.clone(), found))
}

fn object(schema: &Value) -> Result<&Map<String, Value>> {
    schema.as_object().with_context(|| format!("the schema `{schema}` allows anything or nothing"))
}

fn doc(schema: &Map<String, Value>) -> String {
    naming::clean_doc(schema.get("description").and_then(Value::as_str).unwrap_or_default())
}

/// Fails on a keyword that this form does not read: it would be lost without a word.
fn only(place: &str, schema: &Map<String, Value>, read: &[&str]) -> Result<()> {
    match schema.keys().find(|key| !read.contains(&key.as_str()) && !ANNOTATIONS.contains(&key.as_str())) {
        Some(keyword) => bail!("{place}: the keyword `{keyword}` is outside the dialect"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Reads a struct `Thing` with one field `field`.
    fn field(schema: Value) -> Result<Field, String> {
        let thing = json!({ "type": "object", "properties": { "field": schema }, "required": ["field"] });
        thing_of(thing).map(|mut fields| fields.remove(0))
    }

    fn thing_of(schema: Value) -> Result<Vec<Field>, String> {
        let definitions = json!({
            "Other": { "type": "object", "properties": {} },
            "Page2": { "type": "object", "properties": {
                "data": { "type": "array", "items": { "$ref": "#/$defs/Other" } },
                "hasMore": { "type": "boolean", "default": false },
                "cursor": { "type": "string", "default": "" },
            } },
        });
        match definition("Thing", &schema, definitions.as_object().expect("it is an object")) {
            Ok(Some(TypeDefinition::Struct(thing))) => Ok(thing.fields),
            Ok(_) => Err("not a struct".to_owned()),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    #[test]
    fn options_lists_maps_and_pages_are_read() {
        let read = field(json!({ "type": ["string", "null"] })).expect("it is in the dialect");
        assert_eq!((read.ty, read.nullable), (Type::String, true));
        let read = field(json!({ "anyOf": [{ "$ref": "#/$defs/Other" }, { "type": "null" }] })).expect("it is too");
        assert_eq!((read.ty, read.nullable), (Type::Named("Other".to_owned()), true));
        let read = field(json!({ "type": "object", "additionalProperties": { "type": "integer", "format": "int32" } }));
        assert_eq!(read.expect("it is too").ty, Type::Map(Box::new(Type::I32)));
        let read = field(json!({ "$ref": "#/$defs/Page2" })).expect("it is too");
        assert_eq!(read.ty, Type::Page(Box::new(Type::Named("Other".to_owned()))));
        let read = field(json!({ "description": "Anything." })).expect("it is too");
        assert_eq!((read.ty, read.doc.as_str()), (Type::Any, "Anything."));
        let read = field(json!({ "type": "string", "format": "password" })).expect("it is too");
        assert_eq!(read.ty, Type::Secret);
    }

    #[test]
    fn what_is_outside_the_dialect_is_refused_with_its_place() {
        let refused = [
            (json!(false), "`Thing.field`: the schema `false` allows anything or nothing"),
            (
                json!({ "type": "integer", "format": "uint64", "minimum": 0 }),
                "`Thing.field`: `integer` with format `uint64`; wire numbers are i64, i32 or f64",
            ),
            (json!({ "type": "string", "enum": ["a"] }), "`Thing.field`: the keyword `enum` is outside the dialect"),
            (
                json!({ "anyOf": [{ "type": "string" }, { "type": "boolean" }] }),
                "`Thing.field`: a union without a name; only `Option` may be one",
            ),
            (
                json!({ "type": "array", "prefixItems": [{ "type": "string" }] }),
                "`Thing.field`: the keyword `prefixItems` is outside the dialect",
            ),
            (
                json!({ "type": "object", "properties": {} }),
                "`Thing.field`: the keyword `properties` is outside the dialect",
            ),
        ];
        for (schema, message) in refused {
            assert_eq!(field(schema), Err(message.to_owned()));
        }
    }

    #[test]
    fn a_field_that_may_be_absent_has_a_meaning_then() {
        let thing = json!({ "type": "object", "properties": { "maxCost": { "type": "string" } } });
        assert_eq!(
            thing_of(thing),
            Err("`Thing.maxCost` may be absent, but has no default and is not an `Option`".to_owned())
        );
        let thing = json!({ "type": "object", "properties": { "max_cost": { "type": "string", "default": "" } } });
        assert_eq!(thing_of(thing), Err("`Thing.max_cost` is not camelCase".to_owned()));
    }

    #[test]
    fn bytes_are_text_in_base64() {
        let read = field(json!({ "type": "string", "contentEncoding": "base64" })).expect("it is in the dialect");
        assert_eq!((read.ty, read.base64), (Type::String, true));
        assert_eq!(
            field(json!({ "type": "string", "contentEncoding": "base32" })),
            Err("`Thing.field` is encoded in a way that no language reads; bytes are text with `base64`".to_owned())
        );
    }

    #[test]
    fn variants_have_one_tag() {
        let untagged = json!({ "anyOf": [{ "type": "object", "properties": { "a": { "type": "string" } } }] });
        assert_eq!(
            thing_of(untagged),
            Err("`Thing` has a variant without one tag: unions are tagged by one member with a constant text"
                .to_owned())
        );
    }
}
