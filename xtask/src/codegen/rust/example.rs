//! The examples in the documentation of Rust methods: each compiles as a doctest, without being run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::{Map, Value};
use theazo_api::DurationInput;

use super::{
    super::{
        examples::{self, Example, Given, Outcome, Shown, plural},
        formatted,
        ir::{Field, Ir, Place, Plane, Type, TypeDefinition},
        naming,
    },
    converts, ident,
};
use crate::repository;

/// The examples are formatted for the narrower column that they have in a doc comment.
const WIDTH: &str = "max_width=110";

/// An example as a doctest.
#[derive(Debug, Clone, Serialize)]
pub struct Doctest {
    /// The lines that a reader sees.
    pub lines: Vec<String>,
    /// The block as documentation has it, with the hidden lines that give the example what it starts from.
    pub doc: String,
}

impl Doctest {
    fn new(head: &str, lines: Vec<String>) -> Self {
        let doc = format!("```no_run\n# {head}\n{}\n# Ok(()) }}\n```", lines.join("\n"));
        Self { lines, doc }
    }
}

/// The example of each operation that has a method, by the id of the operation.
pub fn all(ir: &Ir) -> Result<BTreeMap<String, Doctest>> {
    let defaults = structs_with_default()?;
    let mut written = Vec::new();
    for example in &examples::all(ir)? {
        let writer = Writer { ir, defaults: &defaults, uses: BTreeSet::new() };
        let (head, body) =
            writer.write(example).with_context(|| format!("the example of `{}`", example.operation.id))?;
        written.push((example.operation.id.clone(), head, body));
    }
    // All in one run of rustfmt, each as a function of its own.
    let functions: String = written.iter().map(|(_, head, body)| format!("{head}\n{body}\n}}\n")).collect();
    let formatted = formatted("the examples", &functions, &["--config", WIDTH])?;
    let bodies: Vec<Vec<String>> = formatted.split("\n}\n").map(body_lines).collect();
    ensure!(bodies.len() == written.len() + 1, "rustfmt gave another number of examples than it was given");
    let doctests = written.into_iter().zip(bodies).map(|((id, head, _), lines)| (id, Doctest::new(&head, lines)));
    Ok(doctests.collect())
}

/// The lines of a function's body without their indentation.
fn body_lines(function: &str) -> Vec<String> {
    let lines = function.lines().skip_while(|line| !line.starts_with("async fn")).skip(1);
    lines.map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned()).collect()
}

/// The structs of the contract that derive `Default`, so that an example need not name what it leaves out. The IR does not
/// know, because no other language asks; where this reads it wrong, the example does not compile.
fn structs_with_default() -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for path in repository::files()?.iter().filter(|path| path.starts_with("theazo-api/src/")) {
        let text = fs::read_to_string(repository::root().join(path)).with_context(|| path.clone())?;
        let mut has_default = false;
        for line in text.lines() {
            if line.starts_with("#[derive(") {
                has_default = line.contains("Default");
            } else if let Some(rest) = line.strip_prefix("pub struct ")
                && has_default
            {
                found.extend(rest.split([' ', ';', '<', '(']).next().map(str::to_owned));
            } else if !line.starts_with("#[") {
                has_default = false;
            }
        }
    }
    Ok(found)
}

/// Writes one example, and keeps what it has to import.
struct Writer<'a> {
    ir: &'a Ir,
    defaults: &'a BTreeSet<String>,
    uses: BTreeSet<String>,
}

impl Writer<'_> {
    /// The head of the function and its body.
    fn write(mut self, example: &Example<'_>) -> Result<(String, String)> {
        let root = example.root();
        let root_type = match example.operation.receiver_handle {
            Some(handle) => format!("theazo::{handle:?}"),
            None if example.operation.plane == Plane::Test => "theazo::testing::TestPlane".to_owned(),
            None => "theazo::Theazo".to_owned(),
        };
        let statements = self.statements(example)?;
        let error = if statements.contains(".parse()?") { "Box<dyn std::error::Error>" } else { "theazo::Error" };
        let head = format!("async fn example({root}: {root_type}) -> Result<(), {error}> {{");
        Ok((head, format!("{}\n{statements}", self.imports(example.operation.plane))))
    }

    fn statements(&mut self, example: &Example<'_>) -> Result<String> {
        let operation = example.operation;
        let mut call = example.root().to_owned();
        for part in example.parts() {
            call.push_str(&format!(".{}()", naming::snake(part)));
        }
        let (arguments, setters): (Vec<&Given<'_>>, Vec<&Given<'_>>) =
            example.arguments.iter().partition(|given| given.field.required || given.place == Place::WholeBody);
        let arguments: Vec<String> = arguments.iter().map(|given| self.argument(given)).collect::<Result<_>>()?;
        call.push_str(&format!(".{}({})", operation.snake_name, arguments.join(", ")));
        for given in setters.into_iter().chain(&example.options) {
            let value = self.argument(given)?;
            call.push_str(&format!(".{}({value})", ident(&given.field.snake_name)));
        }
        Ok(match &example.outcome {
            Outcome::Nothing => format!("{call}.await?;"),
            Outcome::Refreshed => format!("{call}.await?;\nprintln!(\"{{}}\", {}.data().status);", example.root()),
            Outcome::Bytes => format!("let bytes = {call}.await?;\nprintln!(\"{{}} bytes\", bytes.len());"),
            Outcome::One { name, shown } => format!("let {name} = {call}.await?;\n{}", print(name, shown)),
            Outcome::Items { item, shown } => {
                format!("for {item} in {call}.await? {{\n{}\n}}", print(item, shown))
            }
            Outcome::Pages { item, shown } => {
                let items = plural(item);
                let next = format!("while let Some({item}) = {items}.next().await");
                format!("let mut {items} = {call}.items();\n{next} {{\n{}\n}}", print(&format!("{item}?"), shown))
            }
            Outcome::Events(shown) => format!(
                "let mut events = {call}.await?;\nwhile let Some(event) = events.next().await {{\n{}\n}}",
                print("event?", shown)
            ),
        })
    }

    fn imports(&self, plane: Plane) -> String {
        let own = if plane == Plane::Test { "theazo::testing" } else { "theazo::types" };
        let mut modules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for path in &self.uses {
            let (module, name) = path.rsplit_once("::").unwrap_or((own, path));
            modules.entry(module).or_default().push(name);
        }
        let imports = modules.into_iter().map(|(module, names)| match names.as_slice() {
            [one] => format!("use {module}::{one};\n"),
            several => format!("use {module}::{{{}}};\n", several.join(", ")),
        });
        imports.collect()
    }

    /// The value as an argument, which takes whatever becomes its type.
    fn argument(&mut self, given: &Given<'_>) -> Result<String> {
        let (field, value) = (given.field, &given.value);
        match field.ty {
            // The method takes text and bytes as they are.
            _ if field.base64 => {
                let bytes = STANDARD.decode(value.as_str().unwrap_or_default())?;
                Ok(format!("{:?}", String::from_utf8(bytes)?))
            }
            _ if field.patch && field.ty != Type::String => self.owned(&field.ty, value),
            _ => self.given(&field.ty, value),
        }
    }

    fn given(&mut self, ty: &Type, value: &Value) -> Result<String> {
        Ok(match (ty, value) {
            (Type::String | Type::Secret, Value::String(text)) => format!("{text:?}"),
            (Type::Duration, _) => self.duration(value)?,
            (Type::Named(name), Value::String(text)) if converts(name, self.ir) && !self.is_enum(name) => {
                format!("{text:?}")
            }
            (Type::List(item), Value::Array(items)) => {
                let items: Vec<String> = items.iter().map(|value| self.given(item, value)).collect::<Result<_>>()?;
                format!("[{}]", items.join(", "))
            }
            (Type::Json, Value::Object(members)) => {
                // Items of one type become JSON by themselves.
                let all = |is: fn(&Value) -> bool| members.values().all(is);
                let item = if all(Value::is_string) || all(Value::is_i64) || all(Value::is_boolean) {
                    |value: &Value| value.to_string()
                } else {
                    self.uses.insert("serde_json::json".to_owned());
                    |value: &Value| format!("json!({})", spaced(value))
                };
                let members = members.iter().map(|(name, value)| format!("({name:?}, {})", item(value)));
                format!("[{}]", members.collect::<Vec<_>>().join(", "))
            }
            (Type::Map(item), Value::Object(members)) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| Ok(format!("({name:?}, {})", self.given(item, value)?)))
                    .collect::<Result<_>>()?;
                format!("[{}]", members.join(", "))
            }
            _ => self.owned(ty, value)?,
        })
    }

    /// The value as a field of this type has it.
    fn owned(&mut self, ty: &Type, value: &Value) -> Result<String> {
        Ok(match (ty, value) {
            (Type::String | Type::Secret, Value::String(text)) => format!("{text:?}.into()"),
            (Type::Timestamp, Value::String(text)) => format!("{text:?}.parse()?"),
            (Type::Duration, _) => format!("{}.into()", self.duration(value)?),
            (Type::I64 | Type::I32 | Type::Bool, value) => value.to_string(),
            (Type::F64, Value::Number(number)) => format!("{:?}", number.as_f64().unwrap_or_default()),
            (Type::Any, value) => {
                self.uses.insert("serde_json::json".to_owned());
                format!("json!({})", spaced(value))
            }
            (Type::Json, Value::Object(members)) => {
                self.uses.extend(["serde_json::Map".to_owned(), "serde_json::json".to_owned()]);
                let members =
                    members.iter().map(|(name, value)| format!("({name:?}.to_owned(), json!({}))", spaced(value)));
                format!("Map::from_iter([{}])", members.collect::<Vec<_>>().join(", "))
            }
            (Type::List(item), Value::Array(items)) => {
                let items: Vec<String> = items.iter().map(|value| self.owned(item, value)).collect::<Result<_>>()?;
                format!("vec![{}]", items.join(", "))
            }
            (Type::Map(item), Value::Object(members)) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| Ok(format!("({name:?}.to_owned(), {})", self.owned(item, value)?)))
                    .collect::<Result<_>>()?;
                format!("[{}].into()", members.join(", "))
            }
            (Type::Named(name), value) => self.named(name, value)?,
            (ty, value) => anyhow::bail!("{value} is no value of {ty:?}"),
        })
    }

    fn named(&mut self, name: &str, value: &Value) -> Result<String> {
        let definition = self.ir.named(name).with_context(|| format!("`{name}` is not defined"))?;
        Ok(match (definition, value) {
            (TypeDefinition::Id(_), Value::String(text)) => format!("{text:?}.into()"),
            (TypeDefinition::OpenEnum(open), Value::String(text)) => {
                let known = open.values.iter().find(|known| known.value == *text);
                let variant = known.with_context(|| format!("`{name}` has no value `{text}`"))?;
                self.uses.insert(name.to_owned());
                format!("{name}::{}", variant.name)
            }
            (TypeDefinition::Choice(choice), value) => {
                let form = match value {
                    Value::String(_) => "text",
                    Value::Bool(_) => "flag",
                    Value::Number(_) => "number",
                    Value::Array(_) => "list",
                    _ => "object",
                };
                let alternative = choice.alternatives.iter().find(|alternative| alternative.form == form);
                let alternative = alternative.with_context(|| format!("`{name}` has no form `{form}`"))?;
                self.uses.insert(name.to_owned());
                format!("{name}::{}({})", alternative.name, self.owned(&alternative.ty, value)?)
            }
            (TypeDefinition::TaggedUnion(_), Value::Object(members)) if has_step_constructor(name, members) => {
                self.uses.insert(name.to_owned());
                self.step(members)?
            }
            (TypeDefinition::TaggedUnion(union), Value::Object(members)) => {
                let tag = members.get(&union.tag).and_then(Value::as_str).unwrap_or_default();
                let variant = union.variants.iter().find(|variant| variant.tag_value == tag);
                let variant = variant.with_context(|| format!("`{name}` has no variant `{tag}`"))?;
                self.uses.insert(name.to_owned());
                // A variant has no default, so what is absent is written out.
                let fields = self.fields(&variant.fields, members, true)?;
                format!("{name}::{} {{ {} }}", variant.name, fields.join(", "))
            }
            (TypeDefinition::Struct(_), Value::Object(members)) if has_constructor(name, members) => {
                self.uses.insert(name.to_owned());
                let (member, value) = members.iter().next().context("a constructor takes something")?;
                match members.get("period") {
                    Some(period) => format!("{name}::cents({value}, {})", self.named("Period", period)?),
                    None if value.is_number() => format!("{name}::cents({value})"),
                    None => format!("{name}::{member}({value})"),
                }
            }
            (TypeDefinition::Struct(definition), Value::Object(members)) if name == "McpConnectOpts" => {
                self.uses.insert(name.to_owned());
                let base = format!("..{name}::http({}, {})", members["name"], members["url"]);
                let is_base = |field: &&Field| matches!(field.wire_name.as_str(), "name" | "transport" | "url");
                let others: Vec<Field> = definition.fields.iter().filter(|field| !is_base(field)).cloned().collect();
                let fields = self.fields(&others, members, false)?;
                format!("{name} {{ {}, {base} }}", fields.join(", "))
            }
            (TypeDefinition::Struct(definition), Value::Object(members)) => {
                self.uses.insert(name.to_owned());
                let is_complete = definition.fields.iter().all(|field| members.contains_key(&field.wire_name));
                let has_default = self.defaults.contains(name);
                let mut fields = self.fields(&definition.fields, members, !has_default)?;
                if has_default && !is_complete {
                    fields.push(format!("..{name}::default()"));
                }
                format!("{name} {{ {} }}", fields.join(", "))
            }
            (_, value) => anyhow::bail!("{value} is no `{name}`"),
        })
    }

    /// A step of a workflow, by its constructor and the methods that say the rest.
    fn step(&mut self, members: &Map<String, Value>) -> Result<String> {
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(|text| format!("{text:?}"));
        let required = if members["type"] == "agent" { "agent" } else { "expression" };
        let constructor = members["type"].as_str().unwrap_or_default();
        let arguments = [text("id"), text(required)].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let mut step = format!("WorkflowStep::{constructor}({arguments})");
        if let Some(before) = members.get("dependsOn") {
            step.push_str(&format!(".after({})", self.given(&Type::List(Box::new(Type::String)), before)?));
        }
        for (name, setter) in [("task", "with_task"), ("then", "then"), ("otherwise", "otherwise")] {
            step.extend(text(name).map(|text| format!(".{setter}({text})")));
        }
        Ok(step)
    }

    /// The fields that are given; with `all` the absent ones too, as what absent means.
    fn fields(&mut self, fields: &[Field], members: &Map<String, Value>, all: bool) -> Result<Vec<String>> {
        let mut written = Vec::new();
        for field in fields {
            let value = match members.get(&field.wire_name) {
                Some(Value::Null) if field.patch => "theazo::types::Patch::Clear".to_owned(),
                Some(value) => {
                    let value = self.owned(&field.ty, value)?;
                    match field {
                        _ if field.patch => {
                            self.uses.insert("Patch".to_owned());
                            format!("Patch::Set({value})")
                        }
                        _ if field.nullable => format!("Some({value})"),
                        _ => value,
                    }
                }
                None if !all => continue,
                None if field.nullable && !field.patch => "None".to_owned(),
                None => "Default::default()".to_owned(),
            };
            written.push(format!("{}: {value}", ident(&field.snake_name)));
        }
        Ok(written)
    }

    fn is_enum(&self, name: &str) -> bool {
        matches!(self.ir.named(name), Some(TypeDefinition::OpenEnum(_)))
    }

    fn duration(&mut self, value: &Value) -> Result<String> {
        let DurationInput(duration) = serde_json::from_value(value.clone())?;
        self.uses.insert("std::time::Duration".to_owned());
        Ok(match duration {
            whole if whole == Duration::from_secs(whole.as_secs()) => {
                format!("Duration::from_secs({})", whole.as_secs())
            }
            other => format!("Duration::from_millis({})", other.as_millis()),
        })
    }
}

/// Whether the struct has a constructor that says all of it: an exact amount of the one currency, a turn that is a text or an
/// error alone.
fn has_constructor(name: &str, members: &Map<String, Value>) -> bool {
    let has = |names: &[&str]| members.keys().eq(names.iter());
    match name {
        "Cost" => has(&["amount"]),
        "CostLimit" => has(&["amount", "period"]),
        "ScriptedTurn" => has(&["text"]) || has(&["error"]),
        _ => false,
    }
}

/// Whether it is a step that [`Writer::step`] writes whole.
fn has_step_constructor(name: &str, members: &Map<String, Value>) -> bool {
    const WRITTEN: &[&str] = &["type", "id", "agent", "expression", "dependsOn", "task", "then", "otherwise"];
    name == "WorkflowStep"
        && matches!(members.get("type").and_then(Value::as_str), Some("agent" | "condition"))
        && members.iter().all(|(name, value)| WRITTEN.contains(&name.as_str()) && !value.is_object())
}

/// JSON as a macro has it, with the spaces that a person writes.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        Value::Object(members) if !members.is_empty() => {
            let members = members.iter().map(|(name, value)| format!("{name:?}: {}", spaced(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// The statement that shows a value.
fn print(value: &str, shown: &Shown) -> String {
    match shown {
        Shown::HandleId => format!("println!(\"{{}}\", {value}.id());"),
        Shown::Member(path) => {
            let path: Vec<String> = path.iter().map(|field| ident(&field.snake_name)).collect();
            format!("println!(\"{{}}\", {value}.{});", path.join("."))
        }
        Shown::Tag(_) => format!("println!(\"{{}}\", {value}.tag());"),
        Shown::Whole => format!("println!(\"{{{value}:?}}\");"),
    }
}
