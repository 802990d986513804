//! From errors of the core to exceptions of Python. The classes are Python's own: see `theazo/errors.py`.

use pyo3::{prelude::*, sync::PyOnceLock};
use serde_json::json;

use crate::value::ToPython;

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

    /// A call that ended in no way that a call ends: a fault of ours.
    pub fn without_result() -> Self {
        Self::bug("a call ended without a result")
    }

    /// The exception.
    pub fn into_python(self, py: Python<'_>) -> PyErr {
        self.exception(py).map_or_else(|error| error, PyErr::from_value)
    }

    fn exception(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        static FROM_NATIVE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let parts = match self {
            Self::Core(error) => serde_json::from_str(&error.to_json()).expect("an error is JSON"),
            Self::Binding(value) => value,
        };
        let from_native = FROM_NATIVE.import(py, "theazo.errors", "_from_native")?;
        from_native.call1((parts.to_python(py)?,))
    }
}

impl From<theazo::Error> for Failure {
    fn from(error: theazo::Error) -> Self {
        Self::Core(Box::new(error))
    }
}
