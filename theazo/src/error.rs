//! The one error of the SDK: what failed, whether it reached the server, and what to do next.

use std::{error::Error as StdError, fmt, time::Duration};

use theazo_api::{ErrorCode, FieldProblem};

use crate::transport::Attempt;

/// Why a call failed.
///
/// [`kind`](Error::kind) says how far the call came, [`code`](Error::code) what went wrong as programs branch on it, and
/// `Display` what happened and what to do about it. The API key never appears in any of them.
///
/// ```no_run
/// # async fn example(session: theazo::Session) -> Result<(), theazo::Error> {
/// use theazo::{ErrorKind, types::ErrorCode};
///
/// match session.run("researcher", "analyze competitor pricing").await {
///     Ok(result) => println!("{}", result.output),
///     Err(error) if *error.code() == ErrorCode::SessionLimitExceeded => {
///         println!("the limit is used up: {:?}", error.details());
///     }
///     Err(error) if error.is_retryable() => println!("later, in {:?} say", error.retry_after()),
///     Err(error) => {
///         // How far did it come? Each kind asks for something else.
///         match error.kind() {
///             ErrorKind::NotSent => println!("nothing happened"),
///             ErrorKind::MaybeReceived => println!("repeat it with the same idempotency key"),
///             ErrorKind::Answered => println!("HTTP {} [{}]", error.status(), error.request_id()),
///             ErrorKind::InvalidInput { parameter } => println!("`{parameter}`: {}", error.message()),
///             other => println!("{}", other.as_str()),
///         }
///         for attempt in error.attempts() {
///             println!("attempt {} came to {:?}", attempt.number, attempt.problem);
///         }
///         println!("{:?}; trace {}; {}", error.hint(), error.trace_id(), error.to_json());
///     }
/// }
/// # Ok(()) }
/// ```
pub struct Error(Box<Parts>);

/// How far a call came before it failed.
///
/// ```
/// use theazo::{Config, ErrorKind, Transport};
///
/// let error = Transport::new(Config::with_api_key("th_test_1").base_url("not an address")).unwrap_err();
/// assert_eq!(*error.kind(), ErrorKind::Configuration);
/// assert_eq!(error.kind().as_str(), "configuration");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request provably never reached the server, so it had no effect.
    NotSent,
    /// The request may have reached the server, but no answer came back.
    MaybeReceived,
    /// The server answered with an error.
    Answered,
    /// The server answered with something that is not what the API describes.
    Unreadable,
    /// An argument is wrong; nothing was sent.
    InvalidInput {
        /// The path of the argument, for example `limits.maxCost.amount`.
        parameter: String,
    },
    /// The client is not set up correctly; nothing was sent.
    Configuration,
    /// A webhook delivery is not what it says, or cannot be shown to be.
    Unverified,
}

impl ErrorKind {
    /// The kind as text, the same in every language.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::MaybeReceived => "maybe_received",
            Self::Answered => "answered",
            Self::Unreadable => "unreadable",
            Self::InvalidInput { .. } => "invalid_input",
            Self::Configuration => "configuration",
            Self::Unverified => "unverified",
        }
    }
}

/// Everything that an error carries; boxed, so that results stay small.
pub(crate) struct Parts {
    pub kind: ErrorKind,
    pub code: ErrorCode,
    pub message: String,
    pub status: u16,
    pub request_id: String,
    pub trace_id: String,
    pub details: serde_json::Map<String, serde_json::Value>,
    pub retry_after: Option<Duration>,
    pub retryable: bool,
    pub hint: Option<String>,
    pub attempts: Vec<Attempt>,
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            code,
            message: message.into(),
            status: 0,
            request_id: String::new(),
            trace_id: String::new(),
            details: serde_json::Map::new(),
            retry_after: None,
            retryable: false,
            hint: None,
            attempts: Vec::new(),
            source: None,
        }))
    }

    /// An error in how the client is set up.
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Configuration, ErrorCode::Configuration, message)
    }

    /// An error in one argument.
    pub(crate) fn invalid_input(parameter: impl Into<String>, problem: impl fmt::Display) -> Self {
        let parameter = parameter.into();
        Self::invalid_fields(vec![FieldProblem { field: parameter, message: problem.to_string() }])
    }

    /// An error in one or more arguments; the first one names the error.
    pub(crate) fn invalid_fields(problems: Vec<FieldProblem>) -> Self {
        Self::refused(ErrorCode::InvalidRequest, problems)
    }

    /// An error in one or more arguments, for which there is a code of its own.
    pub(crate) fn refused(code: ErrorCode, problems: Vec<FieldProblem>) -> Self {
        let message = problems
            .iter()
            .map(|problem| {
                let field = if problem.field.is_empty() { "the argument" } else { &problem.field };
                format!("`{field}` {}", problem.message)
            })
            .collect::<Vec<_>>()
            .join("; ");
        let parameter = problems.first().map(|problem| problem.field.clone()).unwrap_or_default();
        let mut error = Self::new(ErrorKind::InvalidInput { parameter }, code, message);
        let fields = serde_json::to_value(problems).unwrap_or_default();
        error.0.details.insert("fields".to_owned(), fields);
        error
    }

    /// An answer that is not what the API describes.
    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unreadable, ErrorCode::UnreadableAnswer, message)
    }

    pub(crate) fn parts(&mut self) -> &mut Parts {
        &mut self.0
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// How far the call came.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What went wrong, as a code that programs branch on.
    pub fn code(&self) -> &ErrorCode {
        &self.0.code
    }

    /// What went wrong, for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status of the answer; 0 if there was none.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The id of the request, to quote to support; empty if the server never answered.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// The trace that the call belongs to, 32 hexadecimal digits; empty if nothing was sent.
    pub fn trace_id(&self) -> &str {
        &self.0.trace_id
    }

    /// More about what went wrong, depending on the code.
    pub fn details(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.0.details
    }

    /// How long the server asks to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// What each attempt of the call came to, the first one first; empty if nothing was sent.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    fn causes(&self) -> Vec<String> {
        std::iter::successors(self.source(), |&cause| cause.source()).map(ToString::to_string).collect()
    }

    /// The error as JSON, the form in which it crosses into other languages.
    ///
    /// Members: `code`, `message`, `status`, `requestId`, `traceId`, `details`, `hint` (or null), `kind`, `parameter` (or
    /// null), `attempts`, `retryable`, `retryAfter` (seconds, or null),
    /// `causes` (the messages of what it was caused by, the nearest first).
    pub fn to_json(&self) -> String {
        let parameter = match &self.0.kind {
            ErrorKind::InvalidInput { parameter } => Some(parameter.as_str()),
            _ => None,
        };
        serde_json::json!({
            "code": self.0.code.as_str(),
            "message": self.0.message,
            "status": self.0.status,
            "requestId": self.0.request_id,
            "traceId": self.0.trace_id,
            "details": self.0.details,
            "hint": self.0.hint,
            "kind": self.0.kind.as_str(),
            "parameter": parameter,
            "attempts": self.0.attempts,
            "retryable": self.0.retryable,
            "retryAfter": self.0.retry_after.map(|wait| wait.as_secs_f64()),
            "causes": self.causes(),
        })
        .to_string()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if self.0.status != 0 {
            write!(f, " (HTTP {}, {})", self.0.status, self.0.code)?;
        }
        if !self.0.request_id.is_empty() {
            write!(f, " [{}]", self.0.request_id)?;
        }
        if self.0.attempts.len() > 1 {
            write!(f, " after {} attempts", self.0.attempts.len())?;
        }
        match &self.0.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("code", &self.0.code.as_str())
            .field("message", &self.0.message)
            .field("status", &self.0.status)
            .field("request_id", &self.0.request_id)
            .field("trace_id", &self.0.trace_id)
            .field("details", &self.0.details)
            .field("retry_after", &self.0.retry_after)
            .field("retryable", &self.0.retryable)
            .field("hint", &self.0.hint)
            .field("attempts", &self.0.attempts)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_says_what_happened_and_what_to_do() {
        let mut error =
            Error::new(ErrorKind::Answered, ErrorCode::RateLimited, "too many requests").with_hint("wait 7 s");
        error.parts().status = 429;
        error.parts().request_id = "req_1".to_owned();

        assert_eq!(error.to_string(), "too many requests (HTTP 429, rate_limited) [req_1]; wait 7 s");
    }

    #[test]
    fn an_invalid_argument_is_named_in_every_form() {
        let error = Error::invalid_input("limits.maxCost.amount", "must not be negative");

        assert_eq!(error.to_string(), "`limits.maxCost.amount` must not be negative");
        assert_eq!(error.kind(), &ErrorKind::InvalidInput { parameter: "limits.maxCost.amount".to_owned() });
        let json: serde_json::Value = serde_json::from_str(&error.to_json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "code": "invalid_request",
                "message": "`limits.maxCost.amount` must not be negative",
                "status": 0,
                "requestId": "",
                "traceId": "",
                "details": { "fields": [{ "field": "limits.maxCost.amount", "message": "must not be negative" }] },
                "hint": null,
                "kind": "invalid_input",
                "parameter": "limits.maxCost.amount",
                "attempts": [],
                "retryable": false,
                "retryAfter": null,
                "causes": [],
            })
        );
    }
}
