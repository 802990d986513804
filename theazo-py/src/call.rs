//! What a call is made of: the table of operations, and what a caller gives.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyDict, PyMapping, PyTuple},
};
use serde::de::DeserializeOwned;
use theazo::transport::{Call, CallOptions};
use theazo_api::{DurationInput, Endpoint, Operation, Reply};

use crate::{
    error::Failure,
    event_loop::{Ready, nothing},
    generated::calls::ENTRIES,
    shape::{self, Kind, Shape},
    unknown::Unknown,
    value::ToPython,
};

/// An operation as a caller in Python sees it.
pub struct Entry {
    /// The operation.
    pub operation: &'static Operation,
    path: &'static [&'static str],
    query: Option<&'static Shape>,
    body: Option<Body>,
    decode: fn(&[u8]) -> Result<Ready, serde_json::Error>,
}

enum Body {
    /// Its fields are arguments.
    Fields(&'static Shape),
    /// It is the argument of this name.
    Argument(&'static str, Kind),
}

impl Entry {
    /// An operation that takes nothing.
    pub const fn of<E: Endpoint>() -> Self
    where
        E::Response: ToPython,
    {
        Self { operation: E::OPERATION, path: &[], query: None, body: None, decode: decode::<E::Response> }
    }

    /// The operation with these path parameters.
    pub const fn path(mut self, names: &'static [&'static str]) -> Self {
        self.path = names;
        self
    }

    /// The operation with this query.
    pub const fn query(mut self, shape: &'static Shape) -> Self {
        self.query = Some(shape);
        self
    }

    /// The operation with this body.
    pub const fn body(mut self, shape: &'static Shape) -> Self {
        self.body = Some(Body::Fields(shape));
        self
    }

    /// The operation with one argument that is the body.
    pub const fn whole_body(mut self, name: &'static str, kind: Kind) -> Self {
        self.body = Some(Body::Argument(name, kind));
        self
    }

    /// The entry with this id.
    pub fn find(id: &str) -> PyResult<&'static Self> {
        static BY_ID: LazyLock<HashMap<&'static str, &'static Entry>> =
            LazyLock::new(|| ENTRIES.iter().map(|entry| (entry.operation.id, entry)).collect());
        BY_ID.get(id).copied().ok_or_else(|| PyTypeError::new_err(format!("there is no operation `{id}`")))
    }

    /// The call with what the caller gives, and the list that wants its meta data, if one does.
    pub fn call(
        &self,
        path: &Bound<'_, PyTuple>,
        inputs: Option<&Bound<'_, PyDict>>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<(Call, Option<Py<PyAny>>)> {
        let py = path.py();
        let mut parameters = Vec::with_capacity(self.path.len());
        for (name, value) in self.path.iter().zip(path.iter()) {
            let text: String =
                value.extract().map_err(|_| Failure::invalid_input(name, "must be text").into_python(py))?;
            if text.is_empty() {
                return Err(Failure::invalid_input(name, "must not be empty").into_python(py));
            }
            parameters.push(text);
        }
        let none = PyDict::new(py);
        let inputs = inputs.unwrap_or(&none);
        let query = self.query.map_or_else(|| Ok(Vec::new()), |shape| shape::query(shape, inputs))?;
        let body = match &self.body {
            None => None,
            Some(Body::Fields(shape)) => Some(shape::object(shape, inputs)?),
            Some(Body::Argument(name, kind)) => match inputs.get_item(name)?.filter(|value| !value.is_none()) {
                Some(value) => Some(shape::whole(kind, name, &value)?),
                None => return Err(Failure::invalid_input(name, "must be given").into_python(py)),
            },
        };
        let (options, collector) = call_options(options)?;
        let body = body.map(Into::into);
        Ok((Call { operation: self.operation, path: parameters, query, body, options }, collector))
    }

    /// What an answer becomes.
    pub fn ready(&self, body: &[u8], status: u16, request_id: &str) -> Result<Ready, Failure> {
        if self.operation.reply == Reply::Empty {
            return Ok(nothing());
        }
        (self.decode)(body).map_err(|error| {
            let message =
                format!("the answer to {} does not have the form that this version knows: {error}", self.operation.id);
            Failure::unreadable(message, status, request_id)
        })
    }
}

/// Reads a value without the GIL; only its class is made with it.
fn decode<T: DeserializeOwned + ToPython + Send + 'static>(json: &[u8]) -> Result<Ready, serde_json::Error> {
    let (value, unknown) = Unknown::read::<T>(json)?;
    Ok(Box::new(move |py| value.into_python(py, unknown).map(Bound::unbind)))
}

/// The options of one call, and the list that `with_meta` gives to be told of the answer; an unknown option is refused as
/// Python refuses an unknown argument.
pub fn call_options(given: &Bound<'_, PyDict>) -> PyResult<(CallOptions, Option<Py<PyAny>>)> {
    let (mut options, mut collector) = (CallOptions::default(), None);
    if given.is_empty() {
        return Ok((options, collector));
    }
    for (name, value) in given {
        let name: String = name.extract()?;
        if value.is_none() {
            continue;
        }
        match name.as_str() {
            "timeout" => options.timeout = Some(duration(&name, &value)?),
            "deadline" => options.deadline = Some(duration(&name, &value)?),
            "max_retries" => options.max_retries = Some(retries(&name, &value)?),
            "idempotency_key" => options.idempotency_key = Some(text(&name, &value)?),
            "extra_headers" => options.headers = headers(&name, &value)?,
            "_meta" => collector = Some(value.unbind()),
            _ => return Err(PyTypeError::new_err(format!("got an unexpected keyword argument '{name}'"))),
        }
    }
    Ok((options, collector))
}

/// A duration as the SDK takes it everywhere: a timedelta, a whole number of milliseconds or text.
pub fn duration(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let json = shape::duration_json(name, value)?;
    serde_json::from_slice::<DurationInput>(&json)
        .map(|duration| duration.0)
        .map_err(|error| Failure::invalid_input(name, &error.to_string()).into_python(value.py()))
}

/// A number of retries.
pub fn retries(name: &str, value: &Bound<'_, PyAny>) -> PyResult<u32> {
    value.extract().map_err(|_| {
        Failure::invalid_input(name, "must be a whole number that is not negative").into_python(value.py())
    })
}

fn text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    value.extract().map_err(|_| Failure::invalid_input(name, "must be text").into_python(value.py()))
}

/// Headers from a mapping.
pub fn headers(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    let wrong = || Failure::invalid_input(name, "must be a dict of text by text").into_python(value.py());
    let mapping = value.cast::<PyMapping>().map_err(|_| wrong())?;
    mapping.items()?.iter().map(|pair| pair.extract().map_err(|_| wrong())).collect()
}
