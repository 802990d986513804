//! Which event is the last one of a stream.

use memchr::memmem::Finder;
use serde::Deserialize;
use theazo_api::Operation;

/// The events after which nothing follows in the streams of an operation.
pub(super) struct LastEvents {
    /// Each with what looks for its name. Made for each event, it would take longer than most events do.
    names: Vec<(&'static str, Finder<'static>)>,
}

impl LastEvents {
    /// Those of an operation.
    pub fn of(operation: &Operation) -> Self {
        Self { names: operation.last_events.iter().map(|name| (*name, Finder::new(name))).collect() }
    }

    /// Whether nothing follows an event: its member `type` or `event` is one of the names.
    pub fn have(&self, data: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(borrow, default, rename = "type")]
            kind: std::borrow::Cow<'a, str>,
            #[serde(borrow, default)]
            event: std::borrow::Cow<'a, str>,
        }

        // Most events cannot be the last one, which a look for the name tells faster than reading the JSON.
        self.names.iter().any(|(name, finder)| has_quoted(data, name, finder))
            && serde_json::from_slice::<Head<'_>>(data)
                .is_ok_and(|head| self.names.iter().any(|(name, _)| head.kind == *name || head.event == *name))
    }
}

fn has_quoted(data: &[u8], name: &str, finder: &Finder<'_>) -> bool {
    let mut from = 0;
    while let Some(at) = finder.find(&data[from..]) {
        let (start, end) = (from + at, from + at + name.len());
        if start > 0 && data[start - 1] == b'"' && data.get(end) == Some(&b'"') {
            return true;
        }
        from = start + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport;

    #[test]
    fn only_the_type_makes_an_event_the_last_one() {
        let last = LastEvents::of(transport::operation("StreamAgentRun").unwrap());
        let is_last = |data: &[u8]| last.have(data);

        assert!(is_last(br#"{"type":"done","output":"x"}"#));
        assert!(is_last(br#"{"runId":"r","error":{"code":"cancelled"},"type":"error"}"#));
        assert!(is_last(br#"{"event":"done"}"#));
        assert!(!is_last(br#"{"type":"text","text":"\"done\""}"#));
        assert!(!is_last(br#"{"level":"error","message":"x"}"#));
        assert!(!is_last(br#"{"type":"tool_call","input":{"type":"done"}}"#));
        assert!(!is_last(b"[1]"));
    }
}
