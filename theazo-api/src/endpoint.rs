//! What an operation is: one declaration that the server routes, the clients call and the documents list.
//!
//! ```
//! use theazo_api::{Endpoint, Method, Operation, ReadFile};
//!
//! let operation: &Operation = ReadFile::OPERATION;
//! assert_eq!(operation.path, "/v1/agents/{agentId}/files/{path...}");
//! assert_eq!(operation.path_parameters().collect::<Vec<_>>(), ["agentId", "path"]);
//! assert_eq!(operation.receiver_and_name(), ("agent.files", "read"));
//! assert_eq!(operation.routes().next(), Some((Method::Get, operation.path)));
//! println!("{}", operation.summary()); // With the feature `schema`.
//!
//! // What a declaration does not say is that of its method.
//! let own = Operation::base("Ping", "Answers.", Method::Get, "/ping", "ping");
//! assert_eq!((own.status, own.repeat), (200, theazo_api::Repeat::Safe));
//! ```

use serde::{Serialize, de::DeserializeOwned};

use crate::{Secret, check::Check};

/// An operation of the API as a type: its parts are typed, and [`Operation`] says the rest.
pub trait Endpoint: Send + Sync + 'static {
    /// The path parameters, named as in the path template; `()` where there are none.
    type Path: Serialize + DeserializeOwned + Send + 'static;
    /// The query parameters; `()` where there are none.
    type Query: Serialize + DeserializeOwned + Check + Send + 'static;
    /// The JSON body; `()` where there is none.
    type Body: Serialize + DeserializeOwned + Check + Send + 'static;
    /// The JSON answer, or the item of an event stream; `()` where the answer is empty.
    type Response: Serialize + DeserializeOwned + Send + 'static;

    /// Everything about the operation that is not a type.
    const OPERATION: &'static Operation;
}

/// Everything about an operation that is not a type.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Unique, stable id, for example `CreateSession`.
    pub id: &'static str,
    /// The documentation of the operation; the first line is its summary. Empty without the feature `schema`.
    pub doc: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// The path template. `{name}` takes one segment, `{name...}` takes the rest of the path.
    pub path: &'static str,
    /// Where the operation stands on the SDK's surface: receiver and name, for example `session.agents.create`.
    pub surface: &'static str,
    /// Query or body fields that the SDKs take by position, after the path parameters that the receiver does not know.
    pub positional: &'static [&'static str],
    /// Whether the operation may be sent again.
    pub repeat: Repeat,
    /// How long an answer may take.
    pub time: TimeClass,
    /// The form of a successful answer.
    pub reply: Reply,
    /// The HTTP status of a successful answer.
    pub status: u16,
    /// Body fields in which an unknown member is an error; `""` is the body itself. A typo must not mean "no limit".
    pub strict: &'static [&'static str],
    /// Published body fields that this version does not serve: they are refused, never silently dropped.
    pub planned_fields: &'static [&'static str],
    /// Whether dropping the call ends the work that it started on the server.
    pub ends_with_caller: bool,
    /// The operation that ends that work. The id that the stream's head gave (`x-theazo-run-id` or `x-theazo-exec-id`) is
    /// its last path parameter, those before it are the stream's own. The end of a connection alone ends no work: it may
    /// be lost, and the stream resumed.
    pub farewell: &'static str,
    /// The values of the member `type` or `event` after which nothing follows in a stream of events.
    pub last_events: &'static [&'static str],
    /// Whether the operation is one that we add to the published API.
    pub ours: bool,
    /// Whether this version does not serve the operation yet: it answers 501 `not_implemented`.
    pub planned: bool,
    /// Who may ask for it.
    pub access: Access,
    /// Routes of older versions that mean the same.
    pub older: &'static [(Method, &'static str)],
    /// Whether a page stands on the wire as its items alone; the cursor of the next page is in the header
    /// [`NEXT_CURSOR`].
    pub bare_list: bool,
    /// Fields of the query or body that the receiver fills in from its own data: `userId`, `sessionId`.
    pub fills: &'static [&'static str],
    /// What the body means where it is a map and not a type with documentation of its own.
    pub body_doc: &'static str,
    /// Which planes serve the operation.
    pub plane: Plane,
    /// Finds the secrets in a body of the operation, so that whoever shows something of a call can leave them out.
    pub secrets_in_body: fn(&[u8]) -> Vec<Secret>,
}

/// The header with the cursor of the next page, where a list is an array alone; absent on the last page.
pub const NEXT_CURSOR: &str = "x-next-cursor";

impl Operation {
    /// What a declaration starts from.
    pub const fn base(
        id: &'static str,
        doc: &'static str,
        method: Method,
        path: &'static str,
        surface: &'static str,
    ) -> Self {
        Self {
            id,
            doc,
            method,
            path,
            surface,
            positional: &[],
            repeat: match method {
                Method::Get => Repeat::Safe,
                Method::Post => Repeat::Keyed,
                Method::Put | Method::Patch | Method::Delete => Repeat::Idempotent,
            },
            time: TimeClass::Request,
            reply: Reply::Json,
            status: 200,
            strict: &[],
            planned_fields: &[],
            ends_with_caller: false,
            farewell: "",
            last_events: &["done", "error"],
            ours: false,
            planned: false,
            access: Access::Key,
            older: &[],
            bare_list: false,
            fills: &[],
            body_doc: "",
            plane: Plane::Public,
            secrets_in_body: |_| Vec::new(),
        }
    }

    /// Every route of the operation, the older ones last.
    pub fn routes(&self) -> impl Iterator<Item = (Method, &'static str)> + use<> {
        std::iter::once((self.method, self.path)).chain(self.older.iter().copied())
    }

    /// The names of the path parameters, in the order of the template.
    pub fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|segment| {
            let name = segment.strip_prefix('{')?.strip_suffix('}')?;
            Some(name.strip_suffix("...").unwrap_or(name))
        })
    }

    /// The receiver and the method name on the SDK's surface: `session.agents.create` is (`session.agents`, `create`).
    /// An operation of the client itself has an empty receiver.
    pub fn receiver_and_name(&self) -> (&'static str, &'static str) {
        self.surface.rsplit_once('.').unwrap_or(("", self.surface))
    }

    /// The first sentence of the documentation, in one line. Empty without the feature `schema`.
    pub fn summary(&self) -> String {
        let paragraph = self.doc.split("\n\n").next().unwrap_or_default();
        paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The HTTP methods that the API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates or acts.
    Post,
    /// Replaces or merges.
    Put,
    /// Changes a part.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// The method as it is sent, in capitals.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Whether an operation may be sent again after an unclear outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing.
    Safe,
    /// Doing it twice is the same as doing it once.
    Idempotent,
    /// It carries an idempotency key, the same for each attempt, and the server acts on the first alone.
    Keyed,
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeClass {
    /// A plain request: seconds.
    Request,
    /// An agent works: as long as it takes; the client re-attaches when a connection ends first.
    Run,
    /// As long as the query's `timeout` says; when it is over, the answer is the present state and no error.
    Wait,
    /// A stream of events: open until it ends.
    Stream,
}

/// The form of a successful answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// One JSON value.
    Json,
    /// Server-sent events, each with one JSON value.
    Events,
    /// A WebSocket, each message with one JSON value.
    Socket,
    /// Nothing that is read.
    Empty,
}

/// Who may ask for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever has an API key of the account.
    Key,
    /// Everyone.
    Open,
    /// Whoever knows the id in the path, which is a secret of its own: a visitor of a channel.
    Id,
    /// Whoever can sign the body with the secret of the resource: the caller of a trigger.
    Signature,
    /// A program in a sandbox, by the token in the address that it was given.
    Sandbox,
}

/// Which planes serve an operation, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Every control plane; a method of the client.
    Public,
    /// Every control plane; a method of the client that programs in a sandbox use.
    Bridge,
    /// Only a test plane.
    Test,
}

/// An operation with the schemas of its parts; a part that is `()` has none.
#[cfg(feature = "schema")]
pub struct Description {
    /// The operation.
    pub operation: &'static Operation,
    /// The schema of the path parameters.
    pub path: Option<schemars::Schema>,
    /// The schema of the query parameters.
    pub query: Option<schemars::Schema>,
    /// The schema of the body.
    pub body: Option<schemars::Schema>,
    /// The schema of the answer, or of a stream's item.
    pub response: Option<schemars::Schema>,
}

/// The schema of a part of an operation, or none for `()`.
#[cfg(feature = "schema")]
pub fn part_schema<T: schemars::JsonSchema + 'static>(
    generator: &mut schemars::SchemaGenerator,
) -> Option<schemars::Schema> {
    if std::any::TypeId::of::<T>() == std::any::TypeId::of::<()>() {
        None
    } else {
        Some(generator.subschema_for::<T>())
    }
}

/// Declares the operations of one resource: a type for each, `OPERATIONS`, and with the feature `schema`, `describe`.
macro_rules! endpoints {
    (@or $given:ty) => { $given };
    (@or) => { () };
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $method:ident $path:literal => $surface:literal
        $(, path: $Path:ty)? $(, query: $Query:ty)? $(, body: $Body:ty)? $(, response: $Response:ty)?
        $(, with { $($key:ident: $value:expr),+ $(,)? })? ;
    )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug, Clone, Copy)]
            pub struct $name;

            impl $crate::endpoint::Endpoint for $name {
                type Path = endpoints!(@or $($Path)?);
                type Query = endpoints!(@or $($Query)?);
                type Body = endpoints!(@or $($Body)?);
                type Response = endpoints!(@or $($Response)?);

                const OPERATION: &'static $crate::endpoint::Operation = &$crate::endpoint::Operation {
                    $($($key: $value,)+)?
                    secrets_in_body: $crate::secret::secrets_in::<<$name as $crate::endpoint::Endpoint>::Body>,
                    ..$crate::endpoint::Operation::base(
                        stringify!($name),
                        // A client needs no text at run time.
                        if cfg!(feature = "schema") { concat!($($doc, "\n"),+) } else { "" },
                        $crate::endpoint::Method::$method,
                        $path,
                        $surface,
                    )
                };
            }
        )+

        /// The operations that this module declares.
        pub(crate) const OPERATIONS: &[&$crate::endpoint::Operation] =
            &[$(<$name as $crate::endpoint::Endpoint>::OPERATION),+];

        /// The operations that this module declares, with their schemas.
        #[cfg(feature = "schema")]
        pub(crate) fn describe(generator: &mut schemars::SchemaGenerator) -> Vec<$crate::endpoint::Description> {
            vec![$($crate::endpoint::Description {
                operation: <$name as $crate::endpoint::Endpoint>::OPERATION,
                path: $crate::endpoint::part_schema::<<$name as $crate::endpoint::Endpoint>::Path>(generator),
                query: $crate::endpoint::part_schema::<<$name as $crate::endpoint::Endpoint>::Query>(generator),
                body: $crate::endpoint::part_schema::<<$name as $crate::endpoint::Endpoint>::Body>(generator),
                response: $crate::endpoint::part_schema::<<$name as $crate::endpoint::Endpoint>::Response>(generator),
            }),+]
        }
    };
}
pub(crate) use endpoints;
