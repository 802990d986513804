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
mod renaming;
mod tagged_union;

pub mod check;
pub mod error;
pub mod id;
pub mod money;
pub mod page;
pub mod patch;
pub mod secret;
pub mod time;

pub mod activity;
pub mod agents;
pub mod api_keys;
pub mod approvals;
pub mod billing;
pub mod budgets;
pub mod channels;
pub mod chat;
pub mod chat_messages;
pub mod events;
pub mod files;
pub mod fleets;
pub mod health;
pub mod knowledge;
pub mod knowledge_sources;
pub mod logs;
pub mod mcp;
pub mod metrics;
pub mod models;
pub mod runs;
pub mod schedules;
pub mod sessions;
pub mod stored_files;
pub mod tasks;
pub mod teams;
pub mod testing;
pub mod tools;
pub mod traces;
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
pub mod workflows;

pub use activity::*;
pub use agents::*;
pub use api_keys::*;
pub use approvals::*;
pub use billing::*;
pub use budgets::*;
pub use channels::*;
pub use chat::*;
pub use chat_messages::*;
pub use check::{Check, Problems};
pub use endpoint::{Access, Endpoint, Method, NEXT_CURSOR, Operation, Plane, Repeat, Reply, TimeClass};
pub use error::{ErrorBody, ErrorCode, ErrorDetail, FieldProblem};
pub use events::*;
pub use files::*;
pub use fleets::*;
pub use health::*;
pub use id::*;
pub use knowledge::*;
pub use knowledge_sources::*;
pub use logs::*;
pub use mcp::*;
pub use metrics::*;
pub use models::*;
pub use money::*;
pub use page::Page;
pub use parts::PARTS;
pub use patch::Patch;
pub use runs::*;
pub use schedules::*;
pub use secret::Secret;
pub use sessions::*;
pub use stored_files::*;
pub use tasks::*;
pub use teams::*;
pub use time::{DurationInput, Timestamp};
pub use tools::*;
pub use traces::*;
pub use triggers::*;
pub use usage::*;
pub use webhooks::*;
pub use workflow_check::*;
pub use workflow_graph::*;
pub use workflow_policies::*;
pub use workflow_runs::*;
pub use workflow_step_parts::*;
pub use workflow_steps::*;
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
        tools::OPERATIONS,
        mcp::OPERATIONS,
        stored_files::OPERATIONS,
        models::OPERATIONS,
        workflows::OPERATIONS,
        workflow_runs::OPERATIONS,
        approvals::OPERATIONS,
        schedules::OPERATIONS,
        triggers::OPERATIONS,
        events::OPERATIONS,
        fleets::OPERATIONS,
        teams::OPERATIONS,
        tasks::OPERATIONS,
        chat::OPERATIONS,
        chat_messages::OPERATIONS,
        knowledge::OPERATIONS,
        knowledge_sources::OPERATIONS,
        channels::OPERATIONS,
        logs::OPERATIONS,
        metrics::OPERATIONS,
        traces::OPERATIONS,
        activity::OPERATIONS,
        usage::OPERATIONS,
        billing::OPERATIONS,
        budgets::OPERATIONS,
        webhooks::OPERATIONS,
        api_keys::OPERATIONS,
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
        tools::describe,
        mcp::describe,
        stored_files::describe,
        models::describe,
        workflows::describe,
        workflow_runs::describe,
        approvals::describe,
        schedules::describe,
        triggers::describe,
        events::describe,
        fleets::describe,
        teams::describe,
        tasks::describe,
        chat::describe,
        chat_messages::describe,
        knowledge::describe,
        knowledge_sources::describe,
        channels::describe,
        logs::describe,
        metrics::describe,
        traces::describe,
        activity::describe,
        usage::describe,
        billing::describe,
        budgets::describe,
        webhooks::describe,
        api_keys::describe,
        health::describe,
        testing::describe,
    ]
    .iter()
    .flat_map(|describe| describe(generator))
    .collect()
}
