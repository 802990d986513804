//! Which event is the last one of a stream.

use serde::Deserialize;
use theazo_api::Operation;

/// Whether nothing follows an event: its member `type` or `event` is one of the last ones of the operation.
pub(super) fn is_last(operation: &Operation, data: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: std::borrow::Cow<'a, str>,
        #[serde(borrow, default)]
        event: std::borrow::Cow<'a, str>,
    }

    // Most events cannot be the last one, which a look for the word tells faster than reading the JSON. A searcher that is
    // made once for all places, as `find_iter` does, takes longer than most events do.
    let is_named = |word: &&str| {
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&data[from..], word.as_bytes()) {
            let (start, end) = (from + at, from + at + word.len());
            if start > 0 && data[start - 1] == b'"' && data.get(end) == Some(&b'"') {
                return true;
            }
            from = start + 1;
        }
        false
    };
    operation.last_events.iter().any(is_named)
        && serde_json::from_slice::<Head<'_>>(data)
            .is_ok_and(|head| operation.last_events.iter().any(|last| head.kind == *last || head.event == *last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport;

    #[test]
    fn only_the_type_makes_an_event_the_last_one() {
        let is_last = |data: &[u8]| is_last(transport::operation("StreamAgentRun").unwrap(), data);

        assert!(is_last(br#"{"type":"done","output":"x"}"#));
        assert!(is_last(br#"{"runId":"r","error":{"code":"cancelled"},"type":"error"}"#));
        assert!(is_last(br#"{"event":"done"}"#));
        assert!(!is_last(br#"{"type":"text","text":"\"done\""}"#));
        assert!(!is_last(br#"{"level":"error","message":"x"}"#));
        assert!(!is_last(br#"{"type":"tool_call","input":{"type":"done"}}"#));
        assert!(!is_last(b"[1]"));
    }
}
