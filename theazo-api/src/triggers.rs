//! Triggers: agents and workflows that run when an address is called or an event is emitted.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    check::{Check, Problems},
    endpoint::{Access, Reply, endpoints},
    events::check_event,
    id::{EventId, TriggerId, WorkflowId},
    open_enum::open_enum,
    page::Page,
    schedules::check_target,
    secret::Secret,
    sessions::{check_page_limit, check_user_id},
    time::Timestamp,
};

endpoints! {
    /// Creates a trigger for an agent or a workflow. The answer has the signing secret, this once.
    ///
    /// A trigger of the type `webhook` has an address that others call; one of the type `event` waits for
    /// `events.emit`. Each run is in the user's active session, which is created where there is none.
    CreateTrigger: Post "/v1/triggers" => "triggers.create",
        body: TriggerCreateOpts, response: Trigger,
        with { positional: &["name", "userId"], status: 201, planned: true };

    /// Lists triggers, the newest first. Their secrets are left out.
    ListTriggers: Get "/v1/triggers" => "triggers.list",
        query: TriggerListOpts, response: Page<Trigger>,
        with { bare_list: true, planned: true };

    /// Fetches a trigger. Its secret is left out.
    GetTrigger: Get "/v1/triggers/{triggerId}" => "triggers.get",
        path: TriggerPath, response: Trigger,
        with { ours: true, planned: true };

    /// Removes a trigger. Its address answers `not_found` from then on; a run that is under way ends as it would.
    DeleteTrigger: Delete "/v1/triggers/{triggerId}" => "triggers.delete",
        path: TriggerPath,
        with { status: 204, reply: Reply::Empty, planned: true };

    /// Fires a trigger: what it runs begins with the payload, and the answer does not wait for it.
    ///
    /// This is the trigger's `url`, which anybody can call who has its secret. The header `X-Trigger-Signature` has the
    /// HMAC-SHA256 of the body as it is sent, with the secret as the key, in hexadecimal digits, with or without
    /// `sha256=` before them. A wrong signature is refused with `unauthorized`. A call with an API key of the account,
    /// as this method makes it, needs no signature. A trigger of the type `event` cannot be fired so.
    FireTrigger: Post "/triggers/{triggerId}" => "triggers.fire",
        path: TriggerPath, body: Map<String, Value>, response: TriggerFiring,
        with {
            positional: &["payload"], body_doc: "What is passed on: steps of a workflow read it as `$.trigger`.",
            access: Access::Signature, status: 202, planned: true,
        };
}

/// The path of a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TriggerPath {
    /// The trigger.
    pub trigger_id: TriggerId,
}

open_enum! {
    /// What sets a trigger off.
    TriggerType {
        /// A call of its address.
        Webhook = "webhook",
        /// An event that is emitted.
        Event = "event",
    }
}

/// What a new trigger is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TriggerCreateOpts {
    /// The name, for people.
    pub name: String,
    /// The end user that the runs are for.
    pub user_id: String,
    /// What sets it off; `event` by default where `event` is given, and `webhook` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<TriggerType>,
    /// The name of the agent that is run, or the id of a definition. Either this or `workflowId` must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The workflow that is run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<WorkflowId>,
    /// The name of the event, for the type `event`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Members that the event's payload must have with these values, for the type `event`; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Map<String, Value>>,
}

impl TriggerCreateOpts {
    /// What sets the trigger off.
    ///
    /// ```
    /// use theazo_api::{TriggerCreateOpts, TriggerType};
    ///
    /// let opts = TriggerCreateOpts { event: Some("order.paid".to_owned()), ..Default::default() };
    /// assert_eq!(opts.kind(), TriggerType::Event);
    /// ```
    pub fn kind(&self) -> TriggerType {
        let by_default = if self.event.is_some() { TriggerType::Event } else { TriggerType::Webhook };
        self.r#type.clone().unwrap_or(by_default)
    }
}

impl Check for TriggerCreateOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            !self.name.trim().is_empty() && self.name.len() <= 128,
            "name",
            "must be 1 to 128 bytes of text",
        );
        check_user_id(&self.user_id, problems);
        check_target(self.agent.as_deref(), self.workflow_id.as_ref(), problems);
        match (self.kind(), &self.event) {
            (TriggerType::Event, Some(event)) => check_event(event, "event", problems),
            (TriggerType::Event, None) => problems.add("event", "must name the event that sets the trigger off"),
            (TriggerType::Webhook, event) => {
                problems.require(event.is_none(), "event", "belongs to a trigger of the type `event`");
                problems.require(self.filter.is_none(), "filter", "belongs to a trigger of the type `event`");
            }
            (TriggerType::Other(_), _) => problems.add("type", "must be `webhook` or `event`"),
        }
    }
}

/// Which triggers to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TriggerListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for TriggerListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// A trigger of an agent or a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// The id.
    pub id: TriggerId,
    /// The name.
    pub name: String,
    /// What sets it off.
    #[serde(default = "webhook")]
    pub r#type: TriggerType,
    /// The agent that is run; absent for a workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The workflow that is run; absent for an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<WorkflowId>,
    /// The end user that the runs are for.
    pub user_id: String,
    /// The address that is called to fire it; absent for the type `event`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The secret that calls are signed with; only in the answer that creates a trigger of the type `webhook`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// The name of the event; absent for the type `webhook`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Members that the event's payload must have with these values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Map<String, Value>>,
    /// Whether it can be fired.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// When it was last fired; null if it never was.
    #[serde(default)]
    pub last_fired_at: Option<Timestamp>,
    /// When it was created; null where a server does not say.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
}

/// Version 0.1.6 knows this type alone, and does not name it.
fn webhook() -> TriggerType {
    TriggerType::Webhook
}

/// Version 0.1.6 knows only triggers that can be fired.
fn yes() -> bool {
    true
}

/// That a trigger was fired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TriggerFiring {
    /// Whether what the trigger runs begins; false while the trigger is not enabled.
    pub accepted: bool,
    /// The id of the event, which the runs that begin and the logs name.
    pub event_id: EventId,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trigger_of_version_0_1_6_is_an_enabled_webhook() {
        let trigger: Trigger = serde_json::from_value(json!({
            "id": "trg_1", "name": "payments", "url": "https://api.theazo.com/triggers/trg_1", "secret": "s3cret",
            "agent": "payment_classifier", "userId": "ada",
        }))
        .unwrap();

        assert_eq!((&trigger.r#type, trigger.enabled), (&TriggerType::Webhook, true));
        assert!(!format!("{trigger:?}").contains("s3cret"));
    }

    #[test]
    fn the_type_follows_from_the_event() {
        let kind = |json: Value| serde_json::from_value::<TriggerCreateOpts>(json).unwrap().kind();

        assert_eq!(kind(json!({ "name": "a", "userId": "ada" })), TriggerType::Webhook);
        assert_eq!(kind(json!({ "name": "a", "userId": "ada", "event": "order.paid" })), TriggerType::Event);
    }

    #[test]
    fn a_trigger_has_what_its_type_needs_and_nothing_of_the_other() {
        let problems = |changes: Value| {
            let mut json = json!({ "name": "payments", "userId": "ada", "agent": "classifier" });
            json.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            let opts: TriggerCreateOpts = serde_json::from_value(json).unwrap();
            Problems::of(&opts).into_iter().map(|problem| problem.field).collect::<Vec<_>>()
        };

        assert_eq!(problems(json!({})), Vec::<String>::new());
        assert_eq!(problems(json!({ "type": "webhook" })), Vec::<String>::new());
        assert_eq!(problems(json!({ "event": "order.paid", "filter": { "plan": "pro" } })), Vec::<String>::new());
        assert_eq!(problems(json!({ "type": "event" })), ["event"]);
        assert_eq!(problems(json!({ "type": "webhook", "event": "order.paid", "filter": {} })), ["event", "filter"]);
        assert_eq!(problems(json!({ "type": "sms" })), ["type"]);
        assert_eq!(problems(json!({ "name": "", "event": "order paid" })), ["name", "event"]);
    }
}
