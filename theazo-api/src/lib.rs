//! The Theazo wire contract: every type and every operation, defined once.
//!
//! The server's routes, the Rust client, `openapi.json` and the TypeScript and Python surfaces all come from this crate.
//! It does no I/O, reads no clock and no environment, and names no HTTP library. State that only a server or only a
//! client knows stays out.
//!
//! Values tolerate the future: an unknown member is passed over, and a text or a variant that this version does not know
//! survives as it came.
//!
//! ```
//! use theazo_api::{AgentStatus, RunId, RunStatus, StreamEvent};
//!
//! let status = AgentStatus::from("hibernating");
//! assert_eq!(status, AgentStatus::Other("hibernating".to_owned()));
//! assert_eq!(status.as_str(), "hibernating");
//! assert!(RunStatus::Completed.is_terminal());
//!
//! let event: StreamEvent = serde_json::from_str(r#"{"type":"text","text":"hello","addedLater":1}"#)?;
//! assert_eq!(event.tag(), "text");
//! assert!(!event.is_terminal());
//!
//! let id = RunId::from_suffix("c81f0b6de352");
//! assert_eq!(id.as_str(), "arun_c81f0b6de352");
//! assert!(id.is_well_formed() && !RunId::from("agt_1").is_well_formed());
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! Reading order: [`endpoint`] (what an operation is), the shared vocabulary ([`id`], [`money`], [`time`], [`page`],
//! [`error`]), then one module per resource.

mod accepting;
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

pub mod activity;
pub mod agent_definitions;
pub mod agent_network;
pub mod agent_options;
pub mod agent_policies;
pub mod agents;
pub mod api_keys;
pub mod approvals;
pub mod attachments;
pub mod billing;
pub mod bridge;
pub mod budgets;
pub mod channels;
pub mod chat;
pub mod chat_messages;
pub mod checkpoints;
pub mod customizations;
pub mod events;
pub mod exec;
pub mod files;
pub mod fleets;
pub mod guardrails;
pub mod health;
pub mod knowledge;
pub mod knowledge_sources;
pub mod logs;
pub mod mcp;
pub mod metrics;
pub mod models;
pub mod ports;
pub mod providers;
pub mod runs;
pub mod schedules;
pub mod secrets;
pub mod session_limits;
pub mod sessions;
pub mod size;
pub mod snapshots;
pub mod stored_files;
pub mod tasks;
pub mod teams;
pub mod testing;
mod testing_conversation;
mod testing_records;
pub mod tools;
pub mod traces;
pub mod triggers;
pub mod usage;
pub mod webhooks;
pub mod workflow_chain;
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

pub use activity::*;
pub use agent_definitions::*;
pub use agent_network::*;
pub use agent_options::*;
pub use agent_policies::*;
pub use agents::*;
pub use api_keys::*;
pub use approvals::*;
pub use attachments::*;
pub use billing::*;
pub use bridge::*;
pub use budgets::*;
pub use channels::*;
pub use chat::*;
pub use chat_messages::*;
pub use check::{Check, Problems};
pub use checkpoints::*;
pub use customizations::*;
pub use endpoint::{Access, Endpoint, Method, NEXT_CURSOR, Operation, Plane, Repeat, Reply, TimeClass};
pub use error::{ErrorBody, ErrorCode, ErrorDetail, FieldProblem};
pub use events::*;
pub use exec::*;
pub use files::*;
pub use fleets::*;
pub use guardrails::*;
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
pub use ports::*;
pub use providers::*;
pub use runs::*;
pub use schedules::*;
pub use secret::Secret;
pub use secrets::*;
pub use session_limits::*;
pub use sessions::*;
pub use snapshots::*;
pub use stored_files::*;
pub use tasks::*;
pub use teams::*;
pub use time::{DurationInput, Timestamp};
pub use tools::*;
pub use traces::*;
pub use triggers::*;
pub use usage::*;
pub use webhooks::*;
pub use workflow_chain::*;
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
///
/// ```
/// let operations = theazo_api::operations();
/// let create = operations.iter().find(|operation| operation.id == "CreateSession").unwrap();
/// assert_eq!((create.method.as_str(), create.path, create.surface), ("POST", "/v1/sessions", "sessions.create"));
/// ```
pub fn operations() -> Vec<&'static Operation> {
    [
        sessions::OPERATIONS,
        agents::OPERATIONS,
        agent_definitions::OPERATIONS,
        attachments::OPERATIONS,
        customizations::OPERATIONS,
        files::OPERATIONS,
        exec::OPERATIONS,
        ports::OPERATIONS,
        checkpoints::OPERATIONS,
        snapshots::OPERATIONS,
        runs::OPERATIONS,
        tasks::OPERATIONS,
        fleets::OPERATIONS,
        teams::OPERATIONS,
        chat::OPERATIONS,
        chat_messages::OPERATIONS,
        knowledge::OPERATIONS,
        knowledge_sources::OPERATIONS,
        workflows::OPERATIONS,
        workflow_runs::OPERATIONS,
        approvals::OPERATIONS,
        schedules::OPERATIONS,
        triggers::OPERATIONS,
        events::OPERATIONS,
        tools::OPERATIONS,
        mcp::OPERATIONS,
        channels::OPERATIONS,
        guardrails::OPERATIONS,
        stored_files::OPERATIONS,
        secrets::OPERATIONS,
        providers::OPERATIONS,
        models::OPERATIONS,
        logs::OPERATIONS,
        metrics::OPERATIONS,
        traces::OPERATIONS,
        activity::OPERATIONS,
        usage::OPERATIONS,
        billing::OPERATIONS,
        budgets::OPERATIONS,
        api_keys::OPERATIONS,
        webhooks::OPERATIONS,
        bridge::OPERATIONS,
        health::OPERATIONS,
    ]
    .concat()
}

/// The operations that only a test plane serves: scripting, clock, faults, and looking back.
///
/// ```
/// assert!(theazo_api::test_operations().iter().all(|operation| operation.path.starts_with("/testing/")));
/// ```
pub fn test_operations() -> Vec<&'static Operation> {
    testing::OPERATIONS.to_vec()
}

/// The JSON Schemas of every operation, the test plane's included; all share the generator's definitions.
#[cfg(feature = "schema")]
pub fn describe(generator: &mut schemars::SchemaGenerator) -> Vec<endpoint::Description> {
    [
        sessions::describe,
        agents::describe,
        agent_definitions::describe,
        attachments::describe,
        customizations::describe,
        files::describe,
        exec::describe,
        ports::describe,
        checkpoints::describe,
        snapshots::describe,
        runs::describe,
        tasks::describe,
        fleets::describe,
        teams::describe,
        chat::describe,
        chat_messages::describe,
        knowledge::describe,
        knowledge_sources::describe,
        workflows::describe,
        workflow_runs::describe,
        approvals::describe,
        schedules::describe,
        triggers::describe,
        events::describe,
        tools::describe,
        mcp::describe,
        channels::describe,
        guardrails::describe,
        stored_files::describe,
        secrets::describe,
        providers::describe,
        models::describe,
        logs::describe,
        metrics::describe,
        traces::describe,
        activity::describe,
        usage::describe,
        billing::describe,
        budgets::describe,
        api_keys::describe,
        webhooks::describe,
        bridge::describe,
        health::describe,
        testing::describe,
    ]
    .iter()
    .flat_map(|describe| describe(generator))
    .collect()
}
