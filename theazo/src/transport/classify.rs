//! Whether a failed attempt is worth another: a pure decision.

use theazo_api::Repeat;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The request provably never reached the server, and the reason may pass.
    NotSent,
    /// The request never reached the server, and the reason will not pass, for example a certificate that is not trusted.
    Refused,
    /// The connection ended, or time ran out, before the whole answer was there.
    Broken,
    /// The server answered with this status, and perhaps with advice about retrying.
    Answered { status: u16, advice: Option<bool> },
}

/// Whether an attempt that ended like this may be followed by another.
pub(crate) fn may_retry(ending: Ending, repeat: Repeat, has_key: bool) -> bool {
    let is_repeatable = match repeat {
        Repeat::Safe | Repeat::Idempotent => true,
        Repeat::Keyed => has_key,
    };
    match ending {
        Ending::NotSent => true,
        Ending::Refused => false,
        Ending::Broken => is_repeatable,
        Ending::Answered { status, advice } => is_repeatable && advice.unwrap_or_else(|| may_pass(status)),
    }
}

/// Whether the cause of this status usually passes. A conflict (409) does only where the server says so.
fn may_pass(status: u16) -> bool {
    match status {
        408 | 429 => true,
        501 => false,
        500..=599 => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_retried_as_the_table_says() {
        let retried: Vec<u16> = (100..600)
            .filter(|&status| may_retry(Ending::Answered { status, advice: None }, Repeat::Safe, false))
            .collect();

        let expected: Vec<u16> = [408, 429, 500].into_iter().chain(502..600).collect();
        assert_eq!(retried, expected);
    }

    #[test]
    fn advice_of_the_server_overrides_the_table() {
        let answered = |status, advice| Ending::Answered { status, advice: Some(advice) };

        assert!(may_retry(answered(409, true), Repeat::Keyed, true));
        assert!(may_retry(answered(501, true), Repeat::Safe, false));
        assert!(!may_retry(answered(503, false), Repeat::Safe, false));
        assert!(!may_retry(answered(429, false), Repeat::Idempotent, false));
    }

    #[test]
    fn only_a_repeatable_call_is_sent_again_after_an_unclear_outcome() {
        let table = [
            (Ending::Broken, Repeat::Safe, false, true),
            (Ending::Broken, Repeat::Idempotent, false, true),
            (Ending::Broken, Repeat::Keyed, true, true),
            (Ending::Broken, Repeat::Keyed, false, false),
            (Ending::NotSent, Repeat::Keyed, false, true),
            (Ending::Refused, Repeat::Safe, true, false),
            (Ending::Answered { status: 503, advice: None }, Repeat::Keyed, false, false),
            (Ending::Answered { status: 503, advice: Some(true) }, Repeat::Keyed, false, false),
        ];

        for (ending, repeat, has_key, expected) in table {
            assert_eq!(may_retry(ending, repeat, has_key), expected, "{ending:?} {repeat:?} {has_key}");
        }
    }
}
