//! `http_request`: one request to a public address, through the guarded way out.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::BoxFuture;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Call, Failure, Outcome, Tool, cut, schema};
use crate::{
    model::ToolSpec,
    outbound::{Answer, Limits, OutboundClient, Outgoing},
};

/// How much of an answer is read where it goes to a file.
const FILE_BYTES: usize = 16 << 20;

/// How much of an answer is read where it goes to the model, which is given less of it.
const TEXT_BYTES: usize = 1 << 20;

/// Header fields that belong to the connection and not to whoever asks.
const OWN_HEADERS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub struct HttpRequest {
    pub outbound: OutboundClient,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    url: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
    save_to: Option<String>,
}

impl Tool for HttpRequest {
    fn specification(&self) -> ToolSpec {
        ToolSpec {
            name: "http_request",
            description: "Sends an HTTP request to a public address and returns the answer, or saves its body to a file \
                          of the sandbox.",
            input_schema: schema(
                json!({
                    "url": { "type": "string" },
                    "method": { "type": "string", "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] },
                    "headers": { "type": "object", "additionalProperties": { "type": "string" } },
                    "body": { "description": "A text, or an object or list that is sent as JSON." },
                    "save_to": { "type": "string", "description": "The path of a file that gets the body." },
                }),
                &["url"],
            ),
        }
    }

    fn call<'a>(&'a self, call: &'a Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let input: Input = call.input()?;
            let save_to = input.save_to.clone();
            let request = request(input).map_err(Failure::Told)?;
            let body_bytes = if save_to.is_some() { FILE_BYTES } else { TEXT_BYTES };
            let limits = Limits { time: Duration::from_secs(30), body_bytes, redirects: 5 };
            let mut answer = call.send(&self.outbound, request, limits).await?;
            let Some(path) = save_to else { return Ok(cut(describe(&answer), "save it with `save_to`")) };
            if answer.truncated {
                return Err(Failure::told(format!("the body is larger than {FILE_BYTES} bytes; nothing was saved")));
            }
            let body = std::mem::take(&mut answer.body);
            let saved = format!("\n[{} bytes were saved to {path}]", body.len());
            call.write_file(&path, body).await?;
            Ok(cut(head(&answer) + &saved, "the rest of the header fields is left out"))
        })
    }

    /// Reading twice is like reading once.
    fn is_repeatable(&self, input: &Map<String, Value>) -> bool {
        let method = input.get("method").and_then(Value::as_str).unwrap_or("GET");
        matches!(method.to_ascii_uppercase().as_str(), "GET" | "HEAD")
    }
}

fn request(input: Input) -> Result<Outgoing, String> {
    let name = input.method.as_deref().unwrap_or("GET").to_ascii_uppercase();
    let method = match name.as_str() {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        _ => return Err(format!("the method `{name}` is not one of GET, HEAD, POST, PUT, PATCH and DELETE")),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &input.headers {
        if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(format!("the header field `{name}` is set by the connection itself; leave it out"));
        }
        let field = HeaderName::try_from(name).map_err(|_| format!("`{name}` cannot be the name of a header field"))?;
        let value = HeaderValue::from_str(value).map_err(|_| format!("the value of `{name}` cannot be sent"))?;
        headers.insert(field, value);
    }
    let body = match input.body {
        Value::Null => Vec::new(),
        Value::String(text) => text.into_bytes(),
        json => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            json.to_string().into_bytes()
        }
    };
    if !body.is_empty() && matches!(method, Method::GET | Method::HEAD) {
        return Err(format!("a {method} request has no body; use POST, PUT or PATCH"));
    }
    Ok(Outgoing { method, url: input.url, headers, body })
}

fn head(answer: &Answer) -> String {
    let fields =
        answer.headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    format!("{} {}\n{}\n", answer.status, answer.url, fields.collect::<Vec<_>>().join("\n"))
}

fn describe(answer: &Answer) -> String {
    let more =
        if answer.truncated { format!("\n[cut: there are more than {TEXT_BYTES} bytes]") } else { String::new() };
    // A text that was cut may end within a letter.
    let end = match std::str::from_utf8(&answer.body) {
        Err(error) if answer.truncated && error.error_len().is_none() => error.valid_up_to(),
        _ => answer.body.len(),
    };
    match std::str::from_utf8(&answer.body[..end]) {
        Ok(text) => format!("{}\n{text}{more}", head(answer)),
        Err(_) => format!(
            "{}\n[the body is not text; it has {} bytes; save it with `save_to`]{more}",
            head(answer),
            answer.body.len()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(input: Value) -> Result<Outgoing, String> {
        request(serde_json::from_value(input).expect("it can be read"))
    }

    #[test]
    fn a_body_of_json_says_so_and_a_text_is_sent_as_it_is() {
        let json = made(json!({ "url": "http://a/", "method": "post", "body": { "a": 1 } })).expect("it is right");
        assert_eq!((json.method, &json.body[..]), (Method::POST, &br#"{"a":1}"#[..]));
        assert_eq!(json.headers[CONTENT_TYPE], "application/json");
        let text = made(json!({ "url": "http://a/", "method": "PUT", "body": "a=1" })).expect("it is right");
        assert_eq!((&text.body[..], text.headers.len()), (&b"a=1"[..], 0));
    }

    #[test]
    fn what_cannot_be_sent_is_told() {
        for (input, problem) in [
            (json!({ "url": "http://a/", "method": "TRACE" }), "the method `TRACE` is not one of"),
            (json!({ "url": "http://a/", "headers": { "Host": "b" } }), "`Host` is set by the connection"),
            (json!({ "url": "http://a/", "headers": { "a b": "c" } }), "`a b` cannot be the name"),
            (json!({ "url": "http://a/", "headers": { "a": "b\nc: d" } }), "the value of `a` cannot be sent"),
            (json!({ "url": "http://a/", "body": "x" }), "a GET request has no body"),
        ] {
            let error = made(input).expect_err(problem);
            assert!(error.contains(problem), "{error}");
        }
    }
}
