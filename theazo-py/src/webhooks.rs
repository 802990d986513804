//! Verifying deliveries and signing those of tests: the core does both.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBytes, PyDict, PyMapping, PyString},
};
use theazo::webhooks::{self as core, Verifier as CoreVerifier};
use theazo_api::{Timestamp, WebhookEvent};

use crate::{call, error::Failure, value::ToPython};

/// Verifies deliveries with one secret, or with several while a secret is being changed.
#[pyclass(frozen, module = "theazo.webhooks")]
pub struct Verifier(CoreVerifier);

#[pymethods]
impl Verifier {
    #[new]
    #[pyo3(signature = (secret, *others, tolerance=None))]
    fn new(
        py: Python<'_>,
        secret: String,
        others: Vec<String>,
        tolerance: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let failed = |error: theazo::Error| Failure::from(error).into_python(py);
        let mut verifier = CoreVerifier::new(secret).map_err(failed)?;
        for other in others {
            verifier = verifier.or_secret(other).map_err(failed)?;
        }
        if let Some(tolerance) = tolerance {
            verifier = verifier.tolerance(call::duration("tolerance", tolerance)?);
        }
        Ok(Self(verifier))
    }

    /// Verifies a delivery and reads its event.
    #[pyo3(signature = (body, headers, *, now=None))]
    fn verify(
        &self,
        py: Python<'_>,
        body: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Delivery> {
        let (body, headers) = (bytes(body)?, pairs(headers)?);
        let now = now.map_or_else(|| Ok(SystemTime::now()), moment)?;
        let delivery = self.0.verify_at(now, &body, headers).map_err(|error| Failure::from(error).into_python(py))?;
        Ok(Delivery { id: delivery.id, signed_at: delivery.signed_at, event: delivery.event })
    }

    fn __repr__(&self) -> &'static str {
        "Verifier([hidden])"
    }
}

/// A delivery that was verified.
#[pyclass(frozen, module = "theazo.webhooks")]
pub struct Delivery {
    id: String,
    signed_at: SystemTime,
    event: WebhookEvent,
}

#[pymethods]
impl Delivery {
    /// The id of the event.
    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    /// When this delivery was signed.
    #[getter]
    fn signed_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let millis = self.signed_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)).to_python(py)
    }

    /// What happened.
    #[getter]
    fn event<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.event.to_python(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Delivery(id={:?}, event={})", self.id, self.event(py)?.repr()?))
    }
}

/// The headers of a delivery that is signed now, or at another time.
#[pyfunction]
#[pyo3(signature = (secret, id, body, *, at=None))]
pub fn sign_for_test<'py>(
    py: Python<'py>,
    secret: String,
    id: &str,
    body: &Bound<'py, PyAny>,
    at: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let at = at.map_or_else(|| Ok(SystemTime::now()), moment)?;
    let signed = core::sign_for_test_at(at, secret, id, &bytes(body)?);
    let headers = PyDict::new(py);
    for (name, value) in &signed.map_err(|error| Failure::from(error).into_python(py))? {
        headers.set_item(name.as_str(), String::from_utf8_lossy(value.as_bytes()))?;
    }
    Ok(headers)
}

/// The value of the header `X-Trigger-Signature` for a call of a trigger's address.
#[pyfunction]
pub fn sign_trigger(secret: String, body: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(core::sign_trigger(secret, &bytes(body)?))
}

/// The body as it came: text was bytes of UTF-8.
fn bytes(body: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(text) = body.cast::<PyString>() {
        return Ok(text.to_cow()?.as_bytes().to_vec());
    }
    if let Ok(bytes) = body.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    body.extract::<Vec<u8>>().map_err(|_| PyTypeError::new_err("the body must be bytes or text, as it came"))
}

/// Names and values of headers, from a mapping or from pairs, whose parts are text or bytes.
fn pairs(headers: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Vec<u8>)>> {
    let items = match headers.cast::<PyMapping>() {
        Ok(mapping) => mapping.items()?.into_any(),
        // Mappings of web frameworks need not be registered as such.
        Err(_) if headers.hasattr("items")? => headers.call_method0("items")?,
        Err(_) => headers.clone(),
    };
    let mut pairs = Vec::new();
    for pair in items.try_iter()? {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair?.extract()?;
        let name = String::from_utf8_lossy(&bytes(&name)?).into_owned();
        pairs.push((name, bytes(&value)?));
    }
    Ok(pairs)
}

fn moment(value: &Bound<'_, PyAny>) -> PyResult<SystemTime> {
    let seconds: f64 = value.call_method0("timestamp")?.extract()?;
    Ok(UNIX_EPOCH + Duration::from_secs_f64(seconds.max(0.0)))
}
