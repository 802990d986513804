//! The intermediate representation: what every renderer reads. It serializes, so that templates see the same fields.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

/// The whole contract.
#[derive(Debug, Serialize)]
pub struct Ir {
    /// The named types, each after its first mention in the order of the operations.
    pub types: Vec<TypeDefinition>,
    /// The class of each error code, in the order of the codes.
    pub errors: Vec<ErrorClass>,
    /// The operations, in the order of the reference; those of the test plane come last.
    pub operations: Vec<Operation>,
    /// The parts of the client and of its handles: what a receiver is for, by its name.
    pub parts: Vec<Part>,
    /// The schemas of the named types, pages and durations included, for OpenAPI.
    #[serde(skip)]
    pub schemas: BTreeMap<String, Value>,
}

impl Ir {
    /// The definition of a named type.
    pub fn named(&self, name: &str) -> Option<&TypeDefinition> {
        self.types.iter().find(|definition| definition.name() == name)
    }

    /// Whether a value of this type can hold a secret, however deep.
    pub fn reaches_secrets(&self, ty: &Type) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![ty];
        while let Some(ty) = open.pop() {
            match ty {
                Type::Secret => return true,
                Type::List(item) | Type::Map(item) | Type::Page(item) => open.push(item),
                Type::Named(name) if seen.insert(name) => {
                    open.extend(self.named(name).map(TypeDefinition::parts).unwrap_or_default());
                }
                _ => {}
            }
        }
        false
    }

    /// What a part of the client or of a handle is for.
    pub fn part_doc(&self, receiver: &str) -> &str {
        self.parts.iter().find(|part| part.receiver == receiver).map_or("", |part| part.doc.as_str())
    }
}

/// A part of the client or of a handle: methods that share a noun.
#[derive(Debug, Serialize)]
pub struct Part {
    /// `sessions`, `session.agents`.
    pub receiver: String,
    pub doc: String,
}

/// The errors with one code, in the languages where each code has a class.
#[derive(Debug, Serialize)]
pub struct ErrorClass {
    /// As in JSON: `not_found`.
    pub code: String,
    /// `NotFoundError`.
    pub name: String,
    pub doc: String,
    /// The HTTP status of an answer with it; 0 if only clients make it.
    pub status: u16,
}

/// The definition of a named type.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TypeDefinition {
    /// An object with known fields.
    Struct(Struct),
    /// Text with known values; others are kept.
    OpenEnum(OpenEnum),
    /// An object whose member `tag` says which variant it is; unknown variants are kept.
    TaggedUnion(TaggedUnion),
    /// A value in one of several forms, told apart by their kind of JSON.
    Choice(Choice),
    /// Text that names a resource.
    Id(Id),
}

impl TypeDefinition {
    /// The name, in PascalCase.
    pub fn name(&self) -> &str {
        match self {
            Self::Struct(Struct { name, .. })
            | Self::OpenEnum(OpenEnum { name, .. })
            | Self::TaggedUnion(TaggedUnion { name, .. })
            | Self::Choice(Choice { name, .. })
            | Self::Id(Id { name, .. }) => name,
        }
    }
}

impl TypeDefinition {
    /// The types that it is made of.
    pub fn parts(&self) -> Vec<&Type> {
        match self {
            Self::Struct(definition) => definition.fields.iter().map(|field| &field.ty).collect(),
            Self::TaggedUnion(union) => {
                union.variants.iter().flat_map(|variant| &variant.fields).map(|field| &field.ty).collect()
            }
            Self::Choice(choice) => choice.alternatives.iter().map(|alternative| &alternative.ty).collect(),
            Self::OpenEnum(_) | Self::Id(_) => Vec::new(),
        }
    }
}

/// An object with known fields.
#[derive(Debug, Serialize)]
pub struct Struct {
    pub name: String,
    pub doc: String,
    pub fields: Vec<Field>,
    /// What it is used for.
    pub role: Role,
    /// The handle that has this data, for `SessionData`, `AgentData` and so on.
    pub handle: Option<Handle>,
    /// Whether requests have it, in a body, a query or inside of one.
    pub in_requests: bool,
    /// Whether answers have it, directly or inside of one.
    pub in_answers: bool,
}

/// What a struct is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Path parameters: the surfaces do not show it.
    Path,
    /// The query or body of an operation as a whole: the surfaces show its fields as arguments and options.
    Input,
    /// A value of its own.
    Data,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// The name in JSON: camelCase.
    pub wire_name: String,
    pub snake_name: String,
    /// The same as `wire_name`.
    pub camel_name: String,
    pub doc: String,
    pub ty: Type,
    /// Whether it is always there, in an answer as in a request.
    pub required: bool,
    /// Whether it may be null; an absent one means the same.
    pub nullable: bool,
    /// Whether null is a value of its own: absent leaves what was there, null clears it.
    pub patch: bool,
    /// What an absent one means, where that is a value: `""`, `false`, `[]`.
    pub default: Option<Value>,
    /// Whether it is text on the wire only because JSON has no bytes: base64.
    pub base64: bool,
}

/// Text with known values.
#[derive(Debug, Serialize)]
pub struct OpenEnum {
    pub name: String,
    pub doc: String,
    pub values: Vec<EnumValue>,
}

/// A known value of an open enumeration.
#[derive(Debug, Serialize)]
pub struct EnumValue {
    /// PascalCase.
    pub name: String,
    /// As in JSON.
    pub value: String,
    pub doc: String,
}

/// An object whose member `tag` says which variant it is.
#[derive(Debug, Serialize)]
pub struct TaggedUnion {
    pub name: String,
    pub doc: String,
    pub tag: String,
    pub variants: Vec<Variant>,
    /// Whether requests have it.
    pub in_requests: bool,
    /// Whether answers have it.
    pub in_answers: bool,
}

/// A value in one of several forms, told apart by their kind of JSON.
#[derive(Debug, Serialize)]
pub struct Choice {
    pub name: String,
    pub doc: String,
    pub alternatives: Vec<Alternative>,
    /// Whether requests have it.
    pub in_requests: bool,
    /// Whether answers have it.
    pub in_answers: bool,
}

/// One form of a choice.
#[derive(Debug, Serialize)]
pub struct Alternative {
    /// PascalCase.
    pub name: String,
    /// The kind of JSON: `text`, `flag`, `number`, `list`, `object`.
    pub form: String,
    pub doc: String,
    pub ty: Type,
}

/// A variant of a tagged union.
#[derive(Debug, Serialize)]
pub struct Variant {
    /// The value of the tag: snake_case.
    pub tag_value: String,
    /// PascalCase.
    pub name: String,
    pub doc: String,
    /// The fields without the tag.
    pub fields: Vec<Field>,
}

/// Text that names a resource.
#[derive(Debug, Serialize)]
pub struct Id {
    pub name: String,
    /// With its underscore.
    pub prefix: String,
    pub doc: String,
}

/// The type of a field, an argument or an answer. In templates: `{"kind": "list", "item": ...}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "item", rename_all = "snake_case")]
pub enum Type {
    String,
    /// Text that is never shown.
    Secret,
    I64,
    I32,
    F64,
    Bool,
    /// ISO 8601 in UTC.
    Timestamp,
    /// A duration in a request: text, an object or milliseconds.
    Duration,
    /// An object with any members.
    Json,
    /// Any JSON value, null included.
    Any,
    List(Box<Type>),
    /// A map from text.
    Map(Box<Type>),
    /// A type of [`Ir::types`].
    Named(String),
    /// One page of a list: `data`, `hasMore`, `cursor`.
    Page(Box<Type>),
}

impl Type {
    /// The named type in it, however deep.
    pub fn named(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::List(item) | Self::Map(item) | Self::Page(item) => item.named(),
            _ => None,
        }
    }
}

/// A handle: data with methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Handle {
    Session,
    Agent,
    Run,
    Fleet,
    Team,
}

impl Handle {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Session, Self::Agent, Self::Run, Self::Fleet, Self::Team];

    /// The struct with its data.
    pub const fn data(self) -> &'static str {
        match self {
            Self::Session => "SessionData",
            Self::Agent => "AgentData",
            Self::Run => "RunData",
            Self::Fleet => "FleetData",
            Self::Team => "TeamData",
        }
    }

    /// The first part of the receivers that have it.
    pub const fn receiver(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Agent => "agent",
            Self::Run => "run",
            Self::Fleet => "fleet",
            Self::Team => "team",
        }
    }

    /// The path parameter that it knows.
    pub const fn path_parameter(self) -> &'static str {
        match self {
            Self::Session => "sessionId",
            Self::Agent => "agentId",
            Self::Run => "runId",
            Self::Fleet => "fleetId",
            Self::Team => "teamId",
        }
    }
}

/// An operation as it stands on the surfaces.
#[derive(Debug, Serialize)]
pub struct Operation {
    /// Unique, for example `CreateSession`; what `theazo::transport::operation` takes.
    pub id: String,
    pub doc: String,
    /// The first paragraph of the documentation, in one line.
    pub summary: String,
    /// In capitals.
    pub method: &'static str,
    /// The template, as in the contract.
    pub path: String,
    /// All path parameters, in the order of the template.
    pub path_parameters: Vec<Field>,
    /// `` for the client itself, else `sessions`, `session`, `session.agents`, ...
    pub receiver: String,
    /// The handle that the receiver is, or is a part of; it knows its path parameter.
    pub receiver_handle: Option<Handle>,
    /// camelCase, as in the contract.
    pub camel_name: String,
    pub snake_name: String,
    /// What the surfaces take by position, in order: path parameters that the receiver does not know, then the
    /// `positional` of the contract, then what else is required.
    pub arguments: Vec<Argument>,
    /// The other fields of query and body, in the order of the contract.
    pub options: Vec<Argument>,
    /// Fields of query and body that the receiver fills in from its own data.
    pub filled: Vec<Argument>,
    /// The struct of the path parameters.
    pub path_type: Option<String>,
    /// The struct of the query.
    pub query_type: Option<String>,
    /// The struct of the body.
    pub body_type: Option<String>,
    /// Whether there is a body; one that is a map has no struct.
    pub has_body: bool,
    /// Whether the one positional argument is the whole body.
    pub whole_body: bool,
    /// The answer, or the item of a stream; none where nothing is read.
    pub response: Option<Type>,
    /// The handle that the answer is.
    pub returns_handle: Option<Handle>,
    /// The handle that the items of the answered page are.
    pub page_of_handle: Option<Handle>,
    /// Whether the answer is new data for the handle that it was called on.
    pub refreshes_handle: bool,
    pub reply: Reply,
    pub status: u16,
    pub time: TimeClass,
    pub repeat: Repeat,
    /// Whether leaving it ends the work on the server.
    pub ends_with_caller: bool,
    /// The operation that ends that work; empty where there is none.
    pub farewell: String,
    /// The values of `type` or `event` after which nothing follows in a stream.
    pub last_events: Vec<String>,
    /// Whether it is added to the published API.
    pub ours: bool,
    /// Whether this version does not serve it yet.
    pub planned: bool,
    pub access: Access,
    /// Routes of older versions that mean the same: method in capitals and path.
    pub older: Vec<(String, String)>,
    /// Whether its page stands on the wire as the items alone, with the cursor in a header.
    pub bare_list: bool,
    pub plane: Plane,
    pub strict: Vec<String>,
    pub planned_fields: Vec<String>,
}

/// An argument or an option: a field and where it goes.
#[derive(Debug, Clone, Serialize)]
pub struct Argument {
    #[serde(flatten)]
    pub field: Field,
    pub place: Place,
}

/// Where an argument goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Path,
    Query,
    /// A member of the body.
    Body,
    /// The argument is the body.
    WholeBody,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Json,
    Events,
    Socket,
    Empty,
}

impl Reply {
    /// Whether it is a stream, over whatever it comes.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Events | Self::Socket)
    }
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeClass {
    Request,
    Run,
    Wait,
    Stream,
}

/// Whether an operation may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    Safe,
    Idempotent,
    Keyed,
}

/// Who may ask for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    Key,
    Open,
    Id,
    Signature,
    Sandbox,
}

/// Which planes serve an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plane {
    Public,
    Bridge,
    Test,
}
