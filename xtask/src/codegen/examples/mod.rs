//! The example of each operation, for every language: what is given and what is shown of the answer. The values are those
//! of the golden fixtures; each renderer writes them in its own language, so that all documentation shows the same call.

mod layout;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use theazo_api::{DurationInput, time::human_duration};

pub use layout::{Kind, Layout, Width};

use super::{
    ir::{Argument, Field, Handle, Ir, Operation, Place, Plane, Type, TypeDefinition},
    naming,
};
use crate::fixtures;

/// How many options an example shows: enough to see how they are given.
const OPTIONS: usize = 2;

/// How long the JSON of an option may be that an example shows.
const LONGEST_OPTION: usize = 70;

/// What comes out of a call is shown by the first of these members that it has; what a call creates, by its id.
const TELLING: &[&str] = &["output", "text", "url", "content", "message", "status", "name", "title", "id"];

/// The same for an item of a list.
const TELLING_ITEM: &[&str] = &["name", "title", "url", "content", "message", "id"];

/// A call with what it is given.
pub struct Example<'a> {
    pub operation: &'a Operation,
    /// The positional arguments, in their order.
    pub arguments: Vec<Given<'a>>,
    /// Some of the options.
    pub options: Vec<Given<'a>>,
    pub outcome: Outcome,
}

/// An argument or an option with its value as JSON has it.
pub struct Given<'a> {
    pub field: &'a Field,
    pub place: Place,
    pub value: Value,
}

/// What comes out of a call, and what of it is shown.
pub enum Outcome {
    Nothing,
    /// The handle that the call was made on, brought up to date.
    Refreshed,
    One {
        /// What the answer is called.
        name: String,
        shown: Shown,
    },
    /// A list that comes whole.
    Items {
        item: String,
        shown: Shown,
    },
    /// A list that comes page by page.
    Pages {
        item: String,
        shown: Shown,
    },
    Events(Shown),
    /// The content of a file.
    Bytes,
}

/// What is shown of a value.
#[derive(Clone)]
pub enum Shown {
    /// The id of a handle.
    HandleId,
    /// A member, or a member of a member.
    Member(Vec<Field>),
    /// The tag of a union: the member of this name.
    Tag(String),
    Whole,
}

/// The example of every operation that is a method of the client or of a test plane.
pub fn all(ir: &Ir) -> Result<Vec<Example<'_>>> {
    let methods = ir.operations.iter().filter(|operation| operation.plane != Plane::Bridge);
    methods
        .map(|operation| Example::of(operation, ir).with_context(|| format!("the example of `{}`", operation.id)))
        .collect()
}

/// The first value of a type's golden fixture; without one it is an error, since an example has no values but these.
pub fn fixture(name: &str) -> Result<Value> {
    fixtures::values(name)?.into_iter().next().with_context(|| format!("`{name}` has no fixture"))
}

/// The value of a body that is a map of the user's own names, and so is no type with a fixture.
pub fn map_body(operation: &Operation) -> Result<Value> {
    Ok(match operation.id.as_str() {
        "FireTrigger" => json!({ "invoice": "in_2041", "paid": true }),
        "TestTool" => json!({ "customer_id": "cus_4812" }),
        "SetSessionSecrets" => json!({ "hubspot_api_key": "pat-eu1-example" }),
        "SetSecrets" => json!({ "e2b_key": "e2b_example", "openrouter_key": "sk-or-example" }),
        id => anyhow::bail!("the body of `{id}` is a map: say here what an example of it is"),
    })
}

impl<'a> Example<'a> {
    fn of(operation: &'a Operation, ir: &Ir) -> Result<Self> {
        let part = |name: &Option<String>| name.as_deref().map(fixture).transpose();
        let (path, query, body) =
            (part(&operation.path_type)?, part(&operation.query_type)?, part(&operation.body_type)?);
        let value = |argument: &Argument| -> Result<Option<Value>> {
            let name = argument.field.wire_name.as_str();
            let member = |part: &Option<Value>| part.as_ref().and_then(|part| part.get(name)).cloned();
            let value = match argument.place {
                Place::Path => member(&path),
                Place::Query => member(&query),
                Place::Body => member(&body),
                Place::WholeBody if body.is_some() => body.clone(),
                Place::WholeBody => Some(map_body(operation)?),
            };
            Ok(value.map(|value| simplified(&argument.field.ty, &value, ir)))
        };
        let mut arguments = Vec::new();
        for argument in &operation.arguments {
            match value(argument)? {
                Some(value) => arguments.push(Given { field: &argument.field, place: argument.place, value }),
                None => anyhow::ensure!(
                    !argument.field.required,
                    "its fixture has no `{}`, which must be given",
                    argument.field.wire_name
                ),
            }
        }
        let mut options = Vec::new();
        for option in &operation.options {
            if let Some(value) = value(option)?.filter(|value| is_telling(&option.field.wire_name, value)) {
                options.push(Given { field: &option.field, place: option.place, value });
            }
        }
        options.truncate(OPTIONS);
        Ok(Self { operation, arguments, options, outcome: outcome(operation, ir) })
    }

    /// What the receiver is called in an example: the handle, the client or the test plane.
    pub fn root(&self) -> &'static str {
        match (self.operation.receiver_handle, self.operation.plane) {
            (Some(handle), _) => handle.receiver(),
            (None, Plane::Test) => "plane",
            (None, _) => "theazo",
        }
    }

    /// The parts between the root and the method, in camelCase: `agents` of a session.
    pub fn parts(&self) -> impl Iterator<Item = &'a str> {
        let is_root = |part: &&str| *part == self.root() || *part == "testing" || part.is_empty();
        let parts = self.operation.receiver.split('.').filter(move |part| !is_root(part));
        parts.collect::<Vec<_>>().into_iter()
    }
}

/// Whether the value of an option shows what the option is for: one that only repeats a default does not.
fn is_telling(name: &str, value: &Value) -> bool {
    let says_something = match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    };
    // The pages follow one another by themselves; text in base64 is the business of the methods that take bytes.
    says_something && !matches!(name, "cursor" | "encoding" | "stream") && value.to_string().len() <= LONGEST_OPTION
}

/// The value as an example shows it: without what only repeats a default, and of what may be left out only some.
fn simplified(ty: &Type, value: &Value, ir: &Ir) -> Value {
    match (ty, value) {
        (Type::Duration, value) => short_duration(value).into(),
        (Type::Json | Type::Any, value) => simplified_json(value),
        (Type::List(item), Value::Array(items)) => items.iter().map(|value| simplified(item, value, ir)).collect(),
        (Type::Map(item), Value::Object(members)) => {
            members.iter().map(|(name, value)| (name.clone(), simplified(item, value, ir))).collect()
        }
        (Type::Named(name), value) => match (ir.named(name), value) {
            (Some(TypeDefinition::Struct(definition)), Value::Object(members)) => {
                main_members(name, &definition.fields, members, ir).into()
            }
            (Some(TypeDefinition::TaggedUnion(union)), Value::Object(members)) => {
                let tag = members.get(&union.tag);
                let variant = union.variants.iter().find(|variant| tag == Some(&variant.tag_value.clone().into()));
                let tag = tag.map(|tag| (union.tag.clone(), tag.clone()));
                let others = variant.map(|variant| main_members(name, &variant.fields, members, ir));
                tag.into_iter().chain(others.into_iter().flatten()).collect::<Map<_, _>>().into()
            }
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

/// `10m` for `600000ms`, where it says the same.
fn short_duration(value: &Value) -> String {
    let exact = value.as_str().unwrap_or_default().to_owned();
    let Ok(DurationInput(duration)) = exact.parse() else { return exact };
    let short = human_duration(duration);
    if short.parse() == Ok(DurationInput(duration)) { short } else { exact }
}

/// What must be given, and as many of the other members as an example shows options.
fn main_members(name: &str, fields: &[Field], members: &Map<String, Value>, ir: &Ir) -> Map<String, Value> {
    let mut others = 0;
    let mut main = Map::new();
    for field in fields {
        let Some(value) = members.get(&field.wire_name).map(|value| simplified(&field.ty, value, ir)) else { continue };
        // A step of a workflow shows how it hangs together with the others.
        let is_structure =
            name == "WorkflowStep" && matches!(field.wire_name.as_str(), "dependsOn" | "then" | "otherwise");
        let repeats = field.default.as_ref() == Some(&value)
            // The exact amount, where the cents say it.
            || (field.wire_name == "microCents" && value.as_i64() == members["amount"].as_i64().map(|cents| cents * 1_000_000));
        let is_option = others < OPTIONS && name != "WorkflowStep" && !repeats && is_telling(&field.wire_name, &value);
        others += usize::from(is_option && !field.required);
        if field.required || is_structure || is_option || field.wire_name == "task" {
            main.insert(field.wire_name.clone(), value);
        }
    }
    main
}

/// How long the JSON of a member may be that is free JSON; of a longer one the first member is enough.
const LONGEST_MEMBER: usize = 80;

/// Free JSON without the members that only test that names are kept as they are, and not too deep.
fn simplified_json(value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let is_shown = |value: &&Value| **value != json!("kept") && **value != json!(["kept"]);
    let mut shown: Map<String, Value> = members
        .iter()
        .filter(|(_, value)| is_shown(value))
        .map(|(name, value)| {
            let is_long = value.to_string().len() > LONGEST_MEMBER;
            let mut value = simplified_json(value);
            if let (true, Value::Object(inner)) = (is_long, &mut value) {
                let mut first = 0;
                inner.retain(|_, _| std::mem::replace(&mut first, 1) == 0);
            }
            (name.clone(), value)
        })
        .collect();
    if shown.is_empty() {
        shown = members.clone();
    }
    shown.into()
}

fn outcome(operation: &Operation, ir: &Ir) -> Outcome {
    let Some(response) = &operation.response else { return Outcome::Nothing };
    if operation.refreshes_handle {
        return Outcome::Refreshed;
    }
    if operation.id == "ReadFile" {
        return Outcome::Bytes;
    }
    let creates =
        operation.method == "POST" && operation.arguments.iter().all(|argument| argument.place != Place::Path);
    let shown_as = |ty: &Type, handle: Option<Handle>, telling: &[&str]| match handle {
        Some(_) => Shown::HandleId,
        None => shown(ty, telling, ir),
    };
    let shown = |ty, handle| shown_as(ty, handle, if creates { &["id"] } else { TELLING });
    let shown_item = |ty, handle| shown_as(ty, handle, TELLING_ITEM);
    match response {
        event if operation.reply.is_stream() => Outcome::Events(shown(event, None)),
        Type::Page(item) => {
            let handle = operation.page_of_handle;
            Outcome::Pages { item: noun(item, handle), shown: shown_item(item, handle) }
        }
        Type::List(item) => Outcome::Items { item: noun(item, None), shown: shown_item(item, None) },
        ty => {
            let name = noun(ty, operation.returns_handle);
            let is_root = operation.receiver_handle.is_some_and(|handle| handle.receiver() == name);
            let name = if is_root { format!("new_{name}") } else { name };
            Outcome::One { name, shown: shown(ty, operation.returns_handle) }
        }
    }
}

/// What a value of the type is called in an example: `report` for a `UsageReport`.
fn noun(ty: &Type, handle: Option<Handle>) -> String {
    if let Some(handle) = handle {
        return handle.receiver().to_owned();
    }
    let Some(name) = ty.named() else {
        return if matches!(ty, Type::Json) { "document" } else { "answer" }.to_owned();
    };
    let noun = ["Data", "Info", "Created"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    let noun = naming::snake(noun);
    let last = noun.rsplit('_').next().unwrap_or(&noun);
    // No language takes this one for a variable.
    let last = if last == "export" { "exported" } else { last }.to_owned();
    if matches!(ty, Type::Map(_)) { plural(&last) } else { last }
}

/// `entries` from `entry`.
pub fn plural(noun: &str) -> String {
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if noun.ends_with('s') => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

/// The member that tells most about a value: the first of `telling` that it has, else of all that are always there.
fn shown(ty: &Type, telling: &[&str], ir: &Ir) -> Shown {
    let Type::Named(name) = ty else { return Shown::Whole };
    match ir.named(name) {
        Some(TypeDefinition::TaggedUnion(union)) => Shown::Tag(union.tag.clone()),
        Some(TypeDefinition::Struct(definition)) => {
            let always: Vec<&Field> =
                definition.fields.iter().filter(|field| field.required && !field.nullable).collect();
            let mut plain = always.iter().filter(|field| is_plain(&field.ty, ir));
            let named = |name: &&str| plain.clone().find(|field| field.wire_name == *name);
            let found = telling.iter().find_map(named).or_else(|| TELLING.iter().find_map(named));
            if let Some(field) = found.or_else(|| plain.next()) {
                return Shown::Member(vec![(*field).clone()]);
            }
            // Where all is one level deeper, the first of it.
            let deeper = always.iter().find_map(|field| match shown(&field.ty, telling, ir) {
                Shown::Member(path) => Some([vec![(*field).clone()], path].concat()),
                _ => None,
            });
            deeper.map_or(Shown::Whole, Shown::Member)
        }
        _ => Shown::Whole,
    }
}

/// Whether every language can print a value of the type as it is.
fn is_plain(ty: &Type, ir: &Ir) -> bool {
    match ty {
        Type::String | Type::I64 | Type::I32 | Type::F64 | Type::Bool | Type::Timestamp => true,
        Type::Named(name) => matches!(ir.named(name), Some(TypeDefinition::Id(_) | TypeDefinition::OpenEnum(_))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_called_by_the_plural_of_its_items() {
        assert_eq!(["session", "entry", "key", "status"].map(plural), ["sessions", "entries", "keys", "statuses"]);
    }

    #[test]
    fn durations_are_written_as_a_person_would_where_that_says_the_same() {
        let short = |text: &str| short_duration(&json!(text));

        assert_eq!(short("600000ms"), "10m");
        assert_eq!(short("5400000ms"), "1h 30m");
        assert_eq!(short("90061000ms"), "90061000ms", "a day, an hour, a minute and a second need four units");
    }

    #[test]
    fn an_option_that_repeats_a_default_is_not_shown() {
        assert!(is_telling("name", &json!("researcher")) && is_telling("limit", &json!(50)));
        for nothing in [json!(null), json!(false), json!(""), json!([]), json!({})] {
            assert!(!is_telling("name", &nothing), "{nothing}");
        }
        assert!(!is_telling("cursor", &json!("c2VzXzlmMjc")));
        assert!(!is_telling("code", &json!("x".repeat(LONGEST_OPTION))));
    }

    #[test]
    fn free_json_loses_what_only_tests_names_and_what_is_too_deep() {
        let input = json!({ "url": "https://example.com", "SNAKE_case": "kept", "camelCase": ["kept"] });
        assert_eq!(simplified_json(&input), json!({ "url": "https://example.com" }));

        let long = "x".repeat(LONGEST_MEMBER);
        assert_eq!(
            simplified_json(&json!({ "properties": { "id": { "type": "string" }, "note": long } })),
            json!({ "properties": { "id": { "type": "string" } } })
        );
    }
}
