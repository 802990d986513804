//! What there is to tell of an answer besides what it says.

use pyo3::{prelude::*, types::PyDict};
use theazo::ResponseMeta as Core;

use crate::{event_loop::Ready, value::ToPython};

/// Everything about an answer that is not its body.
#[pyclass(frozen, module = "theazo")]
pub struct ResponseMeta(Core);

#[pymethods]
impl ResponseMeta {
    /// The HTTP status.
    #[getter]
    fn status(&self) -> u16 {
        self.0.status
    }

    /// The id of the request, to quote to support; empty if the server gave none.
    #[getter]
    fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// The trace that the call belongs to, 32 hexadecimal digits.
    #[getter]
    fn trace_id(&self) -> &str {
        &self.0.trace_id
    }

    /// Whether the answer is that of an earlier call with the same idempotency key.
    #[getter]
    fn replayed(&self) -> bool {
        self.0.replayed
    }

    /// The headers of the answer, by their names in small letters.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let headers = PyDict::new(py);
        for name in self.0.headers.keys() {
            let values = self.0.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            headers.set_item(name.as_str(), values.collect::<Vec<_>>().join(", "))?;
        }
        Ok(headers)
    }

    /// What each attempt came to, the successful one last.
    #[getter]
    fn attempts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        serde_json::to_value(&self.0.attempts).expect("attempts are JSON").to_python(py)
    }

    /// How long the call took in all, with every attempt and the pauses between them.
    #[getter]
    fn total(&self) -> std::time::Duration {
        self.0.timings.total
    }

    fn __repr__(&self) -> String {
        format!(
            "ResponseMeta(status={}, request_id={:?}, attempts={}, replayed={})",
            self.0.status,
            self.0.request_id,
            self.0.attempts.len(),
            if self.0.replayed { "True" } else { "False" },
        )
    }
}

/// The result, which tells the list that wants it of its answer.
pub fn telling(ready: Ready, meta: Core, collector: Option<Py<PyAny>>) -> Ready {
    let Some(collector) = collector else { return ready };
    Box::new(move |py| {
        let value = ready(py)?;
        collector.call_method1(py, "append", (ResponseMeta(meta),))?;
        Ok(value)
    })
}
