//! From errors of the core to exceptions of Python. The classes are Python's own: see `theazo/errors.py`.

use pyo3::{prelude::*, sync::PyOnceLock};
use serde_json::json;

/// Why a call failed, before it is an exception.
pub enum Failure {
    /// The core says why.
    Core(Box<theazo::Error>),
    /// The binding says why, in the core's form for bindings.
    Binding(serde_json::Value),
}

impl Failure {
    /// An input that cannot be sent; `field` is named as the caller wrote it.
    pub fn invalid_input(field: &str, message: &str) -> Self {
        let text = if field.is_empty() { message.to_owned() } else { format!("`{field}` {message}") };
        Self::Binding(json!({
            "code": "invalid_request",
            "message": text,
            "details": { "fields": [{ "field": field, "message": message }] },
            "kind": "invalid_input",
        }))
    }

    /// An answer of the server that does not have the form that this version knows.
    pub fn unreadable(message: String, status: u16, request_id: &str) -> Self {
        Self::Binding(json!({
            "code": "unreadable_answer",
            "message": message,
            "status": status,
            "requestId": request_id,
            "kind": "unreadable",
        }))
    }

    /// A setting that cannot be used.
    pub fn configuration(message: &str) -> Self {
        Self::Binding(json!({ "code": "configuration", "message": message, "kind": "configuration" }))
    }

    /// A fault of ours.
    pub fn bug(message: &str) -> Self {
        Self::Binding(json!({ "code": "internal_error", "message": message, "kind": "unreadable" }))
    }

    /// The exception.
    pub fn into_python(self, py: Python<'_>) -> PyErr {
        static FROM_JSON: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let json = match self {
            Self::Core(error) => error.to_json(),
            Self::Binding(value) => value.to_string(),
        };
        let made = FROM_JSON.import(py, "theazo.errors", "from_json").and_then(|from_json| from_json.call1((json,)));
        match made {
            Ok(exception) => PyErr::from_value(exception),
            Err(error) => error,
        }
    }
}

impl From<theazo::Error> for Failure {
    fn from(error: theazo::Error) -> Self {
        Self::Core(Box::new(error))
    }
}
