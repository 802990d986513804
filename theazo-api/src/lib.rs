//! The Theazo wire contract: every type and every operation, defined once.
//!
//! The server's routes, the Rust client, `openapi.json` and the TypeScript and Python surfaces all come from this crate.
//! It does no I/O, reads no clock and no environment, and names no HTTP library. State that only a server or only a
//! client knows stays out.
//!
//! Reading order: [`endpoint`] (what an operation is), the shared vocabulary ([`id`], [`money`], [`time`], [`page`],
//! [`error`]), then one module per resource.

mod choice;
pub mod compatible;
pub mod endpoint;
mod open_enum;
mod parts;
mod tagged_union;

pub mod check;
pub mod error;
pub mod id;
pub mod money;
pub mod page;
pub mod patch;
pub mod secret;
pub mod time;

pub mod agents;
pub mod channels;
pub mod chat;
pub mod chat_messages;
pub mod files;
pub mod fleets;
pub mod health;
pub mod knowledge;
pub mod knowledge_sources;
pub mod logs;
pub mod runs;
pub mod sessions;
pub mod tasks;
pub mod teams;
pub mod testing;
pub mod usage;
pub mod webhooks;

pub use agents::*;
pub use channels::*;
pub use chat::*;
pub use chat_messages::*;
pub use check::{Check, Problems};
pub use endpoint::{Access, Endpoint, Method, NEXT_CURSOR, Operation, Plane, Repeat, Reply, TimeClass};
pub use error::{ErrorBody, ErrorCode, ErrorDetail, FieldProblem};
pub use files::*;
pub use fleets::*;
pub use health::*;
pub use id::*;
pub use knowledge::*;
pub use knowledge_sources::*;
pub use logs::*;
pub use money::*;
pub use page::Page;
pub use parts::PARTS;
pub use patch::Patch;
pub use runs::*;
pub use secret::Secret;
pub use sessions::*;
pub use tasks::*;
pub use teams::*;
pub use time::{DurationInput, Timestamp};
pub use usage::*;
pub use webhooks::*;

/// The OpenAPI 3.1 document of the public API, as `cargo xtask codegen` writes it.
#[cfg(feature = "openapi")]
pub const OPENAPI: &str = include_str!("../openapi.json");

/// The operations of the public API, in the order of the reference.
pub fn operations() -> Vec<&'static Operation> {
    [
        sessions::OPERATIONS,
        agents::OPERATIONS,
        files::OPERATIONS,
        runs::OPERATIONS,
        fleets::OPERATIONS,
        teams::OPERATIONS,
        tasks::OPERATIONS,
        chat::OPERATIONS,
        chat_messages::OPERATIONS,
        knowledge::OPERATIONS,
        knowledge_sources::OPERATIONS,
        channels::OPERATIONS,
        logs::OPERATIONS,
        usage::OPERATIONS,
        webhooks::OPERATIONS,
        health::OPERATIONS,
    ]
    .concat()
}

/// The operations that only a test plane serves: scripting, clock, faults, and looking back.
pub fn test_operations() -> Vec<&'static Operation> {
    testing::OPERATIONS.to_vec()
}

/// The JSON Schemas of every operation, the test plane's included; all share the generator's definitions.
#[cfg(feature = "schema")]
pub fn describe(generator: &mut schemars::SchemaGenerator) -> Vec<endpoint::Description> {
    [
        sessions::describe,
        agents::describe,
        files::describe,
        runs::describe,
        fleets::describe,
        teams::describe,
        tasks::describe,
        chat::describe,
        chat_messages::describe,
        knowledge::describe,
        knowledge_sources::describe,
        channels::describe,
        logs::describe,
        usage::describe,
        webhooks::describe,
        health::describe,
        testing::describe,
    ]
    .iter()
    .flat_map(|describe| describe(generator))
    .collect()
}
