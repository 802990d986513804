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

pub mod agent_definitions;
pub mod agent_options;
pub mod agent_policies;
pub mod agents;
pub mod attachments;
pub mod bridge;
pub mod checkpoints;
pub mod customizations;
pub mod exec;
pub mod files;
pub mod guardrails;
pub mod health;
pub mod logs;
pub mod ports;
pub mod providers;
pub mod runs;
pub mod secrets;
pub mod session_limits;
pub mod sessions;
pub mod snapshots;
pub mod testing;
pub mod usage;
pub mod webhooks;

pub use agent_definitions::*;
pub use agent_options::*;
pub use agent_policies::*;
pub use agents::*;
pub use attachments::*;
pub use bridge::*;
pub use check::{Check, Problems};
pub use checkpoints::*;
pub use customizations::*;
pub use endpoint::{Access, Endpoint, Method, NEXT_CURSOR, Operation, Plane, Repeat, Reply, TimeClass};
pub use error::{ErrorBody, ErrorCode, ErrorDetail, FieldProblem};
pub use exec::*;
pub use files::*;
pub use guardrails::*;
pub use health::*;
pub use id::*;
pub use logs::*;
pub use money::*;
pub use page::Page;
pub use parts::PARTS;
pub use patch::Patch;
pub use ports::*;
pub use providers::*;
pub use runs::*;
pub use secret::Secret;
pub use secrets::*;
pub use session_limits::*;
pub use sessions::*;
pub use snapshots::*;
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
        exec::OPERATIONS,
        files::OPERATIONS,
        ports::OPERATIONS,
        checkpoints::OPERATIONS,
        snapshots::OPERATIONS,
        runs::OPERATIONS,
        agent_definitions::OPERATIONS,
        attachments::OPERATIONS,
        customizations::OPERATIONS,
        guardrails::OPERATIONS,
        secrets::OPERATIONS,
        providers::OPERATIONS,
        logs::OPERATIONS,
        usage::OPERATIONS,
        webhooks::OPERATIONS,
        health::OPERATIONS,
        bridge::OPERATIONS,
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
        exec::describe,
        files::describe,
        ports::describe,
        checkpoints::describe,
        snapshots::describe,
        runs::describe,
        agent_definitions::describe,
        attachments::describe,
        customizations::describe,
        guardrails::describe,
        secrets::describe,
        providers::describe,
        logs::describe,
        usage::describe,
        webhooks::describe,
        health::describe,
        bridge::describe,
        testing::describe,
    ]
    .iter()
    .flat_map(|describe| describe(generator))
    .collect()
}
