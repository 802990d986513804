//! Bytes to events, by the rules of the HTML standard for server-sent events.
//!
//! Every line ending works (LF, CRLF, CR), wherever the bytes are cut, and each byte is looked at once. An event is
//! limited in size, and events are made one at a time as they are asked for, so that no peer can fill the memory: not
//! with one endless line, and not with a thousand small events in a piece.

use std::time::Duration;

use bytes::{Buf, Bytes};

/// The largest event, with everything that is kept for it.
pub(crate) const MAX_EVENT_BYTES: usize = 16 << 20;

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEvent {
    /// The id: what `Last-Event-ID` would say after this event.
    pub id: Option<String>,
    /// The data, which is UTF-8: bytes that are not are replaced. Lines are joined by line feeds.
    pub data: Bytes,
}

/// An event grew larger than [`MAX_EVENT_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Takes bytes as they come and gives the events that they complete, one by one.
#[derive(Debug)]
pub(crate) struct Parser {
    /// What came and has not been looked at yet.
    input: Bytes,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    data: Data,
    /// The id that counts once the event in hand is complete.
    id: Option<String>,
    /// Whether the event in hand has said its id, and whether the last one that was given had.
    says_id: bool,
    has_own_id: bool,
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
            input: Bytes::new(),
            partial: Vec::new(),
            data: Data::None,
            id: None,
            says_id: false,
            has_own_id: false,
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

    /// Whether the last event that was given says its id itself, and does not just stand after one that did.
    pub fn has_own_id(&self) -> bool {
        self.has_own_id
    }

    /// The pause before reconnecting that the server asked for.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Takes the next bytes. Events of those before must have been asked for until there were none.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.input.is_empty(), "what came before was read to its end");
        self.input = chunk;
    }

    /// The next event; `None` if more bytes are needed for one.
    pub fn next(&mut self) -> Result<Option<RawEvent>, TooLarge> {
        while let Some(line) = self.take_line()? {
            if let Some(event) = self.read_line(line) {
                return Ok(Some(event));
            }
            if self.data.len() > self.limit {
                return Err(TooLarge);
            }
        }
        Ok(None)
    }

    /// The next line without its ending; the beginning of one that has none yet is kept.
    fn take_line(&mut self) -> Result<Option<Bytes>, TooLarge> {
        if self.after_cr && !self.input.is_empty() {
            self.after_cr = false;
            if self.input[0] == b'\n' {
                self.input.advance(1);
            }
        }
        let Some(end) = memchr::memchr2(b'\n', b'\r', &self.input) else {
            if self.partial.len() + self.input.len() + self.data.len() > self.limit {
                return Err(TooLarge);
            }
            self.partial.extend_from_slice(&self.input);
            self.input = Bytes::new();
            return Ok(None);
        };
        let piece = self.input.slice(..end);
        self.after_cr = self.input[end] == b'\r';
        self.input.advance(end + 1);
        if self.partial.is_empty() {
            return Ok(Some(piece));
        }
        self.partial.extend_from_slice(&piece);
        Ok(Some(Bytes::from(std::mem::take(&mut self.partial))))
    }

    /// Takes one line; the blank one gives the event that the lines before it make.
    fn read_line(&mut self, mut line: Bytes) -> Option<RawEvent> {
        if std::mem::take(&mut self.is_first_line) && line.starts_with(BYTE_ORDER_MARK) {
            line.advance(BYTE_ORDER_MARK.len());
        }
        if line.is_empty() {
            return self.dispatch();
        }
        let colon = memchr::memchr(b':', &line).unwrap_or(line.len());
        let mut value = (colon + 1).min(line.len());
        if line.get(value) == Some(&b' ') {
            value += 1;
        }
        match &line[..colon] {
            b"data" => {
                line.advance(value);
                self.data.push(line);
            }
            b"id" if !line[value..].contains(&0) => {
                let mut id = self.id.take().unwrap_or_default();
                id.clear();
                id.push_str(&String::from_utf8_lossy(&line[value..]));
                self.id = Some(id).filter(|id| !id.is_empty());
                self.says_id = true;
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
        None
    }

    fn dispatch(&mut self) -> Option<RawEvent> {
        self.last_event_id.clone_from(&self.id);
        self.has_own_id = std::mem::take(&mut self.says_id);
        let data = self.data.take()?;
        Some(RawEvent { id: self.last_event_id.clone(), data: as_utf8(data) })
    }
}

/// The same bytes where they are UTF-8, as they nearly always are; else with what is not replaced.
fn as_utf8(data: Bytes) -> Bytes {
    match std::str::from_utf8(&data) {
        Ok(_) => data,
        Err(_) => Bytes::from(String::from_utf8_lossy(&data).into_owned()),
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
        b"\xEF\xBB\xBF\n\xEF\xBB\xBFdata: a mark counts at the beginning alone\n\n",
        b"\xEF\xBBdata: a mark that is cut is none\n\n",
        b"data:no space\n\ndata:  two spaces\n\ndata\n\ndata:\n\n",
        b"data: a\ndata: b\ndata:\ndata: c\n\n",
        b"data:\ndata:\n\n",
        b": comment\n:\ndata: x\n: in between\n\n",
        b"id: 7\ndata: x\n\ndata: keeps the id\n\nid\ndata: clears the id\n\n",
        b"id: 7\n\ndata: an event without data counts as the last id\n\n",
        b"id: 1\x002\ndata: an id with NUL is ignored\n\n",
        b"id: 7\nid: \x00\ndata: and leaves the one before\n\n",
        b"retry: 250\nretry: soon\nevent: named\ndata: x\nunknown: y\n\n",
        b"retry: 7\nretry:\nretry: -1\nretry: 1.5\nretry: 0x10\nretry: +9\nretry:  3\nretry: 1_000\n\n",
        b"retry: 99999999999999999999999999999999\n\n",
        "retry: ٣\n\n".as_bytes(),
        "data: {\"text\":\"zażółć 🦀\"}\nid: ünï\n\n".as_bytes(),
        b"data: \xFF and \xE2\x82 and \xF0\x9F\xA6\n\ndata: \xE2\x82\ndata: \xAC\n\nid: \xC3\ndata: x\n\n",
        b"\xFFdata: not a field\ndata\xFF: neither\n\ndata: x\n\n",
        b" data: a space before makes another field\n\nDATA: so do capitals\n\ndata : and a space after\n\n",
        b"data: not ended by a blank line\n",
        b"data: cut in the mid",
        b"\n\n\r\r\r\n\r\n",
        b"",
    ];

    #[test]
    fn row_24_every_split_of_the_corpus_gives_what_the_oracle_gives() {
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

    /// The client over `fetch` in `theazo-node` is held to the same cases.
    #[test]
    fn events_are_read_as_the_cases_say_wherever_they_are_cut() {
        #[derive(serde::Deserialize)]
        struct Case {
            bytes: String,
            events: Vec<Event>,
            retry: Option<u64>,
        }

        #[derive(serde::Deserialize)]
        struct Event {
            id: Option<String>,
            data: String,
        }

        let cases: Vec<Case> = serde_json::from_str(include_str!("../../cases/events.json")).unwrap();
        for case in cases {
            let digits = case.bytes.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
            let bytes: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
            let expected: Vec<_> = case.events.into_iter().map(|event| (event.id, event.data)).collect();
            for at in 0..=bytes.len() {
                let (before, after) = bytes.split_at(at);
                assert_eq!(parse(&[before, after]), expected, "{bytes:?} at {at}");
            }
            let mut parser = Parser::default();
            feed(&mut parser, &bytes).unwrap();
            assert_eq!(parser.retry(), case.retry.map(Duration::from_millis));
        }
    }

    #[test]
    fn row_24_the_rules_hold_in_plain_words() {
        let events = |text: &[u8]| parse(&[text]);

        assert_eq!(events(b"data: a\ndata: b\n\n"), [(None, "a\nb".to_owned())]);
        assert_eq!(events(b"id: 7\ndata:x\n\ndata:  y\n\n"), [id("7", "x"), id("7", " y")]);
        assert_eq!(events(b"data: never ended\n"), []);
        assert_eq!(events(b"data\n\n: only a comment\n\n"), [(None, String::new())]);
        assert_eq!(events(b"id: a\x00b\ndata: x\n\n"), [(None, "x".to_owned())]);
        assert_eq!(events(b"\xEF\xBB\xBFdata: x\n\n"), [(None, "x".to_owned())]);
        assert_eq!(events(b"data: \xFF!\n\n"), [(None, "\u{fffd}!".to_owned())]);
    }

    #[test]
    fn row_24_an_event_that_ends_in_a_single_cr_is_given_at_once() {
        assert_eq!(parse(&[b"data: x\r\r"]), [(None, "x".to_owned())]);
    }

    #[test]
    fn the_id_of_an_event_that_was_cut_does_not_count() {
        let mut parser = Parser::default();

        let events = feed(&mut parser, b"id: 7\ndata: x\n\nid: 8\ndata: cu").unwrap();

        assert_eq!(events.len(), 1);
        assert_eq!(parser.last_event_id(), Some("7"));
        assert_eq!(parser.resumed().last_event_id(), Some("7"));
    }

    #[test]
    fn a_new_connection_begins_with_a_whole_line() {
        for cut in [b"data: left ov".as_slice(), b"data: x\r", b"data: left over\n"] {
            let mut parser = Parser::default();
            feed(&mut parser, cut).unwrap();

            let mut resumed = parser.resumed();

            let events = feed(&mut resumed, b"\xEF\xBB\xBF\ndata: new\n\n").unwrap();
            assert_eq!(events, [RawEvent { id: None, data: Bytes::from_static(b"new") }]);
        }
    }

    #[test]
    fn the_pause_before_reconnecting_is_remembered() {
        let mut parser = Parser::default();

        feed(&mut parser, b"retry: 250\nretry: -1\n").unwrap();

        assert_eq!(parser.retry(), Some(Duration::from_millis(250)));
        assert_eq!(parser.resumed().retry(), Some(Duration::from_millis(250)));
    }

    #[test]
    fn row_24_an_event_beyond_the_limit_is_refused_however_it_comes() {
        let feed = |chunks: &[&str]| {
            let mut parser = Parser::with_limit(32);
            chunks.iter().try_for_each(|chunk| feed(&mut parser, chunk.as_bytes()).map(drop))
        };
        let long_line = format!("data: {}", "x".repeat(40));

        assert_eq!(feed(&[&long_line]), Err(TooLarge));
        assert_eq!(feed(&[&format!("{long_line}\n\n")]), Err(TooLarge));
        assert_eq!(feed(&[&format!(": {long_line}")]), Err(TooLarge));
        assert_eq!(feed(&["x"; 40]), Err(TooLarge));
        assert_eq!(feed(&["data: xxxxxxxxxx\n"; 4]), Err(TooLarge));
        assert_eq!(feed(&["data: xxxxxxxxxx\n\n"; 100]), Ok(()));
        assert_eq!(feed(&[": a comment of some length\n"; 100]), Ok(()));
    }

    proptest! {
        #[test]
        fn row_24_any_text_in_any_pieces_gives_what_the_oracle_gives(
            text in "([adit:\u{0}\u{feff} 7\n\r]|data: |id: |retry: |\r\n){0,40}",
            broken in proptest::collection::vec((0_usize..200, proptest::sample::select(&b"\xFF\xE2\x82\xC0"[..])), 0..3),
            cuts in proptest::collection::vec(0_usize..200, 0..6),
        ) {
            let mut bytes = text.into_bytes();
            for (at, byte) in broken {
                bytes.insert(at.min(bytes.len()), byte);
            }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();

            prop_assert_eq!(parsed(Parser::default(), &pieces), expected(&bytes));
        }
    }

    fn id(id: &str, data: &str) -> (Option<String>, String) {
        (Some(id.to_owned()), data.to_owned())
    }

    fn feed(parser: &mut Parser, chunk: &[u8]) -> Result<Vec<RawEvent>, TooLarge> {
        parser.push(Bytes::copy_from_slice(chunk));
        std::iter::from_fn(|| parser.next().transpose()).collect()
    }

    fn parse(chunks: &[&[u8]]) -> Vec<(Option<String>, String)> {
        parsed(Parser::default(), chunks).events
    }
}
