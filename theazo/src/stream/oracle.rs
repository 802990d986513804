//! What the parser of server-sent events is compared with, in its tests and by the fuzzer: the HTML standard, word by
//! word, over the whole text at once.

use std::time::Duration;

use bytes::Bytes;

use super::parser::Parser;

/// What a stream comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The events: id and data.
    pub events: Vec<(Option<String>, String)>,
    /// What `Last-Event-ID` would say.
    pub last_event_id: Option<String>,
    /// The pause before reconnecting that was asked for.
    pub retry: Option<Duration>,
}

/// What the parser makes of the bytes, cut into these pieces.
pub fn parsed(mut parser: Parser, pieces: &[&[u8]]) -> Reading {
    let mut events = Vec::new();
    for piece in pieces {
        parser.push(Bytes::copy_from_slice(piece));
        while let Some(event) = parser.next().expect("no event is too large") {
            events.push(event);
        }
    }
    let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
    Reading {
        events: events.into_iter().map(|event| (event.id, text(&event.data))).collect(),
        last_event_id: parser.last_event_id().map(str::to_owned),
        retry: parser.retry(),
    }
}

/// What the standard makes of the bytes.
pub fn expected(bytes: &[u8]) -> Reading {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n").replace('\r', "\n");
    let (mut reading, mut data, mut id) = (Reading::default(), String::new(), String::new());
    let mut lines: Vec<&str> = text.split('\n').collect();
    // A line that has not ended is not looked at.
    lines.pop();
    for line in lines {
        if line.is_empty() {
            reading.last_event_id = Some(id.clone()).filter(|id| !id.is_empty());
            if let Some(complete) = std::mem::take(&mut data).strip_suffix('\n') {
                reading.events.push((reading.last_event_id.clone(), complete.to_owned()));
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => data.extend([value, "\n"]),
            "id" if !value.contains('\0') => id = value.to_owned(),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                reading.retry = value.parse().ok().map(Duration::from_millis).or(reading.retry);
            }
            _ => {}
        }
    }
    reading
}
