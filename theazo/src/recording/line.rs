//! One line of a recording: a request and its answer, with nothing secret in it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Label;
use crate::transport::{Outgoing, Redactor, hexadecimal};

/// The headers of an answer that mean something to the client.
const KEPT_HEADERS: [&str; 9] = [
    "content-type",
    "retry-after",
    "x-should-retry",
    "x-request-id",
    "x-next-cursor",
    "x-theazo-run-id",
    "x-theazo-exec-id",
    "x-theazo-continue",
    "idempotent-replayed",
];

/// What stands in the place of a secret that an answer told.
const HIDDEN: &str = "[hidden]";

/// One line of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    pub operation: String,
    pub method: String,
    /// The path with its query.
    pub path: String,
    #[serde(default)]
    pub body: Value,
    /// 0 where no answer came.
    pub status: u16,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub pieces: Vec<Piece>,
    pub ending: Ending,
}

/// A piece of an answer, with the time at which it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece {
    /// Counted from the head of the answer.
    pub after_ms: u64,
    /// What came, if that is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What came else, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// The answer came to its end.
    Whole,
    /// The answer broke off.
    Broken,
    /// The client left before the end.
    Left,
    /// The request provably reached nobody.
    NotSent,
    /// The request may have reached the server, and no answer came.
    Lost,
}

impl Line {
    /// A request whose answer is still to come.
    pub fn of(label: &Label, outgoing: &Outgoing) -> Self {
        Self {
            operation: label.operation.to_owned(),
            method: outgoing.method.to_string(),
            path: label.sent.clean(&path_of(outgoing)).into_owned(),
            body: body_of(label, outgoing),
            status: 0,
            headers: BTreeMap::new(),
            pieces: Vec::new(),
            ending: Ending::Lost,
        }
    }

    /// Whether it is the same request, whoever sends it and whichever attempt it is.
    pub fn is_of(&self, label: &Label, outgoing: &Outgoing) -> bool {
        self.is_like(outgoing)
            && self.path == label.sent.clean(&path_of(outgoing))
            && self.body == body_of(label, outgoing)
    }

    /// Whether it is a request to the same place, whatever it says.
    pub fn is_like(&self, outgoing: &Outgoing) -> bool {
        let place = |path: &str| path.split('?').next().map(str::to_owned);
        self.method == outgoing.method.as_str() && place(&self.path) == place(outgoing.url.path())
    }

    /// Notes the head of the answer.
    pub fn note_head(&mut self, status: u16, headers: &HeaderMap) {
        self.status = status;
        let kept = KEPT_HEADERS.iter().filter_map(|name| {
            let value = headers.get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), value.to_owned()))
        });
        self.headers = kept.collect();
    }

    /// Notes the body of the answer. Whole events and whole answers are looked through for secrets, since one can be cut
    /// in two between pieces.
    pub fn note_pieces(&mut self, came: &[(u64, Bytes)], redactor: &Redactor, tells_secrets: bool) {
        let is_stream = self.headers.get("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        let mut whole: Vec<u8> = Vec::new();
        let mut pieces = Vec::new();
        for (index, (after_ms, bytes)) in came.iter().enumerate() {
            whole.extend_from_slice(bytes);
            if index + 1 == came.len() || (is_stream && whole.ends_with(b"\n\n")) {
                pieces.push(piece(*after_ms, std::mem::take(&mut whole), redactor, tells_secrets));
            }
        }
        self.pieces = pieces;
    }
}

fn piece(after_ms: u64, bytes: Vec<u8>, redactor: &Redactor, tells_secrets: bool) -> Piece {
    match String::from_utf8(bytes) {
        Ok(text) => {
            let text = if tells_secrets { without_secrets(&text) } else { text };
            Piece { after_ms, text: Some(redactor.clean(&text).into_owned()), hex: None }
        }
        Err(error) => Piece { after_ms, text: None, hex: Some(hexadecimal(error.as_bytes())) },
    }
}

impl Piece {
    /// What came.
    pub fn bytes(&self) -> Bytes {
        let digits = self.hex.as_deref().unwrap_or_default();
        let of_hex = || {
            digits.as_bytes().chunks(2).filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        };
        match &self.text {
            Some(text) => Bytes::from(text.clone()),
            None => of_hex().collect(),
        }
    }
}

/// The JSON with every member hidden that is called like a secret.
fn without_secrets(json: &str) -> String {
    fn hide(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let name = name.to_lowercase();
                    let is_secret =
                        ["key", "secret", "token", "password", "credential"].iter().any(|word| name.contains(word));
                    match member {
                        Value::String(text) if is_secret => *text = HIDDEN.to_owned(),
                        other => hide(other),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(hide),
            _ => {}
        }
    }
    match serde_json::from_str::<Value>(json) {
        Ok(mut value) => {
            hide(&mut value);
            value.to_string()
        }
        Err(_) => HIDDEN.to_owned(),
    }
}

fn path_of(outgoing: &Outgoing) -> String {
    let query = outgoing.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{query}", outgoing.url.path())
}

fn body_of(label: &Label, outgoing: &Outgoing) -> Value {
    let Some(body) = &outgoing.body else { return Value::Null };
    match serde_json::from_slice(body) {
        Ok(mut value) => {
            label.sent.clean_json(&mut value);
            value
        }
        Err(_) => Value::from(label.sent.clean(&String::from_utf8_lossy(body)).into_owned()),
    }
}
