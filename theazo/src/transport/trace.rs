//! Which trace a call belongs to, as W3C Trace Context says it.

use std::sync::Arc;

use http::HeaderValue;
use rand::RngCore;

/// Gives the `traceparent` of the present span, if there is one.
pub(crate) type TraceContext = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// The trace of one call.
#[derive(Clone)]
pub(crate) struct Trace {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Whether the trace is recorded by whoever began it.
    sampled: bool,
}

impl Trace {
    /// The trace that the context names, or a new one.
    pub fn of(context: Option<&TraceContext>) -> Self {
        context.and_then(|context| Self::parse(&context()?)).unwrap_or_else(Self::new)
    }

    fn new() -> Self {
        let mut bytes = [0_u8; 16];
        rand::rng().fill_bytes(&mut bytes);
        Self { id: hexadecimal(&bytes), sampled: false }
    }

    /// Reads `00-TRACE-PARENT-FLAGS`.
    fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.trim().split('-');
        let (version, id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        let is_set = |text: &str| text.bytes().any(|byte| byte != b'0');
        if !is_known || !is_hex(id, 32) || !is_hex(parent, 16) || !is_hex(flags, 2) || !is_set(id) || !is_set(parent) {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { id: id.to_owned(), sampled: flags & 1 == 1 })
    }

    /// The header of one attempt, which is a span of its own.
    pub fn header(&self) -> HeaderValue {
        let mut span = [0_u8; 8];
        rand::rng().fill_bytes(&mut span);
        // All zeros is the one id that a span must not have.
        span[0] |= 1;
        let flags = if self.sampled { "-01" } else { "-00" };
        let text = ["00-", &self.id, "-", &hexadecimal(&span), flags].concat();
        HeaderValue::try_from(text).expect("hexadecimal digits are visible ASCII")
    }
}

/// Two digits for each byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = vec![0; bytes.len() * 2];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    String::from_utf8(text).expect("digits are text")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_call_is_a_part_of_the_trace_that_the_context_names() {
        let context: TraceContext = Arc::new(|| Some(PARENT.to_owned()));

        let trace = Trace::of(Some(&context));
        let header = trace.header().to_str().unwrap().to_owned();

        assert_eq!(trace.id, "0af7651916cd43dd8448eb211c80319c");
        assert!(header.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && header.ends_with("-01"), "{header}");
        assert_ne!(header, PARENT, "each attempt is a span of its own");
        assert_ne!(header, trace.header().to_str().unwrap());
        assert_eq!(header.len(), PARENT.len());
    }

    #[test]
    fn a_call_without_a_context_begins_a_trace() {
        let none: TraceContext = Arc::new(|| None);

        let (one, two) = (Trace::of(None), Trace::of(Some(&none)));

        assert_eq!((one.id.len(), two.id.len()), (32, 32));
        assert_ne!(one.id, two.id);
        assert!(one.header().to_str().unwrap().ends_with("-00"));
    }

    #[test]
    fn what_is_no_traceparent_is_passed_over() {
        for nonsense in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert!(Trace::parse(nonsense).is_none(), "{nonsense}");
        }
        assert!(Trace::parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more").is_some());
    }
}
