//! Where the published client for JavaScript has a form of its own that its applications count on.
//!
//! Names that other versions use on the wire are declared in `theazo-api` (`compatible!`); this says what TypeScript makes of
//! them, and what a published method returns that is less than the whole answer.

use super::super::ir::{Operation, Type};

/// Lists of the published client that are pages; its others are arrays.
const PAGES: &[&str] =
    &["ListSessions", "ListAgents", "ListWorkflowRuns", "ListFleetResults", "ListChats", "ListChatMessages"];

/// Whether a list is an array for published clients, and so an array with the rest of the page here.
pub fn is_array(operation: &Operation) -> bool {
    !operation.ours && matches!(operation.response, Some(Type::Page(_))) && !PAGES.contains(&operation.id.as_str())
}

/// The member of the answer that is all that the method returns.
pub fn returned_member(operation: &Operation) -> Option<&'static str> {
    match operation.id.as_str() {
        "ExposePort" | "GetFileUrl" => Some("url"),
        _ => None,
    }
}

/// The member of the answer that is a list, where the method returns that list with the rest of the answer on it.
pub fn returned_list(operation: &Operation) -> Option<&'static str> {
    (operation.id == "RefreshMcpTools").then_some("tools")
}

/// Whether the answer may be null.
pub fn is_nullable(operation: &Operation) -> bool {
    operation.id == "GetSubscription"
}

/// What the method takes besides, as published clients write it: a type of `published.ts`.
pub fn other_input(operation: &Operation) -> Option<&'static str> {
    match operation.id.as_str() {
        "ExecInAgent" => Some("ExecOptsByLang"),
        "UploadFile" => Some("FileUploadOptsByFile"),
        _ => None,
    }
}

/// What the status of the handle is after a call whose answer does not say it.
pub fn status_after(operation: &Operation) -> Option<&'static str> {
    (operation.id == "PauseAgent").then_some("paused")
}

/// A member that answers have under another name too: the type, the member, its type and what it is.
pub struct OtherMember {
    pub owner: &'static str,
    pub name: &'static str,
    pub ty: &'static str,
    /// Whether requests have it, so that it may be left out.
    pub optional: bool,
    /// The name that it has with us.
    pub ours: &'static str,
}

const fn served(owner: &'static str, name: &'static str, ty: &'static str, ours: &'static str) -> OtherMember {
    OtherMember { owner, name, ty, optional: false, ours }
}

const fn accepted(owner: &'static str, name: &'static str, ty: &'static str, ours: &'static str) -> OtherMember {
    OtherMember { owner, name, ty, optional: true, ours }
}

/// The members that published applications read or write under another name.
pub const OTHER_MEMBERS: &[OtherMember] = &[
    served("FleetStatus", "total", "number", "progress.total"),
    served("FleetStatus", "completed", "number", "progress.completed"),
    served("FleetStatus", "failed", "number", "progress.failed"),
    served("FleetStatus", "running", "number", "progress.running"),
    served("FleetStatus", "pending", "number", "progress.pending"),
    served("Task", "taskId", "TaskId", "id"),
    served("ScheduleExecution", "executionId", "ScheduleExecutionId", "id"),
    served("ChatHandoff", "toTarget", "string", "to"),
    served("ChatToolCall", "name", "string", "tool"),
    served("Channel", "agentDefinitionId", "string", "agent"),
    served("KnowledgeStats", "storageGB", "number", "storageGb"),
    served("AgentDefinition", "instructions", "string", "systemPrompt"),
    accepted("AgentDefinitionOpts", "instructions", "string", "systemPrompt"),
    accepted("AgentDefinitionUpdate", "instructions", "string", "systemPrompt"),
    accepted("WorkflowRun", "idempotencyKey", "string", "runKey"),
    accepted("GuardrailConfig", "blockPII", "boolean", "blockPii"),
    accepted("KnowledgeFile", "content", "FileInput", "data"),
    accepted("KnowledgeSyncOpts", "schedule", "string", "syncSchedule"),
];
