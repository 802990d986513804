//! The contract in Python's words: types as signatures write them, documentation with Python's names.

use super::{
    super::{
        ir::{Field, Ir, Operation, Type, TypeDefinition},
        naming,
    },
    surface::Parameter,
};

/// The type of a value that comes out.
pub fn output(ty: &Type, ir: &Ir) -> String {
    match ty {
        Type::String | Type::Secret => "str".to_owned(),
        Type::Any => "Any".to_owned(),
        Type::I64 | Type::I32 => "int".to_owned(),
        Type::F64 => "float".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Timestamp => "datetime".to_owned(),
        Type::Duration => "timedelta".to_owned(),
        Type::Json => "dict[str, Any]".to_owned(),
        Type::List(item) => format!("list[{}]", output(item, ir)),
        Type::Map(item) => format!("dict[str, {}]", output(item, ir)),
        Type::Page(item) => format!("Page[{}]", output(item, ir)),
        Type::Named(name) => match ir.named(name) {
            Some(TypeDefinition::Id(_)) => "str".to_owned(),
            Some(TypeDefinition::OpenEnum(_)) => format!("{name}Value"),
            _ => name.clone(),
        },
    }
}

/// The type of a value that a caller gives.
pub fn input(ty: &Type, ir: &Ir) -> String {
    match ty {
        Type::Timestamp => "datetime | str".to_owned(),
        Type::Duration => "Duration".to_owned(),
        Type::Json => "Mapping[str, Any]".to_owned(),
        Type::List(item) => format!("Sequence[{}]", input(item, ir)),
        Type::Map(item) => format!("Mapping[str, {}]", input(item, ir)),
        Type::Named(name) => match ir.named(name) {
            Some(TypeDefinition::Struct(_)) => format!("{name} | {name}Dict"),
            Some(TypeDefinition::TaggedUnion(_)) => format!("{name}Input"),
            Some(TypeDefinition::Choice(choice)) if choice.in_requests => format!("{name}Input"),
            _ => output(ty, ir),
        },
        _ => output(ty, ir),
    }
}

/// Documentation with the names that Python has: `max_agents` where the contract says `maxAgents`. What is inside of
/// `details` keeps the names of the wire.
pub fn pythonic(doc: &str) -> String {
    let mut out = String::new();
    for (index, part) in doc.split('`').enumerate() {
        if index > 0 {
            out.push('`');
        }
        let is_name = index % 2 == 1
            && part.starts_with(|letter: char| letter.is_ascii_lowercase())
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '.')
            && !part.starts_with("details.");
        out.push_str(&if is_name { naming::snake(part) } else { part.to_owned() });
    }
    out
}

pub fn or_none(ty: String, nullable: bool) -> String {
    if nullable && ty != "Any" { format!("{ty} | None") } else { ty }
}

/// The type of what a caller may give for a field: what may be cleared takes `NULL` too.
pub fn given(field: &Field, ir: &Ir) -> String {
    let ty = input(&field.ty, ir);
    or_none(if field.patch { format!("{ty} | Null") } else { ty }, !field.required)
}

/// The documentation of a method with what it takes and an example, indented for the body of a method.
pub fn docstring<'a>(
    operation: &Operation,
    parameters: impl Iterator<Item = &'a Parameter>,
    example: &[String],
) -> String {
    const INDENT: &str = "        ";
    let escape = |text: &str| text.replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\"");
    let mut lines = naming::wrap(&escape(&pythonic(&operation.doc)), 105);
    let mut takes = parameters.peekable();
    if takes.peek().is_some() {
        lines.extend([String::new(), "Args:".to_owned()]);
    }
    for parameter in takes {
        let text = format!("{}: {}", parameter.name, escape(&parameter.doc));
        for (index, line) in naming::wrap(&text, 100).into_iter().enumerate() {
            lines.push(format!("    {}{line}", if index > 0 && !line.is_empty() { "    " } else { "" }));
        }
    }
    lines.extend(["", "Example:", "    ```python"].map(str::to_owned));
    lines.extend(example.iter().map(|line| format!("    {}", escape(line))));
    lines.push("    ```".to_owned());
    let body: Vec<String> = lines.iter().map(|line| format!("{INDENT}{line}").trim_end().to_owned()).collect();
    format!("\"\"\"{}\n{INDENT}\"\"\"", body.join("\n").trim_start())
}
