//! The journal of a run: what its events say is done, so that nothing journaled is ever asked for or done again.

use serde_json::{Map, Value};
use theazo_api::{ReservationId, RunId, ToolCall};

use crate::{
    event::{Event, RequestedCall},
    model::Message,
    store::{EventFilter, StoreError, Tenant, View},
};

/// Where a run stands.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Journal {
    /// The place in the log up to which it was read.
    read_up_to: i64,
    /// What was said since the task.
    pub messages: Vec<Message>,
    /// The tools that have returned.
    pub tool_calls: Vec<ToolCall>,
    /// The number of the next model call.
    pub step: u32,
    /// A model call whose answer is not known.
    pub in_flight: Option<ReservationId>,
    /// What the stream has shown of that answer.
    pub shown: String,
    /// The tools that the model asked for and that have not returned.
    pub pending: Vec<PendingCall>,
    /// The model's last word, when it asked for no more tools.
    pub answer: Option<String>,
}

/// A tool that has not returned.
#[derive(Debug, PartialEq)]
pub(super) struct PendingCall {
    /// Its place among the calls of its step.
    pub index: u32,
    /// What was asked for.
    pub call: RequestedCall,
    /// Whether it began: then whether it took effect is not known.
    pub started: bool,
}

impl Journal {
    /// Reads what the log has of one run since it was last read.
    pub fn read_on(&mut self, view: &View<'_>, tenant: &Tenant, run_id: &RunId) -> Result<(), StoreError> {
        let filter = EventFilter { after: self.read_up_to, run_id: Some(run_id.to_string()), ..EventFilter::default() };
        for stored in view.events(tenant, &filter)? {
            self.read_up_to = stored.sequence;
            self.apply(&stored.event);
        }
        Ok(())
    }

    /// Reads all that the log has of one run.
    pub fn of(view: &View<'_>, tenant: &Tenant, run_id: &RunId) -> Result<Self, StoreError> {
        let mut journal = Self::default();
        journal.read_on(view, tenant, run_id)?;
        Ok(journal)
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::ModelRequested { reservation, .. } => self.in_flight = Some(reservation.clone()),
            Event::ModelText { text, .. } => self.shown.push_str(text),
            Event::ModelFailed { .. } => self.in_flight = None,
            Event::ModelResponded { step, text, tool_calls, .. } => {
                self.in_flight = None;
                self.shown.clear();
                self.step = step + 1;
                let calls = tool_calls.iter().map(|call| (call.tool.clone(), call.input.clone())).collect();
                self.messages.push(Message::Assistant { text: text.clone(), tool_calls: calls });
                if tool_calls.is_empty() {
                    self.answer = Some(text.clone());
                }
                self.pending = (0..)
                    .zip(tool_calls)
                    .map(|(index, call)| PendingCall { index, call: call.clone(), started: false })
                    .collect();
            }
            Event::ToolStarted { index, .. } => {
                for pending in self.pending.iter_mut().filter(|pending| pending.index == *index) {
                    pending.started = true;
                }
            }
            Event::ToolFinished { index, call, .. } => {
                self.pending.retain(|pending| pending.index != *index);
                self.messages.push(Message::ToolResult { tool: call.tool.clone(), output: call.output.clone() });
                self.tool_calls.push(call.clone());
            }
            _ => {}
        }
    }

    /// The step that the pending tools belong to.
    pub fn tool_step(&self) -> u32 {
        self.step.saturating_sub(1)
    }
}

/// The input of a tool call, or an empty one.
pub(super) fn text_of<'a>(input: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    input.get(name).and_then(Value::as_str)
}
