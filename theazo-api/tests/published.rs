//! What the published client gets wrong in the shapes of the API, by the numbers of `docs/published-client.md`: that the
//! contract has what was missing.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use theazo_api::{Operation, Reply, operations};

fn document() -> Value {
    serde_json::from_str(include_str!("../openapi.json")).unwrap()
}

/// The names of the members of a type.
fn members(document: &Value, name: &str) -> BTreeSet<String> {
    let schema = &document["components"]["schemas"][name];
    let properties = schema["properties"].as_object().unwrap_or_else(|| panic!("`{name}` has no members: {schema}"));
    properties.keys().cloned().collect()
}

fn operation(surface: &str) -> &'static Operation {
    let found = operations().into_iter().find(|operation| operation.surface == surface);
    found.unwrap_or_else(|| panic!("there is no `{surface}`"))
}

#[test]
fn members_that_were_missing_are_there() {
    let document = document();
    for (number, name, wanted) in [
        ("N22", "FleetItemResult", &["error", "status", "cost"][..]),
        ("N1", "TeamRun", &["id", "status", "error", "cost", "durationMs"]),
        ("N4", "TeamRunStarted", &["runId"]),
        ("N9", "SessionRunOpts", &["knowledge", "mcp", "maxCost"]),
        ("N15", "KnowledgeUpload", &["files"]),
        ("N15", "KnowledgeFileResult", &["error"]),
        ("N18", "Task", &["agent", "input", "queuedAt", "error"]),
        ("N21", "SessionData", &["environment", "limits", "pausedAt", "terminatedAt"]),
        ("P10", "FileUploadOpts", &["mimeType"]),
        ("P11", "BulkApprovalResult", &["results", "succeeded", "failed"]),
        ("P21", "SessionForUserOpts", &["environment"]),
        ("Y1", "WorkflowRunStepResult", &["cost"]),
        ("Y4", "WorkflowRun", &["output", "input", "error", "userId", "sessionId"]),
        ("Y9", "Approval", &["runId", "workflowRunId", "stepId", "sessionId"]),
        ("Y12", "Schedule", &["nextRunAt", "lastRunAt", "input", "workflowId"]),
        ("Y13", "TraceSpan", &["parentSpanId", "status", "error"]),
        ("Y14", "ChatHandoff", &["to"]),
        ("Y14", "ChatHandoffOpts", &["to"]),
        ("Y15", "ChatMessage", &["conversationId", "threadId"]),
        ("Y16", "LimitsStatus", &["maxCost", "maxAgents", "maxComputeMinutes", "maxDuration"]),
        ("Y18", "AgentDefinitionUpdate", &["name", "description", "browser", "timeout", "compute"]),
    ] {
        let have = members(&document, name);
        for member in wanted {
            assert!(have.contains(*member), "{number}: `{name}` has no `{member}`: {have:?}");
        }
    }
}

#[test]
fn y1_every_cost_is_a_cost_or_has_the_exact_amount_beside_it() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut seen = 0;
    for (name, schema) in schemas {
        for member in ["cost", "totalCost"] {
            let Some(ty) = schema["properties"].get(member) else { continue };
            let text = ty.to_string();
            // The published client reads cents as a bare number here.
            if name == "WorkflowRunStepResult" {
                assert!(members(&document, name).contains("microCents"));
                continue;
            }
            assert!(text.contains("schemas/Cost"), "`{name}.{member}` is {text}");
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen}");
}

#[test]
fn y2_every_duration_is_taken_in_every_notation() {
    use theazo_api::DurationInput;

    for spelt in
        [json!("10m"), json!({ "minutes": 10 }), json!(600_000), json!("600000ms"), json!("0.16666666666666666h")]
    {
        let duration: DurationInput = serde_json::from_value(spelt.clone()).unwrap();
        assert_eq!(duration.0.as_secs(), 600, "{spelt}");
    }
    let document = document();
    for (name, member) in [("SessionRunOpts", "timeout"), ("AgentCreateOpts", "timeout")] {
        let ty = document["components"]["schemas"][name]["properties"][member].to_string();
        assert!(ty.contains("schemas/DurationInput"), "`{name}.{member}` is {ty}");
    }
}

#[test]
fn y3_a_step_can_pause_wait_and_be_cancelled() {
    use theazo_api::WorkflowStepStatus::{Cancelled, Paused, Waiting};

    let known = [Paused, Waiting, Cancelled].map(|status| serde_json::to_value(status).unwrap());
    assert_eq!(known, ["paused", "waiting", "cancelled"]);
}

#[test]
fn y5_every_stream_has_typed_events_of_which_some_are_errors() {
    let document = document();
    for operation in operations().into_iter().filter(|operation| operation.reply != Reply::Json) {
        if operation.reply == Reply::Empty {
            continue;
        }
        let path = operation.path.replace("...}", "}");
        let content = &document["paths"][&path][operation.method.as_str().to_lowercase()]["responses"];
        assert!(content.to_string().contains("#/components/schemas/"), "{}: {content}", operation.id);
    }
    for (stream, failure) in [
        ("StreamEvent", "error"),
        ("ChatStreamEvent", "error"),
        ("WorkflowStreamEvent", "run.failed"),
        ("TeamStreamEvent", "error"),
    ] {
        let schema = document["components"]["schemas"][stream].to_string();
        assert!(schema.contains(&format!(r#""const":"{failure}""#)), "E13: `{stream}` has no `{failure}`: {schema}");
    }
}

#[test]
fn e14_tool_events_have_the_id_of_their_call_and_one_name_each() {
    use theazo_api::{ChatStreamEvent, StreamEvent};

    let agent: StreamEvent =
        serde_json::from_value(json!({ "type": "tool_call", "toolCallId": "call_1", "tool": "search", "input": {} }))
            .unwrap();
    let chat: ChatStreamEvent =
        serde_json::from_value(json!({ "type": "tool_call", "toolCallId": "call_1", "name": "search", "input": {} }))
            .unwrap();

    let StreamEvent::ToolCall { tool_call_id, tool, .. } = agent else { panic!("{agent:?}") };
    assert_eq!((tool_call_id.as_deref(), tool.as_str()), (Some("call_1"), "search"));
    let ChatStreamEvent::ToolCall { tool_call_id, tool, .. } = chat else { panic!("{chat:?}") };
    assert_eq!((tool_call_id.as_deref(), tool.as_str()), (Some("call_1"), "search"));
}

#[test]
fn y10_states_and_purposes_are_enumerations() {
    let document = document();
    for (name, member) in [
        ("WorkflowRun", "status"),
        ("FleetItemResult", "status"),
        ("TeamRun", "status"),
        ("Task", "status"),
        ("StoredFile", "purpose"),
        ("Approval", "status"),
        ("SessionData", "status"),
        ("AgentData", "status"),
    ] {
        let ty = document["components"]["schemas"][name]["properties"][member].to_string();
        assert!(ty.contains("#/components/schemas/"), "`{name}.{member}` is free text: {ty}");
    }
}

#[test]
fn lists_that_could_not_be_paged_can_be() {
    let document = document();
    for (number, surface) in [
        ("N10", "agents.list"),
        ("N11", "session.chat.list"),
        ("N11", "session.chat.messages"),
        ("N16", "session.chat.threadMessages"),
        ("N18", "session.tasks.list"),
        ("P6", "traces.list"),
        ("P7", "approvals.list"),
        ("P7", "schedules.list"),
        ("P7", "triggers.list"),
        ("P7", "tools.list"),
        ("P7", "webhooks.list"),
        ("P7", "agents.definitions"),
        ("P9", "mcp.list"),
    ] {
        let operation = operation(surface);
        let parameters =
            document["paths"][operation.path][operation.method.as_str().to_lowercase()]["parameters"].to_string();
        assert!(parameters.contains("limit") && parameters.contains("cursor"), "{number}: {surface}: {parameters}");
    }
}

#[test]
fn operations_that_were_missing_are_there() {
    for (number, surface) in [
        ("A7", "run.cancel"),
        ("A11", "agent.files.delete"),
        ("A11", "agent.files.rename"),
        ("A11", "agent.files.makeDir"),
        ("A16", "agent.ports.list"),
        ("A16", "agent.ports.close"),
        ("A17", "runs.get"),
        ("A17", "session.runs.list"),
        ("N4", "teamRuns.wait"),
        ("N4", "teamRuns.stream"),
        ("N6", "teamRuns.cancel"),
        ("N16", "session.chat.sendInThread"),
        ("N22", "fleets.get"),
        ("N22", "session.fleets.list"),
        ("N22", "teams.get"),
        ("N22", "session.teams.list"),
        ("P5", "workflows.runAndStream"),
        ("P10", "files.download"),
        ("P15", "mcp.getServerConfig"),
        ("P17", "billing.setBudgetOfUser"),
        ("P17", "billing.getBudgetOfUser"),
        ("P18", "apiKeys.create"),
        ("P18", "secrets.set"),
        ("P18", "providers.set"),
        ("P18", "agents.getDefinition"),
        ("P18", "agents.deleteDefinition"),
        ("P18", "agents.duplicateDefinition"),
    ] {
        assert!(!operation(surface).id.is_empty(), "{number}");
    }
}

#[test]
fn t18_parameters_of_a_query_are_single_values() {
    let document = document();
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for parameter in
            methods.as_object().unwrap().values().flat_map(|one| one["parameters"].as_array().into_iter().flatten())
        {
            if parameter["in"] == "query" {
                let ty = parameter["schema"].to_string();
                assert!(
                    !ty.contains(r#""array""#) && !ty.contains(r#""object""#),
                    "{path} {}: {ty}",
                    parameter["name"]
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn p20_a_secret_is_shown_once() {
    let shown = |name: &str| members(&document(), name).contains("secret");

    assert!(shown("Webhook"), "the answer of `webhooks.create` has it");
    let doc = document()["components"]["schemas"]["Webhook"]["properties"]["secret"].to_string();
    assert!(doc.contains("whole when the webhook is created, its first 8 characters afterwards"), "{doc}");
}
