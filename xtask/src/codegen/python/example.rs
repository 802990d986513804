//! The examples in the docstrings of both faces. `mypy` checks them all, in a file of their own.

use anyhow::{Context, Result};
use serde_json::Value;

use super::super::{
    examples::{Example, Kind, Layout, Outcome, Shown, Width, plural},
    ir::{Field, Ir, Type, TypeDefinition},
    naming,
};

/// How long the lines of an example are: those of the package, without the indentation that they have in a docstring.
const WIDTH: Width = Width { line: 100, indent: 4 };

/// The lines of an example, for the blocking face or for the asyncio face.
pub fn lines(example: &Example<'_>, sync: bool, ir: &Ir) -> Result<Vec<String>> {
    let mut call = example.root().to_owned();
    for part in example.parts() {
        call.push('.');
        call.push_str(&naming::snake(part));
    }
    call.push('.');
    call.push_str(&example.operation.snake_name);
    let mut items = Vec::new();
    for given in &example.arguments {
        items.push((String::new(), literal(&given.field.ty, &given.value, ir)?));
    }
    for given in &example.options {
        items.push((format!("{}=", given.field.snake_name), literal(&given.field.ty, &given.value, ir)?));
    }
    let arguments = Layout::Group { open: "(", close: ")", kind: Kind::Plain, items };
    let call_lines = |before: &str, after: &str| arguments.lines(&format!("{before}{call}"), after, WIDTH);
    let print = |value: &str, shown: &Shown, indent: &str| format!("{indent}print({})", shown_of(value, shown));
    let (wait, loops) = if sync { ("", "") } else { ("await ", "async ") };

    let mut lines;
    match &example.outcome {
        Outcome::Nothing => lines = call_lines(wait, ""),
        Outcome::Refreshed => {
            lines = call_lines(wait, "");
            lines.push(format!("print({}.data.status)", example.root()));
        }
        Outcome::Bytes => {
            lines = call_lines(&format!("content = {wait}"), "");
            lines.push("print(len(content))".to_owned());
        }
        Outcome::One { name, shown } => {
            lines = call_lines(&format!("{name} = {wait}"), "");
            lines.push(print(name, shown, ""));
        }
        Outcome::Items { item, shown } => {
            let items = plural(item);
            lines = call_lines(&format!("{items} = {wait}"), "");
            lines.extend([format!("for {item} in {items}:"), print(item, shown, "    ")]);
        }
        Outcome::Pages { item, shown } => {
            lines = call_lines(&format!("{loops}for {item} in "), ":");
            lines.push(print(item, shown, "    "));
        }
        Outcome::Events(shown) => {
            lines = call_lines(&format!("{loops}with "), " as events:");
            lines.extend([format!("    {loops}for event in events:"), print("event", shown, "        ")]);
        }
    }
    Ok(lines)
}

fn literal(ty: &Type, value: &Value, ir: &Ir) -> Result<Layout> {
    Ok(match (ty, value) {
        (Type::List(item), Value::Array(items)) => list(items, item, ir)?,
        (Type::Map(item), Value::Object(members)) => {
            dict(members.iter().map(|(name, value)| Ok((name.clone(), literal(item, value, ir)?))))?
        }
        (Type::Named(name), value) => named(name, value, ir)?,
        (_, Value::Object(members)) => {
            dict(members.iter().map(|(name, value)| Ok((name.clone(), literal(&Type::Any, value, ir)?))))?
        }
        (_, Value::Array(items)) => list(items, &Type::Any, ir)?,
        (_, Value::String(value)) => text(value),
        (_, Value::Bool(true)) => Layout::Text("True".to_owned()),
        (_, Value::Bool(false)) => Layout::Text("False".to_owned()),
        (_, Value::Null) => Layout::Text("None".to_owned()),
        (_, Value::Number(number)) => Layout::Text(number.to_string()),
    })
}

/// A value of a named type: a dict with the names that Python has.
fn named(name: &str, value: &Value, ir: &Ir) -> Result<Layout> {
    let definition = ir.named(name).with_context(|| format!("`{name}` is not defined"))?;
    Ok(match (definition, value) {
        (TypeDefinition::Struct(definition), Value::Object(members)) => fields(&definition.fields, None, members, ir)?,
        (TypeDefinition::TaggedUnion(union), Value::Object(members)) => {
            let tag = members.get(&union.tag).and_then(Value::as_str).unwrap_or_default();
            let variant = union.variants.iter().find(|variant| variant.tag_value == tag);
            let variant = variant.with_context(|| format!("`{name}` has no variant `{tag}`"))?;
            fields(&variant.fields, Some((&union.tag, tag)), members, ir)?
        }
        (TypeDefinition::Choice(choice), value @ (Value::Object(_) | Value::Array(_))) => {
            let form = if value.is_object() { "object" } else { "list" };
            let alternative = choice.alternatives.iter().find(|alternative| alternative.form == form);
            let alternative = alternative.with_context(|| format!("`{name}` has no form `{form}`"))?;
            literal(&alternative.ty, value, ir)?
        }
        (_, value) => literal(&Type::Any, value, ir)?,
    })
}

fn fields(
    fields: &[Field],
    tag: Option<(&str, &str)>,
    members: &serde_json::Map<String, Value>,
    ir: &Ir,
) -> Result<Layout> {
    let tag = tag.map(|(name, value)| Ok((naming::snake(name), text(value))));
    let given = fields.iter().filter_map(|field| {
        let value = members.get(&field.wire_name)?;
        Some(literal(&field.ty, value, ir).map(|value| (field.snake_name.clone(), value)))
    });
    dict(tag.into_iter().chain(given))
}

fn dict(members: impl Iterator<Item = Result<(String, Layout)>>) -> Result<Layout> {
    let items = members.map(|member| member.map(|(name, value)| (format!("{name:?}: "), value)));
    Ok(Layout::Group { open: "{", close: "}", kind: Kind::Plain, items: items.collect::<Result<_>>()? })
}

fn list(items: &[Value], ty: &Type, ir: &Ir) -> Result<Layout> {
    let items = items.iter().map(|value| Ok((String::new(), literal(ty, value, ir)?)));
    Ok(Layout::Group { open: "[", close: "]", kind: Kind::Plain, items: items.collect::<Result<_>>()? })
}

/// Text as a literal: JSON's escapes are Python's too.
fn text(value: &str) -> Layout {
    Layout::Text(Value::from(value).to_string())
}

fn shown_of(value: &str, shown: &Shown) -> String {
    match shown {
        Shown::HandleId => format!("{value}.id"),
        Shown::Member(path) => {
            let path: Vec<&str> = path.iter().map(|field| field.snake_name.as_str()).collect();
            format!("{value}.{}", path.join("."))
        }
        Shown::Tag(tag) => format!("{value}.{}", naming::snake(tag)),
        Shown::Whole => value.to_owned(),
    }
}
