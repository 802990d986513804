//! What the two protocols share: one HTTP POST whose answer is a stream of events with JSON in them.

use std::{error::Error as StdError, io, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use reqwest::{
    Client, Method, Response,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;
use theazo_api::Secret;
use tokio::time::timeout;
use tokio_util::{
    codec::{FramedRead, LinesCodec, LinesCodecError},
    io::StreamReader,
};

use super::{ModelError, ModelErrorKind, retry_advice::retry_advice};
use crate::outbound::{DomainRules, OutboundClient, OutboundError, Outgoing, tls_config};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a provider may be silent. Models that think can be for minutes, and not every provider says that it is there.
const SILENCE: Duration = Duration::from_secs(5 * 60);

/// How long a plane that starts waits for the list of models of the operator's own machine.
const GLANCE: Duration = Duration::from_secs(2);

/// How long one line of an answer may be.
const MAX_LINE: usize = 4 << 20;

/// How large an answer may be.
const MAX_ANSWER: usize = 64 << 20;

/// How much of an error answer is read.
const MAX_ERROR: usize = 64 << 10;

/// How much of what a provider says about an error is passed on.
const MAX_MESSAGE: usize = 2000;

/// Where a provider is, and how it knows us.
#[derive(Clone)]
pub struct Endpoint {
    way: Way,
    url: String,
    headers: HeaderMap,
    key: Option<Secret>,
}

/// What a provider says about an error, in the words of either protocol.
#[derive(Debug, Default)]
pub struct Complaint {
    /// The HTTP status; none for an error inside a stream.
    pub status: Option<u16>,
    /// The name of the kind of error.
    pub kind: String,
    /// The name of the particular error.
    pub code: String,
    /// For people.
    pub message: String,
}

/// How a provider is reached.
#[derive(Clone)]
pub enum Way {
    /// At its public address, or where the operator of the plane says.
    Trusted(Client),
    /// Where a customer says: only what the guard lets through.
    Guarded(OutboundClient),
}

/// A client for providers whose addresses the operator of the plane chose.
pub fn http_client() -> Result<Client, String> {
    Client::builder()
        .tls_backend_preconfigured(tls_config().map_err(|error| error.to_string())?)
        .connect_timeout(CONNECT_TIMEOUT)
        // A redirect could carry the key elsewhere.
        .redirect(reqwest::redirect::Policy::none())
        // The worker tries again, after a pause and with an event for each attempt.
        .retry(reqwest::retry::never().max_retries_per_request(0))
        .build()
        .map_err(|error| root_cause(&error))
}

impl Way {
    async fn post(&self, url: &str, headers: HeaderMap, body: String) -> Result<Response, ModelError> {
        match self {
            Self::Trusted(client) => client.post(url).headers(headers).body(body).send().await.map_err(|error| {
                let reason = root_cause(&error);
                if error.is_builder() {
                    return ModelError::new(ModelErrorKind::Rejected, format!("the address is not one: {reason}"));
                }
                unreachable(&reason)
            }),
            Self::Guarded(client) => {
                let request = Outgoing { method: Method::POST, url: url.to_owned(), headers, body: body.into_bytes() };
                client.open(&request, &DomainRules::default()).await.map_err(|error| match error {
                    OutboundError::Refused(refusal) => ModelError::new(ModelErrorKind::Rejected, refusal.to_string()),
                    other => unreachable(&other.to_string()),
                })
            }
        }
    }
}

fn unreachable(reason: &str) -> ModelError {
    ModelError::new(ModelErrorKind::ConnectionCut, format!("the provider cannot be reached: {reason}"))
}

fn silent() -> ModelError {
    let seconds = SILENCE.as_secs();
    ModelError::new(ModelErrorKind::ConnectionCut, format!("the provider said nothing for {seconds} seconds"))
}

/// The first model that a provider of the chat completions protocol has, if it can be reached soon.
pub async fn first_model(client: &Client, base_url: &str) -> Option<String> {
    let request = client.get(format!("{base_url}/models")).timeout(GLANCE);
    let body = request.send().await.ok()?.bytes().await.ok()?;
    let listed: Value = serde_json::from_slice(&body).ok()?;
    listed["data"][0]["id"].as_str().map(str::to_owned)
}

impl Endpoint {
    /// The endpoint below a base address. `key` stands in `headers`, and is taken out of what the provider says.
    pub fn new(
        way: Way,
        base_url: &str,
        path: &str,
        headers: impl IntoIterator<Item = (&'static str, String)>,
        key: Option<Secret>,
    ) -> Self {
        let mut map = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (ACCEPT, HeaderValue::from_static("text/event-stream")),
        ]);
        for (name, value) in headers {
            // A key that cannot stand in a header is a wrong key, and the provider says so.
            if let Ok(mut value) = HeaderValue::from_str(&value) {
                value.set_sensitive(true);
                map.insert(HeaderName::from_static(name), value);
            }
        }
        Self { way, url: format!("{}{path}", base_url.trim_end_matches('/')), headers: map, key }
    }

    /// Sends a request, and gives the JSON of each event of the answer.
    pub async fn open(
        &self,
        call_id: &str,
        body: &Value,
        classify: fn(&Complaint) -> ModelErrorKind,
    ) -> Result<impl Stream<Item = Result<String, ModelError>> + Send + use<>, ModelError> {
        let mut headers = self.headers.clone();
        if let Ok(value) = HeaderValue::from_str(call_id) {
            headers.insert("idempotency-key", value);
        }
        let answered = timeout(SILENCE, self.way.post(&self.url, headers, body.to_string())).await;
        let response = answered.unwrap_or_else(|_| Err(silent()))?;
        if !response.status().is_success() {
            return Err(self.refused(response, classify).await);
        }
        Ok(events(response.bytes_stream().map_err(|error| io::Error::other(root_cause(&error)))))
    }

    async fn refused(&self, response: Response, classify: fn(&Complaint) -> ModelErrorKind) -> ModelError {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        let mut pieces = response.bytes_stream();
        while let Some(Ok(piece)) = pieces.next().await {
            body.extend_from_slice(&piece[..piece.len().min(MAX_ERROR - body.len())]);
            if body.len() == MAX_ERROR {
                break;
            }
        }
        let mut complaint = match serde_json::from_slice(&body) {
            Ok(body) => Complaint::read(&body),
            Err(_) => Complaint { message: String::from_utf8_lossy(&body).trim().to_owned(), ..Complaint::default() },
        };
        complaint.status = Some(status);
        if complaint.message.is_empty() {
            complaint.message = format!("the provider answered {status}");
        }
        let (advice, forbidden) = retry_advice(&headers);
        let mut error = self.complain(&complaint, classify);
        error.retry_after = advice;
        if forbidden && error.kind.is_retryable() {
            error.kind = ModelErrorKind::Rejected;
        }
        error
    }

    /// The error for what a provider said.
    pub fn complain(&self, complaint: &Complaint, classify: fn(&Complaint) -> ModelErrorKind) -> ModelError {
        let mut message = complaint.message.clone();
        if let Some(key) = self.key.as_ref().map(Secret::expose).filter(|key| !key.is_empty()) {
            message = message.replace(key, "[hidden]");
        }
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        ModelError::new(classify(complaint), message)
    }
}

impl Complaint {
    /// Reads `{"error": {"type", "code", "message"}}`, which both protocols use, and the shorter forms of gateways.
    pub fn read(body: &Value) -> Self {
        let error = body.get("error").unwrap_or(body);
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        let message = if error.is_string() { error } else { &error["message"] };
        Self { status: None, kind: text(&error["type"]), code: text(&error["code"]), message: text(message) }
    }

    /// The kind of error, as far as the status and the usual names tell.
    pub fn usual_kind(&self) -> ModelErrorKind {
        use ModelErrorKind as Kind;
        // Gateways put the status into the code of an error inside a stream.
        let status = self.status.or_else(|| self.code.parse().ok()).unwrap_or(0);
        match (self.kind.as_str(), status) {
            ("overloaded_error", _) | (_, 503 | 529) => Kind::Overloaded,
            ("authentication_error" | "permission_error", _) | (_, 401 | 403) => Kind::InvalidKey,
            ("billing_error" | "insufficient_quota", _) | (_, 402) => Kind::OutOfCredit,
            ("not_found_error", _) | (_, 404) => Kind::UnknownModel,
            ("rate_limit_error", _) | (_, 429) => Kind::RateLimited,
            ("request_too_large", _) | (_, 413) => Kind::ContextTooLong,
            ("api_error" | "server_error" | "timeout_error", _) | (_, 408 | 409 | 500..) => Kind::Unavailable,
            _ => Kind::Rejected,
        }
    }
}

/// The data of each event. Their names are not needed: both protocols say in the JSON what it is.
fn events(
    bytes: impl Stream<Item = Result<Bytes, io::Error>> + Send,
) -> impl Stream<Item = Result<String, ModelError>> + Send {
    async_stream::try_stream! {
        let mut lines = std::pin::pin!(FramedRead::new(StreamReader::new(bytes), LinesCodec::new_with_max_length(MAX_LINE)));
        let (mut data, mut read) = (String::new(), 0);
        while let Some(line) = timeout(SILENCE, lines.next()).await.map_err(|_| silent())? {
            let line = line.map_err(unreadable)?;
            read += line.len();
            if read > MAX_ANSWER {
                Err(ModelError::new(ModelErrorKind::Rejected, "the answer is larger than any model's"))?;
            }
            let line = line.trim_start_matches('\u{feff}');
            if let Some(value) = line.strip_prefix("data:") {
                if !data.is_empty() {
                    data.push('\n');
                }
                data.push_str(value.strip_prefix(' ').unwrap_or(value));
            } else if line.is_empty() && !data.is_empty() {
                yield std::mem::take(&mut data);
            }
        }
        // Some gateways leave out the last blank line.
        if !data.is_empty() {
            yield data;
        }
    }
}

fn unreadable(error: LinesCodecError) -> ModelError {
    match error {
        LinesCodecError::MaxLineLengthExceeded => {
            ModelError::new(ModelErrorKind::Rejected, "a line of the answer is longer than any model's")
        }
        LinesCodecError::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            ModelError::new(ModelErrorKind::Unreadable, "the answer is not text")
        }
        LinesCodecError::Io(error) => {
            ModelError::new(ModelErrorKind::ConnectionCut, format!("the connection was cut: {error}"))
        }
    }
}

/// The innermost reason, which says most. It names no address: one can have a key in it.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if cause.is::<reqwest::Error>() { "the request failed".to_owned() } else { cause.to_string() }
}
