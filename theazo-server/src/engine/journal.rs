//! The journal of a run: what its events say is done, so that nothing journaled is ever asked for or done again.

use theazo_api::{ReservationId, RunId, Timestamp, ToolCall};

use super::memory::Memory;
use crate::{
    event::{Event, RequestedCall, worded_input},
    model::{Message, ToolRequest},
    store::{EventFilter, StoreError, Tenant, View},
};

/// The kinds of events that say where a run stands.
const JOURNALED: [&str; 8] = [
    "input.received",
    "model.requested",
    "model.text",
    "model.responded",
    "model.failed",
    "tool.started",
    "tool.postponed",
    "tool.finished",
];

/// Where a run stands.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Journal {
    /// What its agent remembers.
    memory: Memory,
    /// The place in the log up to which it was read.
    read_up_to: i64,
    /// Whether its agent remembers anything of the run.
    is_remembered: bool,
    /// What was said since the task.
    pub messages: Vec<Message>,
    /// The tools that have returned.
    pub tool_calls: Vec<ToolCall>,
    /// The number of the next model call. What is not remembered is counted, so that no number comes twice.
    pub step: u32,
    /// The model call that the present tools were asked for in.
    pub tool_step: u32,
    /// A model call whose answer is not known.
    pub in_flight: Option<CallInFlight>,
    /// What the stream has shown of that answer, or of the one that failed.
    pub shown: String,
    /// How often the model failed to give the next answer.
    pub failures: u32,
    /// When it is asked again after a failure.
    pub ask_again_at: Option<Timestamp>,
    /// The names of the calls of the present step.
    call_ids: Vec<String>,
    /// The tools that the model asked for and that have not returned.
    pub pending: Vec<PendingCall>,
    /// The places of those of its step that have, in their order.
    returned: Vec<u32>,
    /// What was said to the run since the last model call.
    inputs: Vec<String>,
    /// The model's last word, when it asked for no more tools and nothing was said to it since.
    pub answer: Option<String>,
}

/// A model call whose answer is not known.
#[derive(Debug, PartialEq)]
pub(super) struct CallInFlight {
    /// What is reserved for it.
    pub reservation: ReservationId,
    /// About how many tokens went in.
    pub prompt_tokens: i64,
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
    /// The journal of a run of which nothing was read.
    pub fn new(memory: Memory) -> Self {
        Self { memory, ..Self::default() }
    }

    /// Reads what the log has of one run since it was last read.
    pub fn read_on(&mut self, view: &View<'_>, tenant: &Tenant, run_id: &RunId) -> Result<(), StoreError> {
        self.read(view, tenant, run_id, &JOURNALED)
    }

    /// Reads events of these kinds; of all kinds if there are none.
    fn read(
        &mut self,
        view: &View<'_>,
        tenant: &Tenant,
        run_id: &RunId,
        kinds: &[&'static str],
    ) -> Result<(), StoreError> {
        let (after, run_id, kinds) = (self.read_up_to, Some(run_id.to_string()), kinds.to_vec());
        for stored in view.events(tenant, &EventFilter { after, run_id, kinds, ..EventFilter::default() })? {
            self.read_up_to = stored.sequence;
            if self.memory.holds(stored.sequence) {
                self.is_remembered = true;
                self.apply(&stored.event);
            } else {
                self.count(&stored.event);
            }
        }
        Ok(())
    }

    /// Reads all that the log has of one run, whether its agent remembers it or not.
    pub fn of(view: &View<'_>, tenant: &Tenant, run_id: &RunId) -> Result<Self, StoreError> {
        let mut journal = Self::default();
        journal.read_on(view, tenant, run_id)?;
        Ok(journal)
    }

    /// Reads what an agent remembers of a run; nothing if it remembers nothing of it.
    pub fn remembered(
        view: &View<'_>,
        tenant: &Tenant,
        run_id: &RunId,
        memory: Memory,
    ) -> Result<Option<Self>, StoreError> {
        let mut journal = Self::new(memory);
        // An agent remembers a run of which it knows no more than that it began.
        journal.read(view, tenant, run_id, &[])?;
        Ok(journal.is_remembered.then_some(journal))
    }

    /// Counts what is not remembered.
    fn count(&mut self, event: &Event) {
        if let Event::ModelRequested { step, .. } | Event::ModelResponded { step, .. } = event {
            self.step = self.step.max(step + 1);
        }
    }

    fn apply(&mut self, event: &Event) {
        // So that what is not always read never counts.
        if !JOURNALED.contains(&event.kind()) {
            return;
        }
        match event {
            Event::ModelRequested { reservation, prompt_tokens, .. } => {
                let (reservation, prompt_tokens) = (reservation.clone(), *prompt_tokens);
                self.in_flight = Some(CallInFlight { reservation, prompt_tokens });
                // No request is made while there is something that it does not hold.
                self.messages.extend(self.inputs.drain(..).map(Message::User));
            }
            Event::InputReceived { content, kind, metadata } => {
                self.inputs.push(worded_input(content, kind, metadata.as_ref()));
                self.answer = None;
            }
            Event::ModelText { text, .. } => self.shown.push_str(text),
            Event::ModelFailed { retry_at, .. } => {
                self.in_flight = None;
                self.failures += 1;
                self.ask_again_at = *retry_at;
            }
            Event::ModelResponded { step, text, tool_calls, reasoning, .. } => {
                self.in_flight = None;
                self.failures = 0;
                self.ask_again_at = None;
                self.shown.clear();
                (self.step, self.tool_step) = (step + 1, *step);
                let requests: Vec<_> = (0..).zip(tool_calls).map(|(index, call)| request(*step, index, call)).collect();
                self.call_ids = requests.iter().map(|request| request.id.clone()).collect();
                let (text_so_far, reasoning) = (text.clone(), reasoning.clone());
                self.messages.push(Message::Assistant { text: text_so_far, tool_calls: requests, reasoning });
                if tool_calls.is_empty() && self.inputs.is_empty() {
                    self.answer = Some(text.clone());
                }
                self.returned.clear();
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
            // It stood still before it did anything.
            Event::ToolPostponed { index, .. } => {
                for pending in self.pending.iter_mut().filter(|pending| pending.index == *index) {
                    pending.started = false;
                }
            }
            Event::ToolFinished { index, call, failed, .. } => {
                self.pending.retain(|pending| pending.index != *index);
                self.add_result(*index, call, *failed);
            }
            _ => {}
        }
    }

    /// The place in the log up to which it was read.
    pub fn read_up_to(&self) -> i64 {
        self.read_up_to
    }

    /// What the next model call is told of this run.
    pub fn conversation(&self) -> impl Iterator<Item = Message> {
        self.messages.iter().cloned().chain(self.inputs.iter().cloned().map(Message::User))
    }

    /// Puts a result among those of its step, in the order in which the model asked, whichever returned first.
    fn add_result(&mut self, index: u32, call: &ToolCall, failed: bool) {
        let place = self.returned.partition_point(|other| *other < index);
        let after = self.returned.len() - place;
        self.returned.insert(place, index);
        let id = usize::try_from(index).ok().and_then(|index| self.call_ids.get(index));
        let result = Message::ToolResult {
            call_id: id.cloned().unwrap_or_default(),
            tool: call.tool.clone(),
            output: call.output.clone(),
            failed,
        };
        self.messages.insert(self.messages.len() - after, result);
        self.tool_calls.insert(self.tool_calls.len() - after, call.clone());
    }

    /// What was said, for the runs that come after: a call that never returned has a result that says so, because a model
    /// takes no conversation in which one is missing.
    pub fn into_history(mut self) -> Vec<Message> {
        for pending in std::mem::take(&mut self.pending) {
            let output = "error: interrupted: the run ended before this was done".to_owned();
            let RequestedCall { tool, input, .. } = pending.call;
            self.add_result(pending.index, &ToolCall { tool, input, output }, true);
        }
        self.messages.extend(self.inputs.into_iter().map(Message::User));
        self.messages
    }

    /// How many tools were called before the step that the pending ones belong to.
    pub fn calls_before_step(&self) -> usize {
        self.tool_calls.len() - self.returned.len()
    }
}

/// Whether something was said to a run after this place in the log.
pub(super) fn has_new_input(view: &View<'_>, tenant: &Tenant, run_id: &RunId, after: i64) -> Result<bool, StoreError> {
    let filter = EventFilter {
        after,
        run_id: Some(run_id.to_string()),
        kinds: vec!["input.received"],
        limit: Some(1),
        ..EventFilter::default()
    };
    Ok(!view.events(tenant, &filter)?.is_empty())
}

/// A call as the model is reminded of it. The oldest logs have no names of calls.
fn request(step: u32, index: u32, call: &RequestedCall) -> ToolRequest {
    let id = if call.id.is_empty() { format!("call_{step}_{index}") } else { call.id.clone() };
    ToolRequest { id, tool: call.tool.clone(), input: call.input.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;
    use theazo_api::usage::TokenUsage;

    use super::*;
    use crate::{event::DEFAULT_INPUT, model::StopReason};

    fn asked(tools: &[&str]) -> Event {
        let tool_calls = tools
            .iter()
            .map(|tool| RequestedCall { id: String::new(), tool: (*tool).to_owned(), input: Map::new() })
            .collect();
        Event::ModelResponded {
            step: 0,
            text: String::new(),
            tool_calls,
            tokens: TokenUsage::default(),
            cached_tokens: 0,
            reasoning_tokens: 0,
            reasoning: Vec::new(),
            stop: StopReason::ToolUse,
        }
    }

    fn started(index: u32) -> Event {
        Event::ToolStarted { step: 0, index, tool: String::new(), input: Map::new() }
    }

    fn finished(index: u32, tool: &str) -> Event {
        let call = ToolCall { tool: tool.to_owned(), input: Map::new(), output: format!("{tool} is done") };
        Event::ToolFinished { step: 0, index, call, failed: false }
    }

    fn journal(events: &[Event]) -> Journal {
        let mut journal = Journal::default();
        events.iter().for_each(|event| journal.apply(event));
        journal
    }

    fn tools(journal: &Journal) -> Vec<&str> {
        journal.tool_calls.iter().map(|call| call.tool.as_str()).collect()
    }

    #[test]
    fn results_stand_in_the_order_asked_whichever_came_first() {
        let first = [asked(&["a", "b", "c"]), finished(2, "c"), finished(0, "a"), finished(1, "b")];
        let second = [asked(&["d", "e"]), finished(1, "e"), finished(0, "d")];

        let journal = journal(&[&first[..], &second[..]].concat());

        assert_eq!(tools(&journal), ["a", "b", "c", "d", "e"]);
        let outputs: Vec<&str> = journal
            .messages
            .iter()
            .map(|message| match message {
                Message::ToolResult { tool, .. } => tool.as_str(),
                _ => "model",
            })
            .collect();
        assert_eq!(outputs, ["model", "a", "b", "c", "model", "d", "e"]);
        assert_eq!(journal.pending, []);
    }

    #[test]
    fn what_was_put_off_did_not_begin_and_what_never_returned_is_told_later() {
        let postponed = Event::ToolPostponed { step: 0, index: 1 };
        let journal = journal(&[asked(&["a", "b", "c"]), started(0), started(1), postponed, finished(2, "c")]);

        let pending: Vec<(u32, bool)> = journal.pending.iter().map(|call| (call.index, call.started)).collect();
        assert_eq!(pending, [(0, true), (1, false)]);
        let history = journal.into_history();
        let interrupted = "error: interrupted: the run ended before this was done";
        for (message, output) in history[1..].iter().zip([interrupted, interrupted, "c is done"]) {
            assert!(matches!(message, Message::ToolResult { output: said, .. } if said == output), "{message:?}");
        }
        assert_eq!(history.len(), 4);
    }

    #[test]
    fn an_answer_that_was_given_before_the_input_was_read_is_not_the_last() {
        let input = |content: &str| Event::InputReceived {
            content: content.to_owned(),
            kind: DEFAULT_INPUT.to_owned(),
            metadata: None,
        };
        let requested = Event::ModelRequested {
            step: 0,
            model: "offline".to_owned(),
            reservation: ReservationId::from("res_1"),
            attempt: 0,
            prompt_tokens: 0,
        };
        let said = |journal: &Journal| {
            let texts = journal.conversation().map(|message| match message {
                Message::User(text) => text,
                Message::Assistant { .. } => "model".to_owned(),
                Message::ToolResult { tool, .. } => tool,
            });
            texts.collect::<Vec<_>>()
        };

        let during = journal(&[requested.clone(), input("wait"), asked(&[])]);
        let after = journal(&[requested.clone(), asked(&[]), input("wait")]);
        let read = journal(&[requested.clone(), input("wait"), asked(&[]), requested, asked(&[])]);

        assert_eq!((&during.answer, &after.answer), (&None, &None));
        assert_eq!(said(&during), ["model", "wait"]);
        assert_eq!(said(&after), ["model", "wait"]);
        assert_eq!(said(&read), ["model", "wait", "model"]);
        assert!(read.answer.is_some());
    }

    /// The journals that versions of this program have written, with where each run stood. What was written once is read
    /// for ever: journals are added to the file, and never changed.
    #[test]
    fn row_19_every_golden_journal_is_replayed_to_where_its_run_stood() {
        let golden: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("golden_journals.json")).expect("the file is JSON");
        assert_eq!(golden.len(), 4);
        for case in golden {
            let name = &case["name"];
            let events: Vec<Event> = serde_json::from_value(case["events"].clone())
                .unwrap_or_else(|error| panic!("{name}: an event that was written cannot be read: {error}"));
            let journal = journal(&events);
            let said = journal.conversation().map(|message| match message {
                Message::User(text) => format!("user: {text}"),
                Message::Assistant { text, .. } => format!("model: {text}"),
                Message::ToolResult { tool, output, .. } => format!("{tool}: {output}"),
            });
            let pending = journal.pending.iter().map(|call| serde_json::json!([call.call.tool, call.started]));
            let stands = serde_json::json!({
                "step": journal.step,
                "answer": journal.answer,
                "pending": pending.collect::<Vec<_>>(),
                "inFlight": journal.in_flight.as_ref().map(|call| &call.reservation),
                "shown": journal.shown,
                "said": said.collect::<Vec<_>>(),
            });
            assert_eq!(stands, case["expected"], "{name}");
        }
    }
}
