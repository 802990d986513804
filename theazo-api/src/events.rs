//! Events: what your own system reports, so that triggers fire and waiting workflows go on.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    check::{Check, Problems},
    endpoint::endpoints,
    id::EventId,
    sessions::check_user_id,
    time::Timestamp,
};

endpoints! {
    /// Emits an event: the triggers that match it fire, and the workflow runs that wait for it go on.
    ///
    /// The answer does not wait for what begins. With `userId` only triggers and runs of this user match, without it
    /// those of all users.
    EmitEvent: Post "/v1/events" => "events.emit",
        body: EventEmitOpts, response: EmittedEvent,
        with { positional: &["event"], status: 202, planned: true };
}

/// What an event is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EventEmitOpts {
    /// The name, for example `order.paid`.
    pub event: String,
    /// The end user that it concerns; all users by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// What it carries: the input of what begins, and the output of the steps that wait for it; empty by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Map<String, Value>>,
}

impl Check for EventEmitOpts {
    fn check(&self, problems: &mut Problems) {
        check_event(&self.event, "event", problems);
        if let Some(user_id) = &self.user_id {
            check_user_id(user_id, problems);
        }
    }
}

/// Checks the name of an event: one word, however it is punctuated.
///
/// ```
/// let mut problems = theazo_api::Problems::default();
/// theazo_api::check_event("order.paid", "event", &mut problems);
/// assert!(problems.into_result().is_ok());
/// ```
pub fn check_event(event: &str, field: &str, problems: &mut Problems) {
    let is_word = !event.chars().any(|letter| letter.is_whitespace() || letter.is_control());
    problems.require(
        is_word && (1..=128).contains(&event.len()),
        field,
        "must be a name such as `order.paid`: 1 to 128 bytes without spaces",
    );
}

/// An event that was emitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EmittedEvent {
    /// The id, which the runs that begin and the logs name.
    pub id: EventId,
    /// The name.
    pub event: String,
    /// The end user that it concerns; null for all.
    #[serde(default)]
    pub user_id: Option<String>,
    /// How many triggers it fires.
    #[serde(default)]
    pub triggers: i64,
    /// How many workflow runs waited for it and go on.
    #[serde(default)]
    pub resumed_runs: i64,
    /// When it was emitted.
    pub emitted_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_name_without_spaces() {
        let problems =
            |event: &str| Problems::of(&EventEmitOpts { event: event.to_owned(), ..EventEmitOpts::default() }).len();

        assert_eq!(problems("order.paid"), 0);
        assert_eq!(problems("Bestellung/bezahlt:2"), 0);
        assert_eq!((problems(""), problems("order paid"), problems(&"x".repeat(129))), (1, 1, 1));
    }
}
