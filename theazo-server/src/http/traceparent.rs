//! The trace that a caller is in, as W3C Trace Context says it.

use theazo_api::{SpanId, TraceId};

use crate::records::CallerTrace;

/// Reads `00-TRACE-PARENT-FLAGS`. What is none is passed over, as the standard says.
pub fn caller_trace(header: &str) -> Option<CallerTrace> {
    let mut parts = header.trim().split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_set = |text: &str| text.bytes().any(|byte| byte != b'0');
    // Later versions may have more parts; this one has not.
    let is_known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    let is_right = is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2) && is_set(trace) && is_set(parent);
    (is_known && is_right)
        .then(|| CallerTrace { trace_id: TraceId::from_suffix(trace), parent_span_id: SpanId::from_suffix(parent) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_s_trace_is_kept_and_nonsense_passed_over() {
        let read = caller_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").expect("it is one");

        assert_eq!(read.trace_id.as_str(), "tr_0af7651916cd43dd8448eb211c80319c");
        assert_eq!(read.parent_span_id.as_str(), "span_b7ad6b7169203331");
        for nonsense in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert_eq!(caller_trace(nonsense), None, "{nonsense}");
        }
    }
}
