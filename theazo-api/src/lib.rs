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
pub mod approvals;
pub mod events;
pub mod files;
pub mod health;
pub mod logs;
pub mod runs;
pub mod schedules;
pub mod sessions;
pub mod testing;
pub mod triggers;
pub mod usage;
pub mod webhooks;
pub mod workflow_check;
pub mod workflow_graph;
pub mod workflow_policies;
mod workflow_references;
pub mod workflow_runs;
mod workflow_step_check;
pub mod workflow_step_parts;
pub mod workflow_steps;
pub mod workflow_stream;
pub mod workflows;

pub use agents::*;
pub use approvals::*;
pub use check::{Check, Problems};
pub use endpoint::{Access, Endpoint, Method, NEXT_CURSOR, Operation, Plane, Repeat, Reply, TimeClass};
pub use error::{ErrorBody, ErrorCode, ErrorDetail, FieldProblem};
pub use events::*;
pub use files::*;
pub use health::*;
pub use id::*;
pub use logs::*;
pub use money::*;
pub use page::Page;
pub use parts::PARTS;
pub use patch::Patch;
pub use runs::*;
pub use schedules::*;
pub use secret::Secret;
pub use sessions::*;
pub use time::{DurationInput, Timestamp};
pub use triggers::*;
pub use usage::*;
pub use webhooks::*;
pub use workflow_check::*;
pub use workflow_graph::*;
pub use workflow_policies::*;
pub use workflow_runs::*;
pub use workflow_step_parts::*;
pub use workflow_steps::*;
pub use workflow_stream::*;
pub use workflows::*;

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
        workflows::OPERATIONS,
        workflow_runs::OPERATIONS,
        approvals::OPERATIONS,
        schedules::OPERATIONS,
        triggers::OPERATIONS,
        events::OPERATIONS,
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
        workflows::describe,
        workflow_runs::describe,
        approvals::describe,
        schedules::describe,
        triggers::describe,
        events::describe,
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
