//! Bytes to events, by the rules of the HTML standard for server-sent events.
//!
//! Every line ending works (LF, CRLF, CR), wherever the bytes are cut, and each byte is looked at once. An event is
//! limited in size, so that a broken peer cannot fill the memory.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

/// The largest event, with everything that is kept for it.
pub(crate) const MAX_EVENT_BYTES: usize = 16 << 20;

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEvent {
    /// The id: what `Last-Event-ID` would say after this event.
    pub id: Option<String>,
    /// The data; lines are joined by line feeds.
    pub data: Bytes,
}

/// An event grew larger than [`MAX_EVENT_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Takes bytes as they come and gives the events that they complete.
#[derive(Debug)]
pub(crate) struct Parser {
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    data: Data,
    /// The id that counts once the event in hand is complete.
    id: Option<String>,
    last_event_id: Option<String>,
    retry: Option<Duration>,
    is_first_line: bool,
    /// Whether the last byte was a CR that ended a line: an LF after it belongs to the same ending.
    after_cr: bool,
    limit: usize,
}

/// The data lines of the event in hand. One line, by far the most usual, is a piece of what came and is not copied.
#[derive(Debug, PartialEq, Eq)]
enum Data {
    None,
    Line(Bytes),
    Lines(Vec<u8>),
}

impl Default for Parser {
    fn default() -> Self {
        Self::with_limit(MAX_EVENT_BYTES)
    }
}

impl Parser {
    /// A parser that refuses larger events.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            partial: Vec::new(),
            data: Data::None,
            id: None,
            last_event_id: None,
            retry: None,
            is_first_line: true,
            after_cr: false,
            limit,
        }
    }

    /// A parser for a new connection, which takes over what the old one knew of ids.
    pub fn resumed(&self) -> Self {
        let last_event_id = self.last_event_id.clone();
        Self { id: last_event_id.clone(), last_event_id, retry: self.retry, ..Self::with_limit(self.limit) }
    }

    /// The id that a new connection is to resume after.
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// The pause before reconnecting that the server asked for.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Takes the next bytes and adds the events that they complete.
    pub fn feed(&mut self, chunk: &Bytes, events: &mut VecDeque<RawEvent>) -> Result<(), TooLarge> {
        let mut start = 0;
        if self.after_cr && !chunk.is_empty() {
            self.after_cr = false;
            if chunk[0] == b'\n' {
                start = 1;
            }
        }
        while let Some(length) = memchr::memchr2(b'\n', b'\r', &chunk[start..]) {
            let end = start + length;
            if self.partial.is_empty() {
                self.line(&chunk[start..end], chunk, events);
            } else {
                self.partial.extend_from_slice(&chunk[start..end]);
                let line = Bytes::from(std::mem::take(&mut self.partial));
                self.line(&line, &line, events);
            }
            if self.data.len() > self.limit {
                return Err(TooLarge);
            }
            start = end + 1;
            if chunk[end] == b'\r' {
                match chunk.get(start) {
                    Some(b'\n') => start += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
        }
        let rest = &chunk[start..];
        if self.partial.len() + rest.len() + self.data.len() > self.limit {
            return Err(TooLarge);
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// Takes a line, which is a part of `whole`.
    fn line(&mut self, mut line: &[u8], whole: &Bytes, events: &mut VecDeque<RawEvent>) {
        if std::mem::take(&mut self.is_first_line) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch(events);
        }
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let mut value = (colon + 1).min(line.len());
        if line.get(value) == Some(&b' ') {
            value += 1;
        }
        match &line[..colon] {
            b"data" => self.data.push(whole.slice_ref(&line[value..])),
            b"id" if !line[value..].contains(&0) => {
                let mut id = self.id.take().unwrap_or_default();
                id.clear();
                id.push_str(&String::from_utf8_lossy(&line[value..]));
                self.id = Some(id).filter(|id| !id.is_empty());
            }
            b"retry" => {
                let digits = std::str::from_utf8(&line[value..]).ok();
                let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                if let Some(millis) = digits.and_then(|text| text.parse().ok()) {
                    self.retry = Some(Duration::from_millis(millis));
                }
            }
            // Comments, the event's name (which stands in the JSON too) and fields that nobody defined.
            _ => {}
        }
    }

    fn dispatch(&mut self, events: &mut VecDeque<RawEvent>) {
        self.last_event_id.clone_from(&self.id);
        if let Some(data) = self.data.take() {
            events.push_back(RawEvent { id: self.last_event_id.clone(), data });
        }
    }
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Line(line) => line.len(),
            Self::Lines(lines) => lines.len(),
        }
    }

    fn push(&mut self, line: Bytes) {
        match self {
            Self::None => *self = Self::Line(line),
            Self::Line(first) => *self = Self::Lines([first, b"\n".as_slice(), &line].concat()),
            Self::Lines(lines) => {
                lines.push(b'\n');
                lines.extend_from_slice(&line);
            }
        }
    }

    /// The data of the event, or `None` if it has none: then there is no event.
    fn take(&mut self) -> Option<Bytes> {
        match std::mem::replace(self, Self::None) {
            Self::None => None,
            Self::Line(line) => Some(line),
            Self::Lines(lines) => Some(Bytes::from(lines)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::oracle::{expected, parsed},
        *,
    };

    const CORPUS: &[&[u8]] = &[
        b"data: one\n\ndata: two\n\n",
        b"data: one\r\n\r\ndata: two\r\n\r\n",
        b"data: one\r\rdata: two\r\r",
        b"data: mixed\n\r\ndata: endings\r\n\rdata: here\r\n\n",
        b"\xEF\xBB\xBFdata: after a byte order mark\n\n",
        b"\xEF\xBB\xBF\xEF\xBB\xBFdata: two marks make an unknown field\n\ndata: x\n\n",
        b"data:no space\n\ndata:  two spaces\n\ndata\n\ndata:\n\n",
        b"data: a\ndata: b\ndata:\ndata: c\n\n",
        b"data:\ndata:\n\n",
        b": comment\n:\ndata: x\n: in between\n\n",
        b"id: 7\ndata: x\n\ndata: keeps the id\n\nid\ndata: clears the id\n\n",
        b"id: 1\x002\ndata: an id with NUL is ignored\n\n",
        b"retry: 250\nretry: soon\nevent: named\ndata: x\nunknown: y\n\n",
        "data: {\"text\":\"zażółć 🦀\"}\nid: ünï\n\n".as_bytes(),
        b"data: not ended by a blank line\n",
        b"data: cut in the mid",
        b"\n\n\r\r\r\n\r\n",
        b"",
    ];

    #[test]
    fn every_split_of_the_corpus_gives_what_the_oracle_gives() {
        for text in CORPUS {
            let expected = expected(text);
            for at in 0..=text.len() {
                let pieces = [&text[..at], &text[at..]];
                assert_eq!(parsed(Parser::default(), &pieces), expected, "{:?} at {at}", String::from_utf8_lossy(text));
            }
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            assert_eq!(parsed(Parser::default(), &bytes), expected, "{:?} byte by byte", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn the_rules_hold_in_plain_words() {
        assert_eq!(parse(&[b"data: a\ndata: b\n\n"]), [(None, "a\nb".to_owned())]);
        assert_eq!(parse(&[b"id: 7\ndata:x\n\ndata:  y\n\n"]), [id("7", "x"), id("7", " y")]);
        assert_eq!(parse(&[b"data: never ended\n"]), []);
        assert_eq!(parse(&[b"data\n\n: only a comment\n\n"]), [(None, String::new())]);
    }

    #[test]
    fn an_event_that_ends_in_a_single_cr_is_given_at_once() {
        assert_eq!(parse(&[b"data: x\r\r"]), [(None, "x".to_owned())]);
    }

    #[test]
    fn the_id_of_an_event_that_was_cut_does_not_count() {
        let mut parser = Parser::default();

        parser.feed(&Bytes::from_static(b"id: 7\ndata: x\n\nid: 8\ndata: cu"), &mut VecDeque::new()).unwrap();

        assert_eq!(parser.last_event_id(), Some("7"));
        assert_eq!(parser.resumed().last_event_id(), Some("7"));
    }

    #[test]
    fn the_pause_before_reconnecting_is_remembered() {
        let mut parser = Parser::default();

        parser.feed(&Bytes::from_static(b"retry: 250\nretry: -1\n"), &mut VecDeque::new()).unwrap();

        assert_eq!(parser.retry(), Some(Duration::from_millis(250)));
        assert_eq!(parser.resumed().retry(), Some(Duration::from_millis(250)));
    }

    #[test]
    fn an_event_beyond_the_limit_is_refused_however_it_comes() {
        let feed = |chunks: &[&str]| {
            let mut parser = Parser::with_limit(32);
            chunks
                .iter()
                .try_for_each(|chunk| parser.feed(&Bytes::copy_from_slice(chunk.as_bytes()), &mut VecDeque::new()))
        };
        let long_line = format!("data: {}", "x".repeat(40));

        assert_eq!(feed(&[&long_line]), Err(TooLarge));
        assert_eq!(feed(&[&format!("{long_line}\n\n")]), Err(TooLarge));
        assert_eq!(feed(&["data: xxxxxxxxxx\n"; 4]), Err(TooLarge));
        assert_eq!(feed(&["data: xxxxxxxxxx\n\n"; 100]), Ok(()));
        assert_eq!(feed(&[": a comment of some length\n"; 100]), Ok(()));
    }

    proptest! {
        #[test]
        fn any_text_in_any_pieces_gives_what_the_oracle_gives(
            text in "([adit:\u{0}\u{feff} 7\n\r]|data: |id: |\r\n){0,40}",
            cuts in proptest::collection::vec(0_usize..200, 0..6),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();

            prop_assert_eq!(parsed(Parser::default(), &pieces), expected(bytes));
        }
    }

    fn id(id: &str, data: &str) -> (Option<String>, String) {
        (Some(id.to_owned()), data.to_owned())
    }

    fn parse(chunks: &[&[u8]]) -> Vec<(Option<String>, String)> {
        parsed(Parser::default(), chunks).events
    }
}
