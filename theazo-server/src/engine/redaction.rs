//! Personal data, keys and tokens in what models write: they are replaced before anything is kept or shown.

use std::{
    net::IpAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{StreamExt, stream::BoxStream};
use regex::{Captures, Regex};

use crate::model::{ModelChunk, ModelError};

/// What stands in the place of what was found.
const REDACTED: &str = "[REDACTED]";

/// A line longer than this is shown in parts, cut where no word is.
const LONGEST_LINE: usize = 16 * 1024;

struct Pattern {
    regex: Regex,
    /// Whether what the expression found is what it looks like.
    is_right: fn(&str) -> bool,
}

/// What is looked for. The more particular come first: a card number looks like a telephone number, too.
static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let pattern = |text: &str, is_right: fn(&str) -> bool| Pattern {
        regex: Regex::new(text).expect("the expression is right"),
        is_right,
    };
    let always: fn(&str) -> bool = |_| true;
    vec![
        // Keys and tokens, by the marks that their makers give them, and whatever follows `Bearer`.
        pattern(r"\b(?:sk|pk|rk|th)[-_](?:live|test|ant|proj|or)?[-_]?[A-Za-z0-9_-]{16,}", always),
        pattern(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|hf_|npm_|AIza|ya29\.)[A-Za-z0-9_.-]{16,}", always),
        pattern(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", always),
        pattern(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", always),
        pattern(r"\b[Bb]earer +[A-Za-z0-9._~+/-]{16,}=*", always),
        pattern(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", always),
        pattern(r"\b\d{3}-\d{2}-\d{4}\b", always),
        pattern(r"\b\d(?:[ -]?\d){12,18}\b", is_card_number),
        pattern(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", is_address),
        pattern(r"(?:\b[0-9A-Fa-f]{1,4}|\B):(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}\b", is_address),
        pattern(r"(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)|\b\d{3,4})[ .-]?\d{3,4}[ .-]\d{3,4}\b", is_telephone_number),
        pattern(r"\+\d{9,15}\b", always),
    ]
});

/// Replaces in a text what is looked for, and returns how often.
pub(super) fn redact(text: &str) -> (String, usize) {
    let mut count = 0;
    let mut text = text.to_owned();
    for Pattern { regex, is_right } in PATTERNS.iter() {
        let replaced = regex.replace_all(&text, |found: &Captures<'_>| {
            if is_right(&found[0]) {
                count += 1;
                REDACTED.to_owned()
            } else {
                found[0].to_owned()
            }
        });
        text = replaced.into_owned();
    }
    (text, count)
}

/// Whether the check digit is right, as it is of every card.
fn is_card_number(text: &str) -> bool {
    let digits = text.chars().rev().filter_map(|letter| letter.to_digit(10));
    let sum: u32 = digits
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => digit,
            _ if digit > 4 => digit * 2 - 9,
            _ => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// `a::b` is more likely a path in a program.
fn is_address(text: &str) -> bool {
    text.contains(|letter: char| letter.is_ascii_digit()) && text.parse::<IpAddr>().is_ok()
}

fn is_telephone_number(text: &str) -> bool {
    (10..=15).contains(&text.chars().filter(char::is_ascii_digit).count())
}

/// The answer of a model with its text redacted. It comes line by line, because what is looked for is never on two; `found`
/// counts what was replaced.
pub(super) fn redacted(
    answer: BoxStream<'static, Result<ModelChunk, ModelError>>,
    found: Arc<AtomicUsize>,
) -> BoxStream<'static, Result<ModelChunk, ModelError>> {
    let text_of = move |text: &str| {
        let (text, count) = redact(text);
        found.fetch_add(count, Ordering::Relaxed);
        Ok(ModelChunk::Text(text))
    };
    async_stream::stream! {
        let mut answer = answer;
        let mut open = String::new();
        while let Some(chunk) = answer.next().await {
            match chunk {
                Ok(ModelChunk::Text(piece)) => {
                    open.push_str(&piece);
                    let end = match open.rfind('\n') {
                        Some(end) => end + 1,
                        None if open.len() > LONGEST_LINE => open.rfind(' ').map_or(0, |end| end + 1),
                        None => 0,
                    };
                    if end > 0 {
                        let complete: String = open.drain(..end).collect();
                        yield text_of(&complete);
                    }
                }
                other => {
                    if !open.is_empty() {
                        yield text_of(&std::mem::take(&mut open));
                    }
                    yield other;
                }
            }
        }
        if !open.is_empty() {
            yield text_of(&open);
        }
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[test]
    fn personal_data_keys_and_tokens_are_replaced() {
        for text in [
            "ada.lovelace+x@mail.example.co.uk",
            "078-05-1120",
            "4111 1111 1111 1111",
            "378282246310005",
            "(415) 555-2671",
            "+49 151 2345 6789",
            "+442071838750",
            "415-555-2671",
            "192.168.1.17",
            "2001:db8::ff00:42:8329",
            concat!("sk-", "ant-api03-abcdefghijklmnop1234"),
            "th_live_0123456789abcdefghjk",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "AKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
            "Bearer 0123456789abcdef0123",
        ] {
            let (redacted, count) = redact(&format!("It is {text}, you know."));
            assert_eq!((redacted.as_str(), count), ("It is [REDACTED], you know.", 1), "{text}");
        }
    }

    #[test]
    fn other_numbers_and_words_stay() {
        for text in [
            "revenue grew by 12.5 % to 1,234,567.89 in 2025",
            "from 2025-11-28 to 2026-01-15 at 10:30:45",
            "order 4111111111111112 and version 1.2.3",
            "std::collections::HashMap, a::b, the task-force and sk-learn",
            "ids: ses_01k2abc, 550e8400-e29b-41d4-a716-446655440000",
            "@mention, a@b and 100-200-300",
        ] {
            assert_eq!(redact(text), (text.to_owned(), 0));
        }
    }

    #[tokio::test]
    async fn what_comes_in_pieces_is_found_too_and_lines_are_shown_as_they_end() {
        let text = |piece: &str| Ok(ModelChunk::Text(piece.to_owned()));
        let pieces = [text("Write to ada@exa"), text("mple.com\nor call "), text("415-555"), text("-2671")];
        let found = Arc::new(AtomicUsize::new(0));

        let shown: Vec<_> = redacted(stream::iter(pieces).boxed(), found.clone()).collect().await;

        assert_eq!(shown, [text("Write to [REDACTED]\n"), text("or call [REDACTED]")]);
        assert_eq!(found.load(Ordering::Relaxed), 2);
    }
}
