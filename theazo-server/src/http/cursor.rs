//! Cursors of streams: where in the log somebody was, as an event's id says it.

use theazo_api::{ErrorCode, LogId};

use crate::{
    error::{AppError, AppResult},
    store::{Store, Tenant},
};

/// The place of an event in the log, and how much of it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    sequence: i64,
    /// Of an event that is shown in parts, how many were seen; 0 for all.
    parts: usize,
}

/// Where a stream begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beginning {
    /// Whether it goes on where another one ended.
    pub is_resumed: bool,
    /// Up to where events are missing that are not kept any more, if any are.
    pub gap_through: Option<i64>,
    /// Of the event at this place so many parts were seen.
    pub seen_parts: Option<(i64, usize)>,
}

impl Cursor {
    /// Reads what an event's id was: `41`, `41.2` for the second part of one, `log_000000000041` for a log entry.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(LogId::PREFIX).unwrap_or(text);
        let (sequence, parts) = match text.split_once('.') {
            Some((sequence, parts)) => (sequence, number(parts).filter(|parts| *parts > 0)?),
            None => (text, 0),
        };
        Some(Self { sequence: number(sequence)?, parts: usize::try_from(parts).ok()? })
    }

    /// The place after which the stream goes on.
    pub fn after(self) -> i64 {
        if self.parts == 0 { self.sequence } else { self.sequence - 1 }
    }

    /// Looks whether this is a place in the log of the tenant. A place in another's log and one that does not exist yet
    /// are refused alike, so that nobody learns of the other.
    pub fn check(self, store: &Store, tenant: &Tenant, field: &str) -> AppResult<Beginning> {
        let (is_own, pruned_through) = store.read(|view| {
            let pruned_through = view.pruned_through(tenant)?;
            let is_own = self.sequence <= pruned_through || view.has_event(tenant, self.sequence)?;
            Ok::<_, AppError>((is_own, pruned_through))
        })?;
        // 0 is the place before the first event.
        if !is_own && self.sequence != 0 {
            let message =
                format!("`{field}` is no place in the log of this account; leave it out to begin from now on");
            return Err(AppError::new(ErrorCode::Forbidden, message).with("field", field));
        }
        Ok(Beginning {
            is_resumed: true,
            gap_through: (self.after() < pruned_through).then_some(pruned_through),
            seen_parts: (self.parts > 0).then_some((self.sequence, self.parts)),
        })
    }
}

/// A number of digits alone: no sign, no blanks.
fn number(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_the_id_of_an_event_and_nothing_else() {
        let cursor = |sequence, parts| Some(Cursor { sequence, parts });

        assert_eq!(Cursor::parse("41"), cursor(41, 0));
        assert_eq!(Cursor::parse("41.2"), cursor(41, 2));
        assert_eq!(Cursor::parse("log_000000000041"), cursor(41, 0));
        for garbage in
            ["", "-1", "+1", " 1", "1 ", "1.", ".1", "1.0", "1.-1", "log_", "evt_1", "1e3", "9223372036854775808"]
        {
            assert_eq!(Cursor::parse(garbage), None, "{garbage}");
        }
    }
}
