//! The error of the control plane: a code with what people and programs need to go on.

use std::io;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use theazo_api::{ErrorCode, ErrorDetail, FieldProblem};

use crate::{
    compute::{self, ComputeError},
    store::{Shortfall, StoreError, Unit},
};

/// An operation could not be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppError {
    /// What went wrong; boxed, so that a `Result` stays small.
    pub detail: Box<ErrorDetail>,
    /// Whether the body could not even be read, which has a status of its own.
    #[serde(default)]
    pub unreadable: bool,
    /// Seconds after which to try again.
    #[serde(default)]
    pub retry_after: Option<u64>,
    /// Whether it was the plane's own disk that failed: the same work can be done once that is well again.
    #[serde(skip)]
    pub is_outage: bool,
}

/// Seconds after which it is worth asking again where the plane's own disk failed.
const OUTAGE_PAUSE: u64 = 1;

/// How many problems of one request are told.
const MOST_PROBLEMS: usize = 50;

/// The outcome of an operation.
pub type AppResult<T> = Result<T, AppError>;

impl AppError {
    /// An error with a code and a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        ErrorDetail { code, message: message.into(), details: Map::new() }.into()
    }

    /// What went wrong, as the wire shows it.
    pub fn into_detail(self) -> ErrorDetail {
        *self.detail
    }

    /// Adds a particular for programs.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.details.insert(name.to_owned(), value.into());
        self
    }

    /// There is no such thing, or it is somebody else's.
    pub fn not_found(what: &str, id: &str, prefix: &str) -> Self {
        let hint =
            if id.starts_with(prefix) { String::new() } else { format!("; the id of one begins with `{prefix}`") };
        Self::new(ErrorCode::NotFound, format!("there is no {what} `{id}`{hint}"))
    }

    /// The present state does not allow it.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// Checks of fields failed.
    pub fn invalid_fields(problems: &[FieldProblem]) -> Self {
        Self::refused(ErrorCode::InvalidRequest, problems)
    }

    /// Checks of fields failed, for which there is a code of its own.
    pub fn refused(code: ErrorCode, problems: &[FieldProblem]) -> Self {
        // Whoever sent a million of them is told enough with the first.
        let problems = &problems[..problems.len().min(MOST_PROBLEMS)];
        let named: Vec<String> = problems
            .iter()
            .map(|problem| {
                if problem.field.is_empty() {
                    format!("the body {}", problem.message)
                } else {
                    format!("`{}` {}", problem.field, problem.message)
                }
            })
            .collect();
        Self::new(code, named.join("; ")).with("fields", json!(problems))
    }

    /// One field is wrong.
    pub fn invalid_field(field: &str, message: impl Into<String>) -> Self {
        Self::invalid_fields(&[FieldProblem { field: field.to_owned(), message: message.into() }])
    }

    /// The body is not JSON.
    pub fn unreadable(message: impl Into<String>) -> Self {
        Self { unreadable: true, ..Self::new(ErrorCode::InvalidRequest, message) }
    }

    /// The idempotency key came with another request before.
    pub fn idempotency_key_reused(key: &str) -> Self {
        Self::new(
            ErrorCode::IdempotencyKeyReused,
            format!("the idempotency key `{key}` was used with a different request; use a new key"),
        )
    }

    /// A budget lacks what the next step may cost.
    pub fn limit_exceeded(shortfall: &Shortfall) -> Self {
        let name = &shortfall.limit;
        let message = match shortfall.unit {
            Unit::Money => {
                let cents = |amount: i64| theazo_api::round_to_cents(amount);
                format!(
                    "the limit `{name}` of {} cents is reached: {} cents are spent and {} are reserved, and the next \
                     step may cost more than is left",
                    cents(shortfall.value),
                    cents(shortfall.spent),
                    cents(shortfall.reserved),
                )
            }
            Unit::Milliseconds => format!(
                "the limit `{name}` of {} minutes is reached: {} minutes are used",
                minutes(shortfall.value),
                minutes(shortfall.spent),
            ),
        };
        let (value, used) = match shortfall.unit {
            Unit::Money => {
                (json!(theazo_api::round_to_cents(shortfall.value)), json!(theazo_api::round_to_cents(shortfall.spent)))
            }
            Unit::Milliseconds => (json!(minutes(shortfall.value)), json!(minutes(shortfall.spent))),
        };
        let error = Self::new(ErrorCode::SessionLimitExceeded, message)
            .with("limit", name.as_str())
            .with("value", value)
            .with("used", used);
        match shortfall.unit {
            Unit::Money => error.with("usedMicroCents", shortfall.spent).with("reservedMicroCents", shortfall.reserved),
            Unit::Milliseconds => error,
        }
    }

    /// The plane's own disk is full or fails, for the moment.
    fn outage(is_full: bool, reason: &dyn std::fmt::Display) -> Self {
        tracing::error!(%reason, "the plane's own disk failed");
        let (code, message) = if is_full {
            (ErrorCode::InsufficientStorage, "the disk of the control plane is full; ask again when it has room")
        } else {
            let message =
                "the control plane cannot write or read its disk for the moment; ask again, with the same key";
            (ErrorCode::Unavailable, message)
        };
        Self { retry_after: Some(OUTAGE_PAUSE), is_outage: true, ..Self::new(code, message) }
    }

    /// The plane's own disk refused something.
    pub fn of_disk(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::outage(true, error),
            io::ErrorKind::ReadOnlyFilesystem => Self::outage(false, error),
            _ if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => Self::outage(false, error),
            _ => Self::internal(error),
        }
    }

    /// Something that must not happen did.
    pub fn internal(reason: impl std::fmt::Display) -> Self {
        tracing::error!(%reason, "internal error");
        Self::new(ErrorCode::InternalError, "the control plane failed; the request id helps to find out why")
    }
}

fn minutes(milliseconds: i64) -> f64 {
    milliseconds as f64 / 60_000.0
}

impl std::fmt::Display for AppError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.detail.code, self.detail.message)
    }
}

impl std::error::Error for AppError {}

impl From<ErrorDetail> for AppError {
    fn from(detail: ErrorDetail) -> Self {
        Self { detail: Box::new(detail), unreadable: false, retry_after: None, is_outage: false }
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => {
                let error = Self::new(ErrorCode::Unavailable, "the control plane is stopping; ask again");
                Self { retry_after: Some(OUTAGE_PAUSE), ..error }
            }
            error if error.is_outage() => Self::outage(error.is_full(), &error),
            error => Self::internal(error),
        }
    }
}

impl From<ComputeError> for AppError {
    fn from(error: ComputeError) -> Self {
        match error {
            ComputeError::TimedOut { after, stdout, stderr } => Self::new(
                ErrorCode::Timeout,
                format!("the program did not end within {} and was killed", theazo_api::time::human_duration(after)),
            )
            .with("stdout", stdout)
            .with("stderr", stderr),
            ComputeError::OutOfSpace { reason, limit, value, used, stdout, stderr } => {
                // Of a limit of the host its users can change nothing.
                let is_of_host = limit == compute::HOST_DISK;
                let code = if is_of_host { ErrorCode::InsufficientStorage } else { ErrorCode::SessionLimitExceeded };
                Self::new(code, reason)
                    .with("limit", limit)
                    .with("value", value)
                    .with("used", used)
                    .with("stdout", stdout)
                    .with("stderr", stderr)
            }
            ComputeError::NotFound(path) => Self::new(ErrorCode::NotFound, format!("there is no file `{path}`")),
            ComputeError::InvalidPath { path, reason } => Self::invalid_field("path", format!("`{path}` {reason}")),
            ComputeError::Invalid { field, reason } => Self::invalid_field(field, reason),
            ComputeError::Conflict(reason) => Self::conflict(reason),
            ComputeError::Unsupported(what) => Self::new(ErrorCode::NoProvidersAvailable, what),
            ComputeError::CannotCopy(_) | ComputeError::NothingListens(_) => Self::conflict(error.to_string()),
            ComputeError::Paused => Self::conflict("the agent is paused; resume it first"),
            ComputeError::Gone => Self::conflict("the sandbox is gone"),
            ComputeError::HostDiskFull(reason) => Self::new(ErrorCode::InsufficientStorage, reason),
            ComputeError::Failed(reason) => Self::new(ErrorCode::ProviderError, reason),
        }
    }
}
