//! Fleets: one agent on many inputs, each item a run of its own, under one cap.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    check::{Check, Problems},
    compatible::{Compatible, compatible, serve, serve_value},
    endpoint::{Method, Repeat, Reply, TimeClass, endpoints},
    error::ErrorDetail,
    id::{AgentId, FleetId, FleetItemId, SessionId},
    money::Cost,
    open_enum::open_enum,
    page::Page,
    sessions::{SessionPath, check_agent_name, check_page_limit},
    tagged_union::tagged_union,
    time::{DurationInput, Timestamp},
};

endpoints! {
    /// Runs one agent on many inputs and returns at once, with the fleet that works them off.
    ///
    /// Each input becomes an item with a run and a sandbox of its own. `fleet.stream` gives the results as they come,
    /// `fleet.wait` waits for the last.
    DispatchFleet: Post "/v1/sessions/{sessionId}/fleets" => "session.fleets.dispatch",
        path: SessionPath, body: FleetDispatchOpts, response: FleetData,
        with { positional: &["agent", "inputs"], status: 201, strict: &["maxCost"], planned: true };

    /// Lists the fleets of the session, the newest first.
    ListFleets: Get "/v1/sessions/{sessionId}/fleets" => "session.fleets.list",
        path: SessionPath, query: FleetListFilters, response: Page<FleetData>,
        with { ours: true, planned: true };

    /// Fetches a fleet, to go on with it where its id alone is known.
    GetFleet: Get "/v1/fleets/{fleetId}/info" => "fleets.get",
        path: FleetPath, response: FleetData,
        with { ours: true, planned: true };

    /// Counts the items of the fleet by their state and sums up what they cost so far.
    GetFleetStatus: Get "/v1/fleets/{fleetId}" => "fleet.status",
        path: FleetPath, response: FleetStatus,
        with { older: &[(Method::Get, "/v1/fleets/{fleetId}/status")], planned: true };

    /// Lists the items of the fleet with their results, in the order of the inputs.
    ListFleetResults: Get "/v1/fleets/{fleetId}/results" => "fleet.results",
        path: FleetPath, query: FleetResultsFilters, response: Page<FleetItemResult>,
        with { planned: true };

    /// Streams what happened and happens in the fleet, from its beginning, until nothing is left to do.
    ///
    /// `fleet.completed` or `fleet.cancelled` is the last event and has the totals. The stream of a paused fleet stays
    /// open and goes on with it.
    StreamFleet: Get "/v1/fleets/{fleetId}/stream" => "fleet.stream",
        path: FleetPath, response: FleetStreamEvent,
        with {
            time: TimeClass::Stream, reply: Reply::Events, last_events: &["fleet.completed", "fleet.cancelled"],
            planned: true,
        };

    /// Waits until nothing is left to do, or until the fleet is paused, and counts its items.
    ///
    /// Items that failed are no error of this call: `progress.failed` counts them, and `status` says how the fleet ended.
    WaitForFleet: Get "/v1/fleets/{fleetId}/result" => "fleet.wait",
        path: FleetPath, response: FleetStatus,
        with { time: TimeClass::Run, ours: true, planned: true };

    /// Pauses the fleet: items under way are finished, and no other one begins.
    PauseFleet: Post "/v1/fleets/{fleetId}/pause" => "fleet.pause",
        path: FleetPath, response: FleetData,
        with { repeat: Repeat::Idempotent, ours: true, planned: true };

    /// Resumes a paused fleet, whether it was paused by a call or by its failure policy. Failed items stay failed.
    ResumeFleet: Post "/v1/fleets/{fleetId}/resume" => "fleet.resume",
        path: FleetPath, response: FleetData,
        with { repeat: Repeat::Idempotent, ours: true, planned: true };

    /// Cancels the fleet with its items under way. What is completed stays and is paid for.
    CancelFleet: Post "/v1/fleets/{fleetId}/cancel" => "fleet.cancel",
        path: FleetPath, response: FleetData,
        with { repeat: Repeat::Idempotent, planned: true };
}

/// The path of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FleetPath {
    /// The fleet.
    pub fleet_id: FleetId,
}

open_enum! {
    /// What becomes of a fleet when one of its items fails.
    FleetFailurePolicy {
        /// The failure is recorded, and the other items go on.
        Continue = "continue",
        /// Every item that is not done is cancelled at once, and the fleet has failed.
        Abort = "abort",
        /// No other item begins, and the fleet is paused until it is resumed.
        Pause = "pause",
    }
}

/// What a new fleet is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct FleetDispatchOpts {
    /// The name of the agent, or the id of a definition.
    pub agent: String,
    /// The inputs, 1 to 10000: each becomes an item.
    pub inputs: Vec<Map<String, Value>>,
    /// How many items are worked on at once, 1 to 1000; 10 by default, and never more than the provider allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<i64>,
    /// How long one item may take, a second at least; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
    /// What all items may cost together; no limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Cost>,
    /// What becomes of the fleet when an item fails; `continue` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_policy: Option<FleetFailurePolicy>,
}

impl Compatible for FleetDispatchOpts {
    const TOUCHED: &[&str] = &["failurePolicy"];

    fn accept(members: &mut Map<String, Value>) {
        if members.get("failurePolicy").and_then(Value::as_str) == Some("stop-on-first") {
            members.insert("failurePolicy".to_owned(), "abort".into());
        }
    }
}

compatible!(FleetDispatchOpts by functions);

impl Check for FleetDispatchOpts {
    fn check(&self, problems: &mut Problems) {
        check_agent_name(&self.agent, problems);
        problems.require((1..=10_000).contains(&self.inputs.len()), "inputs", "must be 1 to 10000 objects");
        if let Some(concurrency) = self.concurrency {
            problems.require((1..=1000).contains(&concurrency), "concurrency", "must be a whole number from 1 to 1000");
        }
        if let Some(timeout) = self.timeout {
            // The documentation's numbers are seconds, a duration's are milliseconds: neither is guessed.
            problems.require(
                timeout.0.as_secs() >= 1,
                "timeout",
                "must be at least a second; a bare number is milliseconds, so write `300s` or {\"seconds\": 300}",
            );
        }
        if let Some(max_cost) = &self.max_cost {
            problems.within("maxCost", max_cost);
        }
        if let Some(FleetFailurePolicy::Other(_)) = &self.failure_policy {
            problems.add("failurePolicy", "must be `continue`, `abort` or `pause`");
        }
    }
}

open_enum! {
    /// The state of a fleet.
    FleetState {
        /// Its items are being made.
        Dispatching = "dispatching",
        /// Its items are worked on.
        Running = "running",
        /// No item begins until it is resumed.
        Paused = "paused",
        /// No item is left; some may have failed.
        Completed = "completed",
        /// An item failed, and the others were cancelled as the failure policy says.
        Failed = "failed",
        /// It was cancelled.
        Cancelled = "cancelled",
        /// It reached its cost limit, and the items that were left were cancelled.
        CostLimited = "cost_limited",
    }
}

impl FleetState {
    /// Whether nothing is left to do.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::CostLimited)
    }
}

/// A fleet: one agent on many inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FleetData {
    /// The id.
    pub id: FleetId,
    /// The session.
    pub session_id: SessionId,
    /// The end user; empty in an anonymous session.
    #[serde(default)]
    pub user_id: String,
    /// The name of the agent, or the id of its definition.
    pub agent: String,
    /// How many items it has.
    pub total_items: i64,
    /// The state.
    pub status: FleetState,
    /// How many items are worked on at once.
    pub concurrency: i64,
    /// What becomes of it when an item fails.
    pub failure_policy: FleetFailurePolicy,
    /// What all items may cost together; absent if that is not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Cost>,
    /// When it was dispatched.
    pub created_at: Timestamp,
    /// When nothing was left to do.
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
}

/// Which fleets to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FleetListFilters {
    /// Only fleets in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<FleetState>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for FleetListFilters {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// How far a fleet is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct FleetStatus {
    /// The fleet.
    pub id: FleetId,
    /// The state.
    pub status: FleetState,
    /// The name of the agent, or the id of its definition.
    #[serde(default)]
    pub agent: String,
    /// How many items are in which state.
    pub progress: FleetProgress,
    /// What the items cost so far.
    pub cost: Cost,
    /// How many items are worked on at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<i64>,
    /// When it was dispatched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When nothing was left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
}

/// Version 0.1.6 has the counts flat, 0.1.9 some of them a second time and the cost as a number of cents.
impl Compatible for FleetStatus {
    const TOUCHED: &[&str] = &["totalCost", "cost"];

    fn accept(members: &mut Map<String, Value>) {
        if let Some(cents) = members.remove("totalCost") {
            members.entry("cost").or_insert_with(|| serde_json::json!({ "amount": cents }));
        }
    }

    fn serve(members: &mut Map<String, Value>) {
        if let Some(cents) = members.get("cost").and_then(|cost| cost.get("amount")).cloned() {
            serve_value(members, "totalCost", cents);
        }
        serve_counts(members);
        serve(members, "total", "totalItems");
        serve(members, "completed", "completedItems");
        serve(members, "failed", "failedItems");
    }
}

compatible!(FleetStatus by functions);

/// Shows the counts of `progress` beside it.
fn serve_counts(members: &mut Map<String, Value>) {
    if let Some(Value::Object(counts)) = members.get("progress").cloned() {
        members.extend(counts);
    }
}

/// How many items of a fleet are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FleetProgress {
    /// All items.
    pub total: i64,
    /// Items that have a result.
    pub completed: i64,
    /// Items that ended with an error.
    pub failed: i64,
    /// Items that are worked on.
    pub running: i64,
    /// Items that have not begun.
    pub pending: i64,
    /// Items that were cancelled before they had a result.
    #[serde(default)]
    pub cancelled: i64,
}

open_enum! {
    /// The state of an item of a fleet.
    FleetItemStatus {
        /// It has not begun.
        Pending = "pending",
        /// It is worked on.
        Running = "running",
        /// It has a result.
        Completed = "completed",
        /// It ended with an error.
        Failed = "failed",
        /// It was cancelled before it had a result.
        Cancelled = "cancelled",
    }
}

/// Which items of a fleet to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FleetResultsFilters {
    /// Only items in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<FleetItemStatus>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for FleetResultsFilters {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// An item of a fleet and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FleetItemResult {
    /// The id.
    pub id: FleetItemId,
    /// The place of its input among the inputs, from 0.
    pub item_index: i64,
    /// The agent that works on it; absent until there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// The input.
    pub input: Map<String, Value>,
    /// What the agent answered; null until it is completed.
    #[serde(default)]
    pub output: Option<String>,
    /// The state.
    pub status: FleetItemStatus,
    /// What it cost so far.
    pub cost: Cost,
    /// How long it was worked on, for people: `4.2s`.
    pub duration: String,
    /// How long it was worked on, in milliseconds.
    #[serde(default)]
    pub duration_ms: i64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorDetail>,
}

tagged_union! {
    /// Something that happens in a fleet.
    ///
    /// `fleet.completed` ends the stream of a fleet whose items were all worked on; `fleet.cancelled` ends one that was
    /// stopped before.
    FleetStreamEvent by "event", serves flat_members {
        /// The stream is open. What happened before follows.
        Connected = "connected" {
            /// The fleet.
            fleet_id: FleetId,
        },
        /// The counts have changed.
        FleetProgress = "fleet.progress" {
            /// How many items are in which state.
            progress: FleetProgress,
            /// What the items cost so far.
            cost: Cost,
        },
        /// An item has a result.
        ItemCompleted = "item.completed" {
            /// The item.
            item: FleetItemResult,
        },
        /// An item ended with an error.
        ItemFailed = "item.failed" {
            /// The item.
            item: FleetItemResult,
        },
        /// No item begins until the fleet is resumed.
        FleetPaused = "fleet.paused" {
            /// Why, for people.
            reason: String,
        },
        /// No item is left.
        FleetCompleted = "fleet.completed" {
            /// How many items are in which state.
            progress: FleetProgress,
            /// What the items cost.
            cost: Cost,
            /// How long it took, for people: `3m 12s`.
            duration: String,
            /// How long it took, in milliseconds.
            duration_ms: i64,
        },
        /// The items that were left were cancelled.
        FleetCancelled = "fleet.cancelled" {
            /// How it ended: `cancelled`, `failed` or `cost_limited`.
            status: FleetState,
            /// How many items are in which state.
            progress: FleetProgress,
            /// What the items cost.
            cost: Cost,
        },
    }
}

/// Version 0.1.6 takes every event for an item, and 0.1.9 has the counts flat.
fn flat_members(members: &mut Map<String, Value>) {
    serve_counts(members);
    if let Some(Value::Object(item)) = members.get("item").cloned() {
        members.extend(item);
    }
}

impl FleetStreamEvent {
    /// Whether nothing follows.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::FleetCompleted { .. } | Self::FleetCancelled { .. })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compatible::for_published_clients;

    #[test]
    fn the_documented_failure_policy_is_accepted() {
        let documented: FleetDispatchOpts =
            serde_json::from_value(json!({ "agent": "researcher", "inputs": [{}], "failurePolicy": "stop-on-first" }))
                .unwrap();

        assert_eq!(documented.failure_policy, Some(FleetFailurePolicy::Abort));
        assert_eq!(Problems::of(&documented), []);
    }

    #[test]
    fn a_number_of_seconds_is_not_taken_for_milliseconds() {
        let seconds: FleetDispatchOpts =
            serde_json::from_value(json!({ "agent": "researcher", "inputs": [{}], "timeout": 300 })).unwrap();

        assert_eq!(Problems::of(&seconds)[0].field, "timeout");
    }

    #[test]
    fn an_input_is_needed_and_a_cost_is_not_negative() {
        let wrong: FleetDispatchOpts = serde_json::from_value(json!({
            "agent": " ", "inputs": [], "concurrency": 0, "maxCost": { "amount": -1 }, "failurePolicy": "explode",
        }))
        .unwrap();

        let fields: Vec<String> = Problems::of(&wrong).into_iter().map(|problem| problem.field).collect();

        assert_eq!(fields, ["agent", "inputs", "concurrency", "maxCost.amount", "failurePolicy"]);
    }

    fn status() -> FleetStatus {
        FleetStatus {
            id: "flt_1".into(),
            status: FleetState::Running,
            agent: "researcher".to_owned(),
            progress: FleetProgress { total: 500, completed: 234, failed: 3, running: 10, pending: 253, cancelled: 0 },
            cost: Cost::cents(842),
            concurrency: Some(10),
            created_at: None,
            completed_at: None,
        }
    }

    #[test]
    fn the_status_is_served_with_the_counts_of_every_version() {
        let served = for_published_clients(|| serde_json::to_value(status()).unwrap());

        for (name, value) in [
            ("total", json!(500)),
            ("completed", json!(234)),
            ("failed", json!(3)),
            ("running", json!(10)),
            ("pending", json!(253)),
            ("totalItems", json!(500)),
            ("completedItems", json!(234)),
            ("failedItems", json!(3)),
            ("totalCost", json!(842)),
            ("cost", json!({ "amount": 842, "currency": "usd" })),
        ] {
            assert_eq!(served[name], value, "{name}");
        }
        assert_eq!(serde_json::to_value(status()).unwrap().get("total"), None);
    }

    #[test]
    fn a_status_of_version_0_1_9_is_read() {
        let published = json!({
            "id": "flt_1", "status": "running", "totalItems": 500, "completedItems": 234, "failedItems": 3,
            "totalCost": 842, "agent": "researcher", "concurrency": 10,
            "progress": { "completed": 234, "failed": 3, "pending": 253, "running": 10, "total": 500 },
        });

        assert_eq!(serde_json::from_value::<FleetStatus>(published).unwrap(), status());
    }

    #[test]
    fn an_event_of_an_item_is_served_as_the_item_too() {
        let event = json!({
            "event": "item.completed",
            "item": {
                "id": "item_1", "itemIndex": 4, "input": { "url": "https://example.com" }, "output": "fine",
                "status": "completed", "cost": { "amount": 2, "currency": "usd" }, "duration": "4.2s", "durationMs": 4210,
            },
        });
        let read: FleetStreamEvent = serde_json::from_value(event.clone()).unwrap();

        let served = for_published_clients(|| serde_json::to_value(&read).unwrap());

        assert_eq!(serde_json::to_value(&read).unwrap(), event);
        for name in ["itemIndex", "input", "output", "status", "cost", "duration"] {
            assert_eq!(served[name], event["item"][name], "{name}");
        }
        assert_eq!(served["event"], "item.completed");
    }

    #[test]
    fn the_totals_of_a_completed_fleet_are_served_flat() {
        let progress = FleetProgress { total: 2, completed: 2, ..FleetProgress::default() };
        let done = FleetStreamEvent::FleetCompleted {
            progress,
            cost: Cost::cents(7),
            duration: "9s".to_owned(),
            duration_ms: 9000,
        };

        let served = for_published_clients(|| serde_json::to_value(&done).unwrap());

        assert_eq!((&served["total"], &served["completed"]), (&json!(2), &json!(2)));
        assert!(done.is_terminal());
    }
}
